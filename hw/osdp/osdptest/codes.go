package osdptest

// Commands, OSDP 2.2 annex A.
const (
	Poll         = 0x60
	ID           = 0x61
	Cap          = 0x62
	LStat        = 0x64
	IStat        = 0x65
	OStat        = 0x66
	RStat        = 0x67
	Out          = 0x68
	LED          = 0x69
	Buzzer       = 0x6A
	Text         = 0x6B
	ComSet       = 0x6E
	KeySet       = 0x75
	Challenge    = 0x76
	SCrypt       = 0x77
	ACURxSize    = 0x7B
	FileTransfer = 0x7C
	Mfg          = 0x80
	XWrite       = 0xA1
	Abort        = 0xA2
	KeepActive   = 0xA7
)

// Replies, OSDP 2.2 annex A.
const (
	ACK     = 0x40
	NAK     = 0x41
	PDID    = 0x45
	PDCap   = 0x46
	LStatR  = 0x48
	IStatR  = 0x49
	OStatR  = 0x4A
	RStatR  = 0x4B
	Raw     = 0x50
	Keypad  = 0x53
	Com     = 0x54
	CCrypt  = 0x76
	RMacI   = 0x78
	Busy    = 0x79
	FTStat  = 0x7A
	MfgRep  = 0x90
	XRead   = 0xB1
	mfgSize = 3 // bytes of a vendor's code in MFG and MFGREP
)

// Reasons of a NAK, OSDP 2.2, osdp_NAK.
const (
	NakCheck      = 1
	NakLength     = 2
	NakUnknown    = 3
	NakSequence   = 4
	NakBlock      = 5 // security block not supported, or conditions not met
	NakEncryption = 6 // only in a Secure Channel
	NakRecord     = 9 // unable to process the command
)

// Capability is one entry of a PDCAP, OSDP 2.2 annex B.
type Capability struct{ Function, Compliance, Number byte }

// Functions of a capability.
const (
	CapInputs        = 1
	CapOutputs       = 2
	CapCard          = 3
	CapLED           = 4
	CapAudible       = 5
	CapText          = 6
	CapCheck         = 8
	CapSecurity      = 9
	CapReceiveBuffer = 10
	CapCombined      = 11
	CapSmartCard     = 12
	CapReaders       = 13
	CapVersion       = 16
)
