package hub

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tombolo/sync/ledger"
)

// APILimits bound what the API does for anybody. A zero takes its default.
type APILimits struct {
	Rate       float64 // requests a second from one address, 20
	Burst      int     // at once, 100
	Concurrent int     // requests under way, 64
	Heavy      int     // of those that send lists, reports or ledgers, 8, and of these two to one address
}

func (l APILimits) withDefaults() APILimits {
	l.Rate, l.Burst = cmp.Or(l.Rate, 20), cmp.Or(l.Burst, 100)
	l.Concurrent, l.Heavy = cmp.Or(l.Concurrent, 64), cmp.Or(l.Heavy, 8)
	return l
}

const (
	maxURL       = 2048
	maxHeader    = 16 << 10
	defaultLimit = 100
	maxLimit     = 1000
)

//go:embed openapi.json
var openAPI []byte

// route is one resource of the API. Its handler answers GET and HEAD.
type route struct {
	path   string
	heavy  bool
	params []string // that its query may have
	serve  func(h *Hub, w http.ResponseWriter, r *http.Request) error
}

var routes = []route{
	{"/v1/community", false, nil, (*Hub).getCommunity},
	{"/v1/charters", true, nil, (*Hub).getCharters},
	{"/v1/epochs", false, paging, (*Hub).getEpochs},
	{"/v1/epochs/{epoch}", false, nil, (*Hub).getEpoch},
	{"/v1/epochs/{epoch}/list", true, nil, (*Hub).getList},
	{"/v1/epochs/{epoch}/covers", false, paging, (*Hub).getCovers},
	{"/v1/epochs/{epoch}/proof/{tag}", false, nil, (*Hub).getProof},
	{"/v1/epochs/{epoch}/reports", false, paging, (*Hub).getReports},
	{"/v1/epochs/{epoch}/reports/{auditor}", true, nil, (*Hub).getSealedReports},
	{"/v1/epochs/{epoch}/openings/{auditor}", true, paging, (*Hub).getOpenings},
	{"/v1/occupancy", false, nil, (*Hub).getOccupancy},
	{"/v1/ledgers", false, append([]string{"kind"}, paging...), (*Hub).getLedgers},
	{"/v1/ledgers/{kind}/{author}/{incarnation}/bundle", true, nil, (*Hub).getBundle},
	{"/v1/openapi.json", false, nil, (*Hub).getOpenAPI},
	{"/metrics", false, nil, (*Hub).getMetrics},
	{"/healthz", false, nil, (*Hub).getHealth},
	{"/readyz", false, nil, (*Hub).getReady},
}

var paging = []string{"after", "limit"}

// apiError is what a request is refused with.
type apiError struct {
	status   int
	Err      string `json:"error"`
	WhatToDo string `json:"what_to_do"`
}

func (e *apiError) Error() string { return e.Err }

func refuse(status int, what, todo string) error { return &apiError{status, what, todo} }

func badRequest(format string, args ...any) error {
	return refuse(http.StatusBadRequest, fmt.Sprintf(format, args...), "look at /v1/openapi.json for what may be asked, and how")
}

func notFound(what string) error {
	return refuse(http.StatusNotFound, what, "look at /v1/epochs and /v1/ledgers for what there is")
}

// Handler is the read-only API, see /v1/openapi.json. It needs no secret, and serves
// nothing that is one. Serve it with [Server], which bounds time and headers.
func (h *Hub) Handler() http.Handler {
	l := newLimiter(h.cfg.API)
	operators := newLimiter(h.cfg.API) // what watches the hub does not share a bucket with its readers
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.HandleFunc(r.path, func(w http.ResponseWriter, req *http.Request) {
			done, err := l.admit(addressOf(req), r.heavy)
			if err == nil {
				defer done()
				if r.heavy {
					w = newPaced(w)
				}
				if err = checkQuery(req, r.params); err == nil {
					err = r.serve(h, w, req)
				}
			}
			if err != nil {
				h.fail(w, req, err)
			}
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		h.fail(w, req, notFound("there is nothing at this address"))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		h.metrics.requests.Inc()
		bucket := l
		if !strings.HasPrefix(req.URL.Path, "/v1/") {
			bucket = operators
		}
		head := w.Header()
		head.Set("Access-Control-Allow-Origin", "*")
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Cache-Control", "no-store")
		switch {
		case len(req.URL.RequestURI()) > maxURL:
			h.fail(w, req, refuse(http.StatusRequestURITooLong, "the address is too long", "ask for less at a time"))
		case req.Method != http.MethodGet && req.Method != http.MethodHead:
			head.Set("Allow", "GET, HEAD")
			h.fail(w, req, refuse(http.StatusMethodNotAllowed, "nothing can be written here", "use GET or HEAD; the hub learns what it publishes from signed ledgers alone"))
		case !bucket.from(addressOf(req), time.Now()):
			head.Set("Retry-After", "1")
			h.fail(w, req, refuse(http.StatusTooManyRequests, "too many requests from this address", "wait a second, and ask less often"))
		case !strings.HasPrefix(req.URL.Path, "/v1/") && req.URL.Path != "/metrics" && req.URL.Path != "/healthz" && req.URL.Path != "/readyz":
			h.fail(w, req, notFound("there is nothing at this address"))
		case req.URL.Path != cleaned(req.URL.Path):
			h.fail(w, req, notFound("there is nothing at this address"))
		default:
			mux.ServeHTTP(w, req)
		}
	})
}

