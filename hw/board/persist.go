package board

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrPersistUnknown means that the kernel does not say what it does with an
// output that is freed; assume that it keeps its level.
var ErrPersistUnknown = errors.New("board: no pin driver of this machine has persist_gpio_outputs: " +
	"assume that a killed daemon leaves a relay energised until it is restarted")

// ErrPersistValue means that the setting could not be understood.
var ErrPersistValue = errors.New("board: persist_gpio_outputs is neither Y nor N")

// PersistSetting says whether an output keeps its level when the process that
// held it dies, as Raspberry Pi kernels do by default. name is the setting as
// the kernel command line takes it, e.g. pinctrl_bcm2835.persist_gpio_outputs;
// =n there turns it off. root is the root of the file system, "/" on a board.
//
// A kernel has the drivers of all models, each with the setting: those that
// drive nothing here do not count. Where several are left, one that keeps is
// enough to be named; where none is, the board's chips are others, and the error
// is ErrPersistUnknown.
func PersistSetting(root string) (name string, keeps bool, err error) {
	const param = "persist_gpio_outputs"
	files, err := filepath.Glob(filepath.Join(root, "sys/module/pinctrl_*/parameters", param))
	if err != nil {
		return "", false, fmt.Errorf("board: %w", err)
	}
	for _, f := range files {
		module := filepath.Base(filepath.Dir(filepath.Dir(f)))
		if idle(root, module) {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			return "", false, fmt.Errorf("board: %s.%s: %w", module, param, unpath(err))
		}
		name = module + "." + param
		switch v := strings.TrimSpace(string(bytes.ToUpper(b))); v {
		case "Y", "1":
			return name, true, nil
		case "N", "0":
		default:
			return name, true, fmt.Errorf("%w: %s is %q", ErrPersistValue, name, v)
		}
	}
	if name == "" {
		return "", false, ErrPersistUnknown
	}
	return name, false, nil
}

// idle tells of a driver that the kernel has, and that drives no device. A
// device is a link in the driver's folder (Linux, Documentation/driver-api/
// driver-model/driver.rst).
func idle(root, module string) bool {
	driver := strings.ReplaceAll(module, "_", "-")
	entries, err := os.ReadDir(filepath.Join(root, "sys/bus/platform/drivers", driver))
	return err == nil && !slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return e.Type() == fs.ModeSymlink && e.Name() != "module"
	})
}

func unpath(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
