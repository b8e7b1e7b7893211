package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/peer"
)

const (
	auditDays     = 60 // from the close until openings end and the key goes
	defaultSample = 300
	maxOffer      = 4096 // bytes
	offerPatience = 15 * time.Second
)

// auditors are NAME=HEX as a flag that may be given several times.
type auditors []ledger.Auditor

var errAuditor = errors.New("want NAME=KEY: a name of at most 100 characters, and the 64 hexadecimal digits that `tombolo census auditor-key` shows")

func (a *auditors) Set(s string) error {
	// A name may have an equals sign in it.
	i := strings.LastIndexByte(s, '=')
	if i < 1 || i > 100 {
		return errAuditor
	}
	var key hex32
	if err := key.Set(s[i+1:]); err != nil || key == (hex32{}) {
		return errAuditor
	}
	for _, have := range *a {
		if have.Sealing == [32]byte(key) {
			return fmt.Errorf("the key %v is there twice", &key)
		}
	}
	*a = append(*a, ledger.Auditor{Name: s[:i], Sealing: key})
	slices.SortFunc(*a, func(a, b ledger.Auditor) int { return bytes.Compare(a.Sealing[:], b.Sealing[:]) })
	return nil
}

func (a *auditors) Type() string { return "NAME=HEX" }

func (a *auditors) String() string {
	var out []string
	for _, one := range *a {
		out = append(out, one.Name+"="+hex.EncodeToString(one.Sealing[:]))
	}
	return strings.Join(out, ", ")
}

// openFlags are those of `census open`.
type openFlags struct {
	number               uint64
	opens, closes, audit moment
	beacon, offer        string
	sample, quota        uint32
	auditors             auditors
	patience             time.Duration
}

func (e *env) censusOpen() *cobra.Command {
	var o openFlags
	c := verb("open", "As an issuer, open an epoch: its times, its key, whence the draw's seed will come and who may audit", func(c *cobra.Command, _ []string) error {
		if o.beacon == "" {
			return usage("%s: --beacon: say where the seed will be found, so that nobody can choose it afterwards", c.CommandPath())
		}
		return e.change(false, func(f *folder.Folder) error { return e.openEpoch(c.Context(), f, &o) })
	})
	c.Flags().Uint64Var(&o.number, "number", 0, "the epoch's number, for people (default one more than the last)")
	c.Flags().Var(&o.opens, "opens", "presences count from then (default in an hour, so that every gateway has heard of it)")
	c.Flags().Var(&o.closes, "closes", "and until before then (default the end of the month in which it opens)")
	c.Flags().Var(&o.audit, "audit", fmt.Sprintf("drawn passports are opened until then, and the epoch's key is deleted (default %d days after the close)", auditDays))
	c.Flags().StringVar(&o.beacon, "beacon", "", "where the draw's seed will come from, as in \"the hash of Ethereum's first block after 2027-02-03T12:00Z\"")
	c.Flags().Uint32Var(&o.sample, "sample", defaultSample, "how many tags are drawn; none of 300 bad is under 1% at 95%")
	c.Flags().Uint32Var(&o.quota, "quota", 0, "how many tags the evaluator makes for one gateway at most; who has a stolen gateway key learns as many (default enough for all who are admitted)")
	c.Flags().Var(&o.auditors, "auditor", "somebody to whom drawn tags are opened; may be given several times")
	c.Flags().StringVar(&o.offer, "offer", "", "the evaluator's offer in a file, from `tombolo-hub evaluator key` (default: it is asked over the links)")
	c.Flags().DurationVar(&o.patience, "patience", offerPatience, "how long to wait for the evaluator")
	return need(c, "beacon")
}

// fill puts in the defaults and checks the order.
func (o *openFlags) fill(all []*epoch, admitted int, now time.Time) error {
	if o.number == 0 {
		for _, p := range all {
			o.number = max(o.number, p.Number)
		}
		o.number++
	}
	if o.opens.IsZero() {
		o.opens.Time = now.Add(time.Hour).Truncate(time.Second)
	}
	if o.closes.IsZero() {
		t := o.opens.Time
		o.closes.Time = time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, t.Location())
	}
	if o.audit.IsZero() {
		o.audit.Time = o.closes.AddDate(0, 0, auditDays)
	}
	switch {
	case o.closes.Unix() <= o.opens.Unix():
		return usage("--closes %v is not after --opens %v, which is in an hour where it is not given", &o.closes, &o.opens)
	case o.audit.Unix() <= o.closes.Unix():
		return usage("--audit %v is not after --closes %v", &o.audit, &o.closes)
	case o.closes.Unix() <= now.Unix():
		return usage("--closes %v is past", &o.closes)
	case o.sample == 0:
		return usage("--sample 0: then nothing would be looked at")
	}
	if o.quota == 0 {
		// Everybody may come to one node, some are admitted yet, and a batch may have
		// to be asked twice. Less would leave residents out: see the threat model.
		const batch = census.BatchSize
		o.quota = uint32(min((int64(admitted)*5/4+batch-1)/batch*batch+batch, 1<<31))
	}
	return nil
}

func (o *openFlags) body() *ledger.EpochOpened {
	return &ledger.EpochOpened{
		Number: o.number, Opens: o.opens.Unix(), Closes: o.closes.Unix(), Audit: o.audit.Unix(),
		Beacon: o.beacon, Sample: o.sample, Quota: o.quota, Auditors: o.auditors,
	}
}

