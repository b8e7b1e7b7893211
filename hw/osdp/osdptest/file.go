package osdptest

import "encoding/binary"

// file is a transfer that is under way.
type file struct {
	kind  byte
	size  int
	bytes []byte
	idle  int // idle commands that are still wanted
}

// Status of a transfer, OSDP 2.2, osdp_FTSTAT.
const (
	fileGo         = 0
	fileDone       = 1
	fileFinishing  = 3
	fileMalformed  = -3
	fileLargest    = 1 << 20
	fileInterleave = 1 // control flag: other commands may stand in between
)

// fileTransfer is OSDP 2.2, osdp_FILETRANSFER: type, size, offset, fragment's length, data.
func (p *PD) fileTransfer(data []byte) reply {
	if len(data) < 11 {
		return nakFor(NakLength)
	}
	kind, size, offset := data[0], int(binary.LittleEndian.Uint32(data[1:])), int(binary.LittleEndian.Uint32(data[5:]))
	fragment := data[11:]
	if u16(data[9:]) != len(fragment) {
		return nakFor(NakLength)
	}
	if p.file == nil {
		if p.cfg.FileRefused < 0 {
			return p.fileStatus(p.cfg.FileRefused)
		}
		if offset != 0 || size == 0 || size > fileLargest {
			return p.fileStatus(fileMalformed)
		}
		p.file = &file{kind: kind, size: size, idle: p.cfg.FileIdle}
	}
	f := p.file
	if f.kind != kind || f.size != size || p.cfg.FileMax > 0 && offset > 0 && len(fragment) > p.cfg.FileMax {
		p.file = nil
		return p.fileStatus(fileMalformed)
	}
	if len(f.bytes) == f.size { // an idle command, wanted by fileFinishing
		if len(fragment) > 0 {
			p.file = nil
			return p.fileStatus(fileMalformed)
		}
		f.idle--
	} else {
		if offset != len(f.bytes) || offset+len(fragment) > size || len(fragment) == 0 {
			p.file = nil
			return p.fileStatus(fileMalformed)
		}
		f.bytes = append(f.bytes, fragment...)
	}
	switch {
	case len(f.bytes) < f.size:
		return p.fileStatus(fileGo)
	case f.idle > 0:
		return p.fileStatus(fileFinishing)
	}
	p.state.Files[kind], p.file = f.bytes, nil
	return p.fileStatus(fileDone)
}

// fileStatus is a FTSTAT: control flags, delay in ms, status, largest fragment
// message (0: no change).
func (p *PD) fileStatus(status int16) reply {
	b := []byte{fileInterleave}
	b = binary.LittleEndian.AppendUint16(b, uint16(p.cfg.FileDelay.Milliseconds()))
	b = binary.LittleEndian.AppendUint16(b, uint16(status))
	return reply{FTStat, binary.LittleEndian.AppendUint16(b, uint16(p.cfg.FileMax))}
}
