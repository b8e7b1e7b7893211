package evaluator

import (
	"crypto/rand"
	"runtime"
	"sync"
	"testing"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/oprf"

	"tombolo/sync/census"
)

// The two benchmarks have the same unit: one element evaluated with a proof of its
// own, on all cores. The first is what circl takes for it, the second what an ask
// takes for each of its elements: with reading, the durable count and the answer.

func BenchmarkCirclEvaluate(b *testing.B) {
	key, err := oprf.GenerateKey(oprf.SuiteRistretto255, rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	server := oprf.NewVerifiableServer(oprf.SuiteRistretto255, key)
	asks := make([]*oprf.EvaluationRequest, census.BatchSize)
	for i := range asks {
		asks[i] = &oprf.EvaluationRequest{Elements: []oprf.Blinded{group.Ristretto255.RandomElement(rand.Reader)}}
	}
	cores := runtime.GOMAXPROCS(0)
	b.ResetTimer()
	var work sync.WaitGroup
	for core := range cores {
		work.Go(func() {
			for i := core; i < b.N; i += cores {
				if _, err := server.Evaluate(asks[i%len(asks)]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
}

func BenchmarkAnswer(b *testing.B) {
	w := newWorld(b)
	e := w.open()
	opened := w.opened(e, term1, 1<<31)
	w.at(start + 1500)
	bodies := make([][]byte, b.N/census.BatchSize+2)
	element := w.batch(opened.ID(), 1, 0).ask.Elements
	for i := range bodies {
		ask := census.EvaluateAsk{Epoch: opened.ID(), Elements: append([]census.Element(nil), element...)}
		// No two batches are one: what is asked again is not counted again.
		blind, err := census.NewBlind(rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		if ask.Elements[0], err = blind.Element([]byte("a bench")); err != nil {
			b.Fatal(err)
		}
		bodies[i] = ask.Marshal()
	}
	next := make(chan []byte, len(bodies))
	for _, body := range bodies[:b.N/census.BatchSize+1] {
		next <- body
	}
	close(next)
	b.ResetTimer()
	var asking sync.WaitGroup
	for range 2 { // as a participant calls it, see peer.Config
		asking.Go(func() {
			for body := range next {
				if w.tell(e, b.Context(), w.gateway, body) == nil {
					b.Error("no answer")
					return
				}
			}
		})
	}
	asking.Wait()
}
