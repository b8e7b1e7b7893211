package gateway

import (
	"context"
	"errors"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/census"
	"tombolo/sync/replica"
)

var errNoAuthor = errors.New("no charter names whom the census asks")

// askSigned asks a peer by this gateway's signature: the brokers in between are not
// believed as to who asks.
func (g *Gateway) askSigned(ctx context.Context, to replica.Peer, body []byte) ([]byte, error) {
	key, err := g.folder.Key(folder.SigningKey)
	if err != nil {
		return nil, err
	}
	rights, err := g.folder.Rights()
	if err != nil {
		return nil, err
	}
	asked := rights.Authors[to].Key
	if len(asked) != 32 {
		return nil, errNoAuthor
	}
	return g.net.ask(ctx, to, census.SignAsk(key, rights.Community, [32]byte(asked), body))
}