// cleaned is what the mux would redirect to: an address has one form here.
func cleaned(p string) string {
	if strings.Contains(p, "//") || strings.Contains(p, "/./") || strings.Contains(p, "/../") || strings.HasSuffix(p, "/.") || strings.HasSuffix(p, "/..") {
		return ""
	}
	return p
}

// Server serves a handler with bounds on time and headers, to whoever may ask. What
// is long is bounded by Handler.
func Server(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: time.Minute, MaxHeaderBytes: maxHeader,
	}
}

// fail answers with an error. What goes wrong inside is for the log alone.
func (h *Hub) fail(w http.ResponseWriter, r *http.Request, err error) {
	a, ok := errors.AsType[*apiError](err)
	if !ok {
		if r.Context().Err() != nil {
			return // nobody listens any more
		}
		h.cfg.Log.Error("a request was not answered", "path", r.URL.Path, "err", err)
		a = &apiError{http.StatusInternalServerError, "the hub could not answer", "try again later; if it goes on, tell the hub's operator"}
	}
	h.metrics.refused.Inc()
	w.Header().Del("ETag")
	w.Header().Set("Cache-Control", "no-store")
	sendJSON(w, r, a.status, a)
}

// sendJSON answers with a value.
func sendJSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("hub: encode %T: %v", v, err)) // our types hold nothing that cannot be encoded
	}
	send(w, r, status, "application/json", append(b, '\n'))
}

func send(w http.ResponseWriter, r *http.Request, status int, kind string, b []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(b)
	}
}

// forever marks an answer that never changes, and answers 304 to who has it.
func forever(w http.ResponseWriter, r *http.Request, tag string) (known bool) {
	tag = `"` + tag + `"`
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	for t := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if strings.TrimSpace(t) == tag {
			w.WriteHeader(http.StatusNotModified)
			return true
		}
	}
	return false
}

// checkQuery takes only what is known, and each once.
func checkQuery(r *http.Request, allowed []string) error {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return badRequest("the query is malformed")
	}
	for k, v := range q {
		if !slices.Contains(allowed, k) {
			return badRequest("there is no parameter %q here", clip(k))
		}
		if len(v) != 1 {
			return badRequest("parameter %q is given %d times", k, len(v))
		}
	}
	return nil
}

