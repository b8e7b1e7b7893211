// Package strict decodes TOML files that people write and that doors obey:
// every mistake is told with file, line, column, key and what was expected,
// and as many as possible at once.
//
// Call [Decode] with a struct. It refuses what is larger than [MaxSize], not
// UTF-8, not TOML, doubled, unknown, missing or of the wrong kind. Afterwards
// check what relates one value to another and report it through the
// [Document], which still knows where each value stood:
//
//	var f file
//	doc, err := strict.Decode("policy.toml", data, &f)
//	if doc == nil {
//		return err // not TOML at all
//	}
//	if _, ok := f.Zones[f.From]; !ok {
//		doc.Reject(strict.Path{"from"}, "unknown zone %q", f.From)
//	}
//	return doc.Err() // what Decode found and what was added since
//
// Struct tags say what one value alone must obey:
//
//	toml:"strike"           its key, matched exactly (case too)
//	min:"1s" max:"255s"     bounds of a Duration or an integer, both inclusive
//	eg:"5s"                 an example to show in the error
//	required:"say which"    the key must be there; the text says why or what
//	refused:"use x"         the key must not be there; the text says why
//
// A type that implements encoding.TextUnmarshaler is decoded from a string;
// its method `Want() string`, if it has one, completes "want …" in errors. Its
// own error is shown if it has none, or if the error wraps [ErrRefused].
//
// The values come from github.com/pelletier/go-toml/v2; this package adds a
// tree of positions over the same library's parser. It reads no file and does
// not write TOML.
package strict
