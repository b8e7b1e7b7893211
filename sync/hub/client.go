package hub

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdh"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// Client asks a hub's API. It believes nothing: answers are bounded and read
// strictly, and what they prove is for the caller to verify.
type Client struct {
	Base string       // https://hub.example, without /v1
	HTTP *http.Client // nil is http.DefaultClient
}

// Errors of [Client].
var (
	ErrBase   = errors.New("the hub's address is wrong: want http:// or https:// and a host, as https://hub.example")
	ErrAnswer = errors.New("the hub's answer is not one that this version understands; is it a hub, and of the same version?")
	ErrLarge  = errors.New("the hub's answer is larger than any should be")
)

// Refusal is what the hub answered instead.
type Refusal struct {
	Status   int    `json:"-"`
	What     string `json:"error"`
	WhatToDo string `json:"what_to_do"`
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("the hub answered %d: %s; %s", r.Status, r.What, r.WhatToDo)
}

const (
	maxJSON = 64 << 20 // a page of openings
	maxSaid = 4 << 10  // of an error
)

// A hub that says that it was asked too often is asked again so often, after so long.
const (
	maxBusy = 30
	busyFor = time.Second
)

// get asks. The caller closes the body.
func (c *Client) get(ctx context.Context, path string, query url.Values, header http.Header) (*http.Response, error) {
	u, err := url.Parse(c.Base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%w: %q", ErrBase, c.Base)
	}
	u = u.JoinPath(path)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	h := c.HTTP
	if h == nil {
		h = http.DefaultClient
	}
	resp, err := h.Do(req)
	for try := 0; err == nil && resp.StatusCode == http.StatusTooManyRequests && try < maxBusy; try++ {
		if err := resp.Body.Close(); err != nil {
			return nil, err
		}
		if !pause(ctx, busyFor) {
			return nil, context.Cause(ctx)
		}
		resp, err = h.Do(req)
	}
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusPartialContent && header.Get("Range") != "" {
		return resp, nil
	}
	said, _ := io.ReadAll(io.LimitReader(resp.Body, maxSaid))
	r := &Refusal{Status: resp.StatusCode}
	if json.Unmarshal(said, r) != nil || r.What == "" {
		return nil, errors.Join(fmt.Errorf("%w: %s", ErrAnswer, resp.Status), resp.Body.Close())
	}
	r.What, r.WhatToDo = printable(r.What), printable(r.WhatToDo)
	return nil, errors.Join(r, resp.Body.Close())
}

// printable keeps a hub from writing to somebody's terminal what it likes.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, clipTo(s, 500))
}

func clipTo(s string, n int) string { return s[:min(len(s), n)] }