func (e *env) openEpoch(ctx context.Context, f *folder.Folder, o *openFlags) error {
	chain, err := f.Community()
	if err != nil {
		return err
	}
	evaluator, err := f.EvaluatorAuthor()
	if err != nil {
		return err
	}
	if _, err := f.Key(folder.IssuerKey); err != nil {
		return fmt.Errorf("an issuer opens epochs: %w", err)
	}
	all, err := epochs(f)
	if err != nil {
		return err
	}
	people, err := readMembers(f)
	if err != nil {
		return err
	}
	if err := o.fill(all, len(people.byNumber), e.Now()); err != nil {
		return err
	}
	b := o.body()
	for _, p := range all {
		if p.Number == b.Number {
			e.warn("epoch %d was opened already, as %v: this will be another one of that number", p.Number, p.id)
		}
		if p.counts && p.Opens < b.Closes && b.Opens < p.Closes {
			e.warn("it overlaps with epoch %d, from %s until %s: who comes meanwhile counts in both", p.Number, when(unix(p.Opens)), when(unix(p.Closes)))
		}
	}
	if b.Opens <= e.Now().Unix() {
		e.warn("it has begun already, on %s: audits will say that its rules came late", when(unix(b.Opens)))
	}
	if len(b.Auditors) == 0 {
		e.warn("it names no auditor: nobody will be able to check the evidence of this epoch, for its whole life")
	}
	if err := e.takeOffer(ctx, f, evaluator, b, o); err != nil {
		return err
	}
	if err := chain.CheckOffer(b); err != nil {
		return err
	}
	if err := e.write(f, ledger.CommunityLog, b); err != nil {
		return err
	}
	p := &epoch{EpochOpened: *b, id: b.ID(), counts: true, opened: e.Now()}
	return e.print(viewOfEpoch(p, e.Now()), `epoch %d  %v
opens    %s
closes   %s
audited  until %s; then the evaluator deletes its key and no tag of it is ever made again
drawn    %d, by %s
auditors %s
The gateways report by themselves after the close; then the hub closes it (tombolo census close), and its seed is drawn when the beacon has spoken (tombolo census draw).
`, b.Number, p.id, when(unix(b.Opens)), when(unix(b.Closes)), when(unix(b.Audit)), b.Sample, b.Beacon, cmp.Or(auditorNames(b.Auditors), "none"))
}

func auditorNames(all []ledger.Auditor) string {
	var out []string
	for _, a := range all {
		out = append(out, a.Name)
	}
	return strings.Join(out, ", ")
}

// takeOffer puts the evaluator's key for the epoch into it, from a file or over
// the links.
func (e *env) takeOffer(ctx context.Context, f *folder.Folder, evaluator [32]byte, b *ledger.EpochOpened, o *openFlags) error {
	var answer census.OfferAnswer
	var err error
	if o.offer != "" {
		var data []byte
		if data, err = folder.ReadStream(o.offer, maxOffer); err != nil {
			return err
		}
		if answer, err = census.ParseOfferAnswer(data); err != nil {
			return fmt.Errorf("%s: %w; `tombolo-hub evaluator key` writes such a file", o.offer, err)
		}
	} else if answer, err = e.askOffer(ctx, f, evaluator, b, o.patience); err != nil {
		return err
	}
	if answer.Refused != "" {
		return fmt.Errorf("the evaluator makes no key for this epoch: %s", refusedWords(answer.Refused))
	}
	b.Key, b.Evaluator, b.Offer = answer.Key, answer.Evaluator, answer.Signature
	return nil
}

func refusedWords(code string) string {
	switch code {
	case "stranger":
		return "it does not know this folder's key as an issuer's by the charter that it holds; take the newest charter to it"
	case "over":
		return "that epoch is over and its key was deleted; choose other times"
	}
	return code
}

func (e *env) askOffer(ctx context.Context, f *folder.Folder, evaluator [32]byte, b *ledger.EpochOpened, patience time.Duration) (answer census.OfferAnswer, err error) {
	ask := census.OfferAsk{Number: b.Number, Opens: b.Opens, Closes: b.Closes, Audit: b.Audit}
	issuer, err := f.Key(folder.IssuerKey)
	if err != nil {
		return answer, err
	}
	community, err := f.CommunityID()
	if err != nil {
		return answer, err
	}
	body := census.SignAsk(issuer, community, evaluator, ask.Marshal())
	d, err := e.participant(f)
	if errors.Is(err, errNoLinks) {
		return answer, fmt.Errorf("%w; or bring the evaluator's offer as a file (--offer)", err)
	}
	if err != nil {
		return answer, err
	}
	err = d.during(ctx, func(ctx context.Context) error {
		ctx, end := context.WithTimeout(ctx, patience)
		defer end()
		for {
			data, err := d.node.Ask(ctx, ledger.KeyIDOf(evaluator[:]), body)
			if err == nil {
				answer, err = census.ParseOfferAnswer(data)
				return err
			}
			if !errors.Is(err, peer.ErrNobody) || e.Sleep(ctx, syncLook) != nil {
				down := strings.Join(downLinks(d.node.Status().Links), "; ")
				return fmt.Errorf("the evaluator %v did not answer within %v (%s): is it running and connected to the same broker? Or bring its offer as a file (--offer)",
					ledger.KeyIDOf(evaluator[:]), patience, cmp.Or(down, "the links are up"))
			}
		}
	})
	return answer, err
}