// clip shortens what somebody sent, for an error.
func clip(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

// hex32 reads 64 lower-case hexadecimal digits of a path.
func hex32(r *http.Request, name string) (out [32]byte, err error) {
	s := r.PathValue(name)
	b, bad := hex.DecodeString(s)
	if bad != nil || len(b) != len(out) || s != strings.ToLower(s) {
		return out, badRequest("%s %q is not 64 hexadecimal digits, lower case", name, clip(s))
	}
	return [32]byte(b), nil
}

// page is a part of a list: Limit items from Offset on. A cursor is the offset in a
// list that only grows at its end, or the key of the last item.
type page struct {
	after string
	limit int
}

func pageOf(r *http.Request) (p page, err error) {
	q := r.URL.Query()
	p = page{limit: defaultLimit}
	if q.Has("limit") {
		s := q.Get("limit")
		n, bad := strconv.Atoi(s)
		if bad != nil || n < 1 || n > maxLimit || strconv.Itoa(n) != s {
			return p, badRequest("limit %q is not a number from 1 to %d", clip(s), maxLimit)
		}
		p.limit = n
	}
	if q.Has("after") {
		p.after = q.Get("after")
		b, bad := hex.DecodeString(p.after)
		if bad != nil || len(b) == 0 || len(b) > maxCursor || p.after != strings.ToLower(p.after) {
			return p, badRequest("after %q is not what an answer gave as next", clip(p.after))
		}
	}
	return p, nil
}

// maxCursor bounds a cursor, in bytes: a ledger's name and an index fit.
const maxCursor = 256

// cut takes a page of items that are sorted by their keys. next is "" at the end.
func cut[T any](p page, all []T, key func(T) string) (items []T, next string) {
	from := 0
	if p.after != "" {
		b, _ := hex.DecodeString(p.after)
		from, _ = slices.BinarySearchFunc(all, string(b), func(item T, after string) int {
			if key(item) <= after {
				return -1
			}
			return 1
		})
	}
	items = all[from:]
	if len(items) > p.limit {
		items = items[:p.limit]
		next = hex.EncodeToString([]byte(key(items[len(items)-1])))
	}
	return items, next
}

// view is what was seen last.
func (h *Hub) view(r *http.Request) (*view, error) { return h.current(r.Context()) }

// epoch is the one that a path names.
func (h *Hub) epoch(r *http.Request) (*view, *Epoch, error) {
	id, err := hex32(r, "epoch")
	if err != nil {
		return nil, nil, err
	}
	v, err := h.view(r)
	if err != nil {
		return nil, nil, err
	}
	e := v.byID[ledger.EpochID(id)]
	if e == nil {
		return nil, nil, notFound("there is no such epoch")
	}
	return v, e, nil
}

// closedEpoch is one that is closed.
func (h *Hub) closedEpoch(r *http.Request) (*view, *Epoch, *ledger.EpochClosed, error) {
	v, e, err := h.epoch(r)
	if err != nil {
		return nil, nil, nil, err
	}
	c, err := e.closed()
	switch {
	case errors.Is(err, ErrNotClosed):
		return nil, nil, nil, refuse(http.StatusNotFound, "the epoch is not closed yet", "ask again after it has closed; its state is at /v1/epochs/"+e.ID.String())
	case errors.Is(err, ErrTwoClosed):
		return nil, nil, nil, refuse(http.StatusConflict, err.Error(), "compare the two in the census ledgers, at /v1/ledgers?kind=census")
	}
	return v, e, c, err
}

func withheld(e *Epoch) error {
	return refuse(http.StatusForbidden, "the figure is withheld: fewer than 20 were seen", "the auditors whom the epoch names can read the reports, at /v1/epochs/"+e.ID.String()+"/reports/<auditor>")
}

func (h *Hub) getOpenAPI(w http.ResponseWriter, r *http.Request) error {
	send(w, r, http.StatusOK, "application/json", openAPI)
	return nil
}

func (h *Hub) getMetrics(w http.ResponseWriter, r *http.Request) error {
	promhttp.HandlerFor(h.metrics.registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	return nil
}

func (h *Hub) getHealth(w http.ResponseWriter, r *http.Request) error {
	sendJSON(w, r, http.StatusOK, map[string]string{"status": "alive"})
	return nil
}

// readyPatience is how long the store may take to answer.
const readyPatience = 2 * time.Second

func (h *Hub) getReady(w http.ResponseWriter, r *http.Request) error {
	if err := h.Ready(r.Context()); err != nil {
		return refuse(http.StatusServiceUnavailable, err.Error(), "wait; if it goes on, look at the hub's log")
	}
	sendJSON(w, r, http.StatusOK, map[string]string{"status": "ready"})
	return nil
}

// asked asks the store something. While it does not answer it is asked once, whoever
// wants to know.
func (h *Hub) asked(ctx context.Context) error {
	silent := errors.New("the store does not answer")
	ctx, end := context.WithTimeoutCause(ctx, readyPatience, silent)
	defer end()
	select {
	case h.asking <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := h.cfg.Store.CharterIDs()
		<-h.asking
		answered <- err
	}()
	select {
	case err := <-answered:
		if err != nil {
			return silent
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Ready says why the hub does not take in reports now, or nil: the store answers,
// the ledgers were looked through, and a link is up.
func (h *Hub) Ready(ctx context.Context) error {
	if err := h.asked(ctx); err != nil {
		return err
	}
	if h.seen.Load() == nil {
		return errors.New("the ledgers are still looked through")
	}
	if h.node == nil {
		return nil
	}
	if up := slices.ContainsFunc(h.node.Status().Links, linkUp); !up {
		return errors.New("no link to a broker is up")
	}
	return nil
}
