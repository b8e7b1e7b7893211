// Package policy is a node's policy file: its zones and doors, who may open
// which and when, what else an entry needs, how each door behaves, and how old
// the roster may be. A steward writes it as TOML, signs it into the node's
// ledger, and every gateway of the node obeys it.
//
// Call [Parse]. It is strict: whatever is unknown, missing, doubled, out of
// range or names something that is not there is an error with line, column and
// what was expected, all of them at once; what is lawful but probably not
// meant is in Policy.Warnings. Then ask [Policy.Allows] for each decision, and
// show [Explain] to whoever is about to sign.
//
// Parse refuses what would hold people in or keep a family out: a door without
// a mechanical way out, any rule for leaving, and PINs, company or interlocks at
// a home's door. Hard anti-passback needs one gateway that sees all doors of its
// zone; elsewhere it is taken as soft, with a warning, as siblings may be out of
// reach.
//
// The bytes are what is signed, as the steward wrote them, comments included:
// they are stored and hashed ([Hash]) and never encoded again. Of several
// signed policies the highest version wins, then the lowest hash.
//
// How the format may change: a key keeps its meaning and its default for ever.
// A new key may come; a gateway that does not know it refuses the whole file
// and goes on with the one it has, so the tools must not sign it before every
// gateway of the node has been updated. A key that must not be used any more
// stays refused by name.
//
// The package is pure, but for the time zone database, which the standard
// library finds. It does not decide: homes, suspension, staleness, who is inside
// and who comes with whom are package access's, and that an exit is never denied
// is too.
package policy
