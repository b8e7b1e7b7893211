package osdp

// crcTable is of the polynomial 1021, MSB first: CRC-16/AUG-CCITT, OSDP 2.2
// Annex C.
var crcTable = func() (t [256]uint16) {
	for i := range t {
		c := uint16(i) << 8
		for range 8 {
			if c&0x8000 != 0 {
				c = c<<1 ^ 0x1021
			} else {
				c <<= 1
			}
		}
		t[i] = c
	}
	return t
}()

// crc16 is the CRC of a frame without its CRC, initial value 1D0F.
func crc16(b []byte) uint16 {
	c := uint16(0x1D0F)
	for _, x := range b {
		c = c<<8 ^ crcTable[byte(c>>8)^x]
	}
	return c
}

// checksum is what makes the sum of all bytes 0 modulo 256, OSDP 2.2 §5.9.
func checksum(b []byte) byte {
	var sum byte
	for _, x := range b {
		sum += x
	}
	return -sum
}
