package qemu

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
)

// file is a file of the guest.
type file struct {
	mode fs.FileMode // permissions
	data []byte
}

// initramfs packs files, by their absolute path in the guest, into a cpio
// archive in the kernel's "newc" form (Documentation/driver-api/early-userspace/
// buffer-format.rst). Parent folders come before what they hold. All of it is
// root's, the guest's one user.
func initramfs(files map[string]file) []byte {
	var out bytes.Buffer
	entry := func(name string, mode fs.FileMode, data []byte) {
		fmt.Fprintf(&out, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
			0, uint32(mode), 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
		pad := func() {
			for out.Len()%4 != 0 {
				out.WriteByte(0)
			}
		}
		out.WriteString(name + "\x00")
		pad()
		out.Write(data)
		pad()
	}
	const dir, regular = 0o040755, 0o100000 // stat(2): S_IFDIR, S_IFREG
	made := map[string]bool{"/": true}
	var mkdir func(string)
	mkdir = func(d string) {
		if made[d] {
			return
		}
		made[d] = true
		mkdir(path.Dir(d))
		entry(d[1:], dir, nil)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		mkdir(path.Dir(name))
		entry(name[1:], regular|files[name].mode, files[name].data)
	}
	entry("TRAILER!!!", 0, nil)
	return out.Bytes()
}
