package ledger

import (
	"encoding/binary"
	"testing"
)

// What the codec takes of everything that writes or reads a ledger: an entry's
// leaf, and a short and a long body.
func BenchmarkCodec(b *testing.B) {
	tags := &CensusTags{Epoch: EpochID{1}, Tags: make([]byte, 1000*TagSize)}
	for i := range 1000 {
		binary.BigEndian.PutUint32(tags.Tags[i*TagSize:], uint32(i))
	}
	for _, body := range []struct {
		name string
		Body
	}{{"passage", &Passage{Seq: 1 << 20, Door: "front", Entered: true}}, {"1000 tags", tags}} {
		data, err := MarshalBody(body.Body)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(body.name+"/marshal", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := MarshalBody(body.Body); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(body.name+"/parse", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseBody(body.Kind(), data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	leaf := Seal(7, KindPassage, false, Salt{1}, testTime, []byte{0x80}).Leaf
	b.Run("leaf/parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ParseLeaf(leaf); err != nil {
				b.Fatal(err)
			}
		}
	})
}
