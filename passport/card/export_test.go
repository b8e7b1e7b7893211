package card

// What an Info's Genuine may say beside ErrNotGenuine.
var (
	ErrUnsigned  = errUnsigned
	ErrTooOld    = errTooOld
	ErrProofForm = errProofForm
	ErrRoot      = errRoot
	ErrImpostor  = errImpostor
	ErrFresh     = errFresh
	ErrTwoKeys   = errTwoKeys
	ErrMoved     = errMoved
)
