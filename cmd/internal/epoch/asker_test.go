package epoch

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"log/slog"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/linking"
	"tombolo/cmd/internal/wiring"
	"tombolo/sync/census"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
	"tombolo/sync/peer"
)

// evaluate asks the evaluator for a batch in the name and with the keys of a gateway
// that asked for none yet, and gives the code that it refuses with.
func (w *world) evaluate(t *testing.T) string {
	t.Helper()
	u := w.unit("casa1") // one of casa's two reports for both
	f := must(folder.Open(u.dir, false))
	defer f.Close()
	epochs := must(f.Epochs())
	signing, key := must(f.Key(folder.SigningKey)), must(f.Key(folder.TLSKey))
	self := must(f.Public(folder.SigningKey))
	evaluator := must(f.EvaluatorAuthor())
	own := must(enroll.SelfSigned(key, u.name))
	links := must(linking.Participant{
		Folder: f, Self: ledger.KeyIDOf(self[:]), Key: key, Name: u.name, Software: "test", Log: slog.New(slog.DiscardHandler),
		Own: func() (tls.Certificate, error) { return own, nil },
	}.Configs(must(wiring.ParseLinks("links.toml", []byte("[links.hub]\nbroker = \"tls://"+w.broker+"\"\n"))), ""))
	n := must(peer.New(peer.Config{Store: f.Store(), Self: ledger.KeyIDOf(self[:]), Rights: f.Rights, Links: links, Log: slog.New(slog.DiscardHandler)}))
	ctx, end := context.WithTimeout(t.Context(), 30*time.Second)
	ran := make(chan error, 1)
	go func() { ran <- n.Run(ctx) }()
	defer func() { end(); <-ran }()
	ask := census.EvaluateAsk{Epoch: epochs[0].ID, Elements: make([]census.Element, census.BatchSize)}
	for i := range ask.Elements {
		ask.Elements[i] = must(census.Padding(rand.Reader))
	}
	body := census.SignAsk(signing, must(f.CommunityID()), evaluator, ask.Marshal())
	for {
		reply, err := n.Ask(ctx, ledger.KeyIDOf(evaluator[:]), body)
		if errors.Is(err, peer.ErrNobody) && ctx.Err() == nil {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return must(census.ParseEvaluateAnswer(reply)).Refused
	}
}
