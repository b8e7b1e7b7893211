package board

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrPersistUnknown means that the kernel does not say what it does with an
// output that is freed; assume that it keeps its level.
var ErrPersistUnknown = errors.New("board: no pinctrl driver has persist_gpio_outputs: " +
	"assume that a killed daemon leaves a relay energised until it is restarted")

// ErrPersistValue means that the setting could not be understood.
var ErrPersistValue = errors.New("board: persist_gpio_outputs is neither Y nor N")

// PersistSetting says whether an output keeps its level when the process that
// held it dies, as Raspberry Pi kernels do by default. name is the setting as
// the kernel command line takes it, e.g. pinctrl_bcm2835.persist_gpio_outputs;
// =n there turns it off. root is the root of the file system, "/" on a board.
// Where several drivers have it, one that keeps is enough to be named.
func PersistSetting(root string) (name string, keeps bool, err error) {
	const param = "persist_gpio_outputs"
	files, err := filepath.Glob(filepath.Join(root, "sys/module/pinctrl_*/parameters", param))
	if err != nil {
		return "", false, fmt.Errorf("board: %w", err)
	}
	if len(files) == 0 {
		return "", false, ErrPersistUnknown
	}
	for _, f := range files {
		module := filepath.Base(filepath.Dir(filepath.Dir(f)))
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
	return name, false, nil
}

func unpath(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
