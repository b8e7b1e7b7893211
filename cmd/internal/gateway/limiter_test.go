package gateway

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestLimiter lets one through in each second, and tells of the rest once a
// second.
func TestLimiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []int
		l := limiter{every: time.Second, left: func(n int) { told = append(told, n) }}
		passed := 0
		for range 35 { // 0 to 3.4 s
			if l.allow() {
				passed++
			}
			time.Sleep(100*time.Millisecond + time.Millisecond)
			synctest.Wait()
		}
		if passed != 4 {
			t.Errorf("%d passed in 3.5 s", passed)
		}
		l.stop()
		synctest.Wait()
		sum := passed
		for _, n := range told {
			sum += n
		}
		if len(told) != 4 || sum != 35 {
			t.Errorf("%d passed, %v counted, of 35", passed, told)
		}
		told = nil
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if told != nil || !l.allow() {
			t.Errorf("after a silence it counts %v", told)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		l.stop()
		if told != nil {
			t.Errorf("nothing was left out, and it counts %v", told)
		}
	})
}