// json asks for a value.
func (c *Client) json(ctx context.Context, path string, query url.Values, v any) error {
	resp, err := c.get(ctx, path, query, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return decodeJSON(resp.Body, v)
}

// decodeJSON reads one value, and nothing after it.
func decodeJSON(r io.Reader, v any) error {
	b, err := io.ReadAll(io.LimitReader(r, maxJSON+1))
	if err != nil {
		return err
	}
	if len(b) > maxJSON {
		return ErrLarge
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: something stands behind it", ErrAnswer)
	}
	return nil
}

// maxPages bounds the pages of one question.
const maxPages = 1 << 12

// all asks page after page, as long as each says that there is a next one.
func all[A any](ctx context.Context, c *Client, path string, query url.Values, take func(A) (next string, n int)) error {
	q := url.Values{"limit": {strconv.Itoa(maxLimit)}}
	for k, v := range query {
		q[k] = v
	}
	for range maxPages {
		var a A
		if err := c.json(ctx, path, q, &a); err != nil {
			return err
		}
		next, n := take(a)
		if next == "" {
			return nil
		}
		if n == 0 || next == q.Get("after") {
			return fmt.Errorf("%w: its pages do not end", ErrAnswer)
		}
		q.Set("after", next)
	}
	return fmt.Errorf("%w: its pages do not end", ErrAnswer)
}

func epochPath(id ledger.EpochID, rest string) string { return "/v1/epochs/" + id.String() + rest }

// Community asks whose hub it is.
func (c *Client) Community(ctx context.Context) (a CommunityAnswer, err error) {
	return a, c.json(ctx, "/v1/community", nil, &a)
}

// Charters asks for the charters of the community and its nodes: a bundle.
func (c *Client) Charters(ctx context.Context, w io.Writer) error {
	return c.copy(ctx, "/v1/charters", w, maxJSON)
}

// Epochs asks for all epochs.
func (c *Client) Epochs(ctx context.Context) (out []EpochAnswer, err error) {
	return out, all(ctx, c, "/v1/epochs", nil, func(a EpochsAnswer) (string, int) {
		out = append(out, a.Epochs...)
		return a.Next, len(a.Epochs)
	})
}

// Epoch asks for one.
func (c *Client) Epoch(ctx context.Context, id ledger.EpochID) (a EpochAnswer, err error) {
	if err := c.json(ctx, epochPath(id, ""), nil, &a); err != nil {
		return a, err
	}
	if a.ID != Hex(id) {
		return a, fmt.Errorf("%w: it is of another epoch", ErrAnswer)
	}
	return a, nil
}

// List asks for a closed epoch's list and writes it; size is the number of tags that
// is expected, and neither more nor fewer are taken. progress, unless it is nil, is
// told the bytes.
func (c *Client) List(ctx context.Context, id ledger.EpochID, size uint64, w io.Writer, progress func(done, total int64)) error {
	resp, err := c.get(ctx, epochPath(id, "/list"), nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	total := int64(size) * ledger.TagSize
	n, err := io.Copy(&telling{w, 0, total, progress}, io.LimitReader(resp.Body, total+1))
	if err == nil && n != total {
		err = fmt.Errorf("%w: a list of %d bytes, want %d", ErrAnswer, n, total)
	}
	return err
}

// telling tells how much was written.
type telling struct {
	w           io.Writer
	done, total int64
	progress    func(done, total int64)
}

func (t *telling) Write(b []byte) (int, error) {
	n, err := t.w.Write(b)
	t.done += int64(n)
	if t.progress != nil {
		t.progress(t.done, t.total)
	}
	return n, err
}

// Covers asks for the heads that a close covers, by ledger. All but Root and Node is
// not published, and zero: named auditors get it with the reports, see
// [Client.Reports].
func (c *Client) Covers(ctx context.Context, id ledger.EpochID) (out []census.Covered, err error) {
	var bad error
	err = all(ctx, c, epochPath(id, "/covers"), nil, func(a CoversAnswer) (string, int) {
		for _, r := range a.Covers {
			o, err := ledger.ParseOrigin(r.Ledger)
			if err == nil && (o.Kind != ledger.ReportLog || len(out) > 0 && out[len(out)-1].Origin.Compare(o) >= 0) {
				err = errors.New("not report ledgers, ascending")
			}
			bad = errors.Join(bad, err)
			out = append(out, census.Covered{Origin: o, Root: r.Root, Node: ledger.CharterID(r.Node)})
		}
		return a.Next, len(a.Covers)
	})
	if err == nil && bad != nil {
		err = fmt.Errorf("%w: %w", ErrAnswer, bad)
	}
	return out, err
}

// States asks what became of each report of an epoch.
func (c *Client) States(ctx context.Context, id ledger.EpochID) (out []ReportAnswer, err error) {
	return out, all(ctx, c, epochPath(id, "/reports"), nil, func(a ReportsAnswer) (string, int) {
		out = append(out, a.Reports...)
		return a.Next, len(a.Reports)
	})
}

// Proof asks whether a tag is in a closed epoch's list: one of the two comes, and
// neither was verified.
func (c *Client) Proof(ctx context.Context, id ledger.EpochID, tag census.Tag) (*census.Proof, *census.Absence, error) {
	var a ProofAnswer
	if err := c.json(ctx, epochPath(id, fmt.Sprintf("/proof/%x", tag)), nil, &a); err != nil {
		return nil, nil, err
	}
	if (a.Proof == nil) == (a.Absence == nil) {
		return nil, nil, fmt.Errorf("%w: neither a proof nor an absence", ErrAnswer)
	}
	if a.Proof != nil {
		p, err := census.ParseProof(a.Proof)
		return &p, nil, err
	}
	p, err := census.ParseAbsence(a.Absence)
	return nil, &p, err
}

// Reports asks for the reports that a close covers, as they are sealed to an
// auditor. The caller closes what is returned beside them.
func (c *Client) Reports(ctx context.Context, id ledger.EpochID, key *ecdh.PrivateKey) (*SealedReports, io.Closer, error) {
	if key == nil || key.Curve() != ecdh.X25519() {
		return nil, nil, census.ErrAuditorKey
	}
	resp, err := c.get(ctx, epochPath(id, fmt.Sprintf("/reports/%x", key.PublicKey().Bytes())), nil, nil)
	if err != nil {
		return nil, nil, err
	}
	s, err := OpenReports(key, resp.Body)
	if err == nil && s.Epoch != id {
		err = fmt.Errorf("%w: they are of another epoch", ErrSealedReports)
	}
	if err != nil {
		return nil, nil, errors.Join(err, resp.Body.Close())
	}
	return s, resp.Body, nil
}

// Openings asks for what the gateways sealed to an auditor, and hands over one after
// the other: who is to keep all of them, the hub does not decide.
func (c *Client) Openings(ctx context.Context, id ledger.EpochID, auditor [32]byte, each func(OpeningAnswer) error) error {
	var failed error
	err := all(ctx, c, epochPath(id, fmt.Sprintf("/openings/%x", auditor)), url.Values{"limit": {strconv.Itoa(maxOpenings)}}, func(a OpeningsAnswer) (string, int) {
		for _, o := range a.Openings {
			if failed = each(o); failed != nil {
				return "", 0
			}
		}
		return a.Next, 1 // the bodies of a whole page may have been dropped
	})
	return cmp.Or(failed, err)
}

// Occupancy asks for what is said of now.
func (c *Client) Occupancy(ctx context.Context) (a OccupancyAnswer, err error) {
	return a, c.json(ctx, "/v1/occupancy", nil, &a)
}

// Heads asks for the heads of ledgers of a kind: census, community or directory.
func (c *Client) Heads(ctx context.Context, kind ledger.LogKind) (out []LedgerAnswer, err error) {
	return out, all(ctx, c, "/v1/ledgers", url.Values{"kind": {string(kind)}}, func(a LedgersAnswer) (string, int) {
		out = append(out, a.Ledgers...)
		return a.Next, len(a.Ledgers)
	})
}

// maxBundle bounds a ledger, in bytes.
const maxBundle = 16 << 30

// Bundle asks for a ledger, whole, with the charters by which it counts: a bundle, for
// ledger.NewBundleReader or `tombolo ledger import`.
func (c *Client) Bundle(ctx context.Context, o ledger.Origin, w io.Writer) error {
	rest, ok := strings.CutPrefix(o.String(), fmt.Sprintf("tombolo/v1/%v/", o.Community))
	if !ok {
		return fmt.Errorf("%w: %v", ledger.ErrOrigin, o)
	}
	return c.copy(ctx, "/v1/ledgers/"+rest+"/bundle", w, maxBundle)
}

// copy writes an answer, whole.
func (c *Client) copy(ctx context.Context, path string, w io.Writer, most int64) error {
	resp, err := c.get(ctx, path, nil, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.Copy(w, io.LimitReader(resp.Body, most+1))
	if err == nil && n > most {
		err = ErrLarge
	}
	return err
}
