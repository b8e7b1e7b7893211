package gateway

import "context"

// Watch puts something around the store's watch; before Run.
func (g *Gateway) Watch(around func(changed func() (bool, error)) func() (bool, error)) {
	watch := g.watch
	g.watch = func(ctx context.Context) (func() (bool, error), error) {
		changed, err := watch(ctx)
		if err != nil {
			return nil, err
		}
		return around(changed), nil
	}
}
