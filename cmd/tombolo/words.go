package main

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"

	"tombolo/cmd/internal/cli"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// inWords says an entry's body as a person reads it; a kind without words of its
// own is shown field by field.
func inWords(body ledger.Body) string {
	switch b := body.(type) {
	case *ledger.Begin:
		if b.Predecessor != nil {
			return fmt.Sprintf("generation %d, after %s of incarnation %v", b.Generation, count(b.Predecessor.Size, "entry", "entries"), b.Predecessor.Incarnation)
		}
		return fmt.Sprintf("generation %d", b.Generation)
	case *ledger.Dropped:
		return fmt.Sprintf("bodies of entries %d to %d: %s", b.First, b.Last, b.Why)
	case *ledger.Admit:
		return fmt.Sprintf("passport %d, %s, owner %s, from %s until %s", b.Passport, b.Class, (*address)(&b.Owner), when(unix(b.NotBefore)), when(unix(b.NotAfter)))
	case *ledger.Suspend:
		return because(fmt.Sprintf("passport %d", b.Passport), b.Why)
	case *ledger.Reinstate:
		return because(fmt.Sprintf("passport %d", b.Passport), b.Why)
	case *ledger.Expel:
		return because(fmt.Sprintf("passport %d", b.Passport), b.Why)
	case *ledger.DoorKeyAdded:
		s, err := passport.ParseSignedDelegation(b.Delegation)
		if err != nil {
			return "unreadable: " + err.Error()
		}
		d := s.Delegation
		return fmt.Sprintf("passport %d, %s key %s, by %s, until %s", d.Passport, d.Key.Kind, d.Key.ID().String()[:16], d.Mode, when(asTime(asOf(d.NotAfter))))
	case *ledger.DoorKeyRevoked:
		by := "by the issuer"
		if len(b.Wallet) > 0 {
			by = "with the owner's signature"
		}
		return because(fmt.Sprintf("passport %d, key %x, %s", b.Passport, b.Key[:8], by), b.Why)
	case *ledger.NodeRegistered:
		return fmt.Sprintf("%s, %s, %d m², id %v", b.Slug, count(b.Doors, "door", "doors"), b.Floor, b.Node)
	case *ledger.NodeVouched:
		return fmt.Sprintf("node %v, steward %v, to phones", b.Node, ledger.KeyIDOf(b.Steward[:]))
	case *ledger.GatewayVouched:
		return fmt.Sprintf("gateway key %v, reader key %x, to phones", ledger.KeyIDOf(b.Gateway[:]), b.Reader[:8])
	case *ledger.GatewayEnrolled:
		return fmt.Sprintf("%s, key %v", b.Gateway, ledger.KeyIDOf(b.Keys.Signing[:]))
	case *ledger.GatewayRemoved:
		return because(fmt.Sprintf("%s, key %v", b.Gateway, ledger.KeyIDOf(b.Signing[:])), b.Why)
	case *ledger.Policy:
		return fmt.Sprintf("version %d, %s", b.Version, count(len(b.File), "byte", "bytes"))
	case *ledger.Home:
		return fmt.Sprintf("passport %d, wallet %s, behind %s, notice %s", b.Passport, walletName(b.Owner), b.Door, count(b.Notice/86400, "day", "days"))
	case *ledger.HomeEnded:
		return because(fmt.Sprintf("passport %d behind %s, not before %s", b.Passport, b.Door, when(unix(b.Ends))), b.Why)
	case *ledger.Lockdown:
		return because(fmt.Sprintf("%s, until %s", doorsInWords(b.Doors), when(unix(b.Ends))), b.Why)
	case *ledger.LockdownLifted:
		return because(doorsInWords(b.Doors), b.Why)
	case *ledger.Bar:
		if b.Ends == 0 {
			return because(fmt.Sprintf("passport %d, lifted", b.Passport), b.Why)
		}
		return because(fmt.Sprintf("passport %d, until %s", b.Passport, when(unix(b.Ends))), b.Why)
	case *ledger.GuestPass:
		uses := "any number of entries"
		if b.Uses > 0 {
			uses = count(int(b.Uses), "entry", "entries")
		}
		return because(fmt.Sprintf("pass %s, passport %d, by %s, from %s until %s, %s", b.Pass.String()[:8], b.Passport, strings.Join(b.Levels, ", "), when(unix(b.NotBefore)), when(unix(b.NotAfter)), uses), b.Why)
	case *ledger.GuestEnded:
		return because("pass "+b.Pass.String()[:8], b.Why)
	case *ledger.Forgive:
		return because(everybodyOr(b.Passport), b.Why)
	case *ledger.Open:
		return because(b.Door, b.Why)
	case *ledger.Snapshot:
		return fmt.Sprintf("of %s, those that mean nothing any more are let go", count(b.Size, "entry", "entries"))
	case *ledger.DirectoryKeys:
		return fmt.Sprintf("%s, key %v", b.Gateway, ledger.KeyIDOf(b.Keys.Signing[:]))
	case *ledger.DirectoryGone:
		return fmt.Sprintf("%s, key %v", b.Gateway, ledger.KeyIDOf(b.Signing[:]))
	case *ledger.PinSet:
		if len(b.Boxes) == 0 {
			return fmt.Sprintf("passport %d, cleared", b.Passport)
		}
		return fmt.Sprintf("passport %d, at %s", b.Passport, count(len(b.Boxes), "gateway", "gateways"))
	case *ledger.Decision:
		return decisionInWords(b)
	case *ledger.Passage:
		what := "went through"
		if !b.Entered {
			what = "granted, no passage"
		}
		return fmt.Sprintf("%s, decision %d: %s", b.Door, b.Seq, what)
	case *ledger.DoorState:
		return b.Door + " " + b.State
	case *ledger.Input:
		state := "off"
		if b.Active {
			state = "on"
		}
		return fmt.Sprintf("%s %s %s", b.Door, b.Input, state)
	case *ledger.Boot:
		return fmt.Sprintf("%s, policy %d, clock %s", b.Software, b.Policy, b.Clock)
	case *ledger.Basis:
		return fmt.Sprintf("policy %d, clock %s, %s", b.Policy, b.Clock, count(len(b.Sources), "ledger", "ledgers"))
	case *ledger.PassUsed:
		return fmt.Sprintf("pass %s, decision %d", b.Pass.String()[:8], b.Seq)
	case *ledger.Forgiven:
		return fmt.Sprintf("%s, up to %s", everybodyOr(b.Passport), when(time.UnixMilli(b.Before)))
	case *ledger.Opening:
		return fmt.Sprintf("%s, decision %d: recorded, and opens", b.Door, b.Seq)
	case *ledger.Siblings:
		return siblingsInWords(b)
	case *ledger.Ordered:
		return fmt.Sprintf("%s, decision %d: ordered by entry %d of %s", b.Door, b.Seq, b.Index, ledgerInWords(b.Origin))
	case *ledger.PolicyTried:
		if b.OK {
			return fmt.Sprintf("policy version %d was tried, and stays", b.Version)
		}
		return because(fmt.Sprintf("policy version %d was tried, and does not stay", b.Version), b.Why)
	case *ledger.Expired:
		return because(fmt.Sprintf("the bodies below %d of incarnation %v were let go", b.Before, b.Incarnation), b.Why)
	case *ledger.Line:
		where := b.Door
		if where == "" {
			where = "gateway"
		}
		return fmt.Sprintf("%s %s %s", where, b.Input, b.State)
	case *ledger.ClockStep:
		return fmt.Sprintf("from %s to %s", when(time.UnixMilli(b.From)), when(time.UnixMilli(b.To)))
	case *ledger.Fault:
		if b.Cleared {
			return b.Part + " works again"
		}
		return b.Part + ": " + b.What
	}
	if s := censusInWords(body); s != "" {
		return s
	}
	return fieldsInWords(body)
}

// censusInWords says what stands in ledgers of the census, and is empty for
// anything else.
func censusInWords(body ledger.Body) string {
	switch b := body.(type) {
	case *ledger.EpochOpened:
		out := fmt.Sprintf("epoch %d, %s, from %s until %s, audited until %s, %s drawn by %s", b.Number, epochName(b.ID()),
			when(unix(b.Opens)), when(unix(b.Closes)), when(unix(b.Audit)), count(b.Sample, "tag", "tags"), b.Beacon)
		var names []string
		for _, a := range b.Auditors {
			names = append(names, a.Name)
		}
		if len(names) == 0 {
			return out + ", no auditors"
		}
		return out + ", auditors " + strings.Join(names, ", ")
	case *ledger.FiguresSigned:
		var totals []string
		for _, f := range b.Figures {
			totals = append(totals, fmt.Sprintf("%s %d %s over %s", f.Name, f.Amount, f.Unit, count(f.People, "person", "people")))
		}
		return fmt.Sprintf("%s, by the issuer's word alone: %s", epochName(b.Epoch), strings.Join(totals, "; "))
	case *ledger.Attendance:
		by := "tap"
		if b.Window {
			by = "code"
		}
		return fmt.Sprintf("%s, passport %d, by %s", epochName(b.Epoch), b.Passport, by)
	case *ledger.Occupancy:
		return fmt.Sprintf("%s, at least %d and at most %d, as of %s before", b.Zone, b.Sure, b.Most, time.Duration(b.Age)*time.Second)
	case *ledger.CensusTags:
		return fmt.Sprintf("%s, part %d, %s", epochName(b.Epoch), b.Part, count(len(b.Tags)/ledger.TagSize, "tag", "tags"))
	case *ledger.Reported:
		return fmt.Sprintf("%s, node %s, %s in %s, root %x", epochName(b.Epoch), b.Node.String()[:16], count(b.Count, "tag", "tags"), count(b.Parts, "part", "parts"), b.Root[:8])
	case *ledger.Opened:
		return fmt.Sprintf("%s, tag %x, opened to auditor %x", epochName(b.Epoch), b.Tag[:8], b.Auditor[:8])
	case *ledger.EpochClosed:
		figure := count(b.Size, "passport", "passports")
		if b.Withheld {
			figure = fmt.Sprintf("fewer than %d passports", ledger.Withheld)
		}
		return fmt.Sprintf("%s, %s seen with valid evidence, root %x, out of %s; %s, %s, %d m²", epochName(b.Epoch), figure, b.Root[:8],
			count(b.Reports, "report", "reports"), count(b.Nodes, "node", "nodes"), count(b.Doors, "door", "doors"), b.Floor)
	case *ledger.Draw:
		return fmt.Sprintf("%s, from %d under root %x, by seed %x, %s", epochName(b.Epoch), b.Size, b.Root[:8], b.Seed[:8], b.Source)
	}
	return ""
}

// epochName is an epoch's name, as far as people compare it.
func epochName(id ledger.EpochID) string { return "epoch id " + id.String()[:16] }

// ledgerInWords names a ledger by its author, as lists show it.
func ledgerInWords(origin string) string {
	o, err := ledger.ParseOrigin(origin)
	if err != nil {
		return origin
	}
	return fmt.Sprintf("the %s ledger of %s", o.Kind, short(o.Author))
}

func siblingsInWords(b *ledger.Siblings) string {
	out := "knows " + count(len(b.Heard), "sibling's log", "siblings' logs")
	if len(b.Missing) > 0 {
		out += "; not reached: " + strings.Join(b.Missing, ", ")
	}
	return out
}

func everybodyOr(number uint64) string {
	if number == 0 {
		return "everybody"
	}
	return fmt.Sprintf("passport %d", number)
}

func doorsInWords(doors []string) string {
	if len(doors) == 0 {
		return "all doors"
	}
	return strings.Join(doors, ", ")
}

func count[N int | int64 | uint32 | uint64](n N, one, many string) string {
	return cli.Count(n, one, many)
}

func because(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + why
}

func decisionInWords(b *ledger.Decision) string {
	what := "DENIED"
	if b.Granted {
		what = "granted"
	}
	who := "nobody known"
	if b.Passport != 0 {
		who = fmt.Sprintf("passport %d", b.Passport)
	}
	way := "in"
	if b.Exit {
		way = "out"
	}
	return fmt.Sprintf("%s %s: %s, %s (%s), by %s", b.Door, way, what, b.Reason, who, b.Mode)
}

func fieldsInWords(body ledger.Body) string {
	var parts []string
	v := reflect.ValueOf(body).Elem()
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() {
			parts = append(parts, fmt.Sprintf("%s %v", snake(f.Name), plain(v.Field(i))))
		}
	}
	return strings.Join(parts, ", ")
}

// plain is a body as JSON says it: an object of its fields, bytes in hexadecimal,
// whatever has a text form of its own in that.
func plain(v reflect.Value) any {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		return plain(v.Elem())
	}
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String()
	}
	switch v.Kind() {
	case reflect.Struct:
		out := map[string]any{}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				out[snake(f.Name)] = plain(v.Field(i))
			}
		}
		return out
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			b := make([]byte, v.Len())
			reflect.Copy(reflect.ValueOf(b), v)
			return hex.EncodeToString(b)
		}
		out := make([]any, v.Len())
		for i := range out {
			out[i] = plain(v.Index(i))
		}
		return out
	}
	return v.Interface()
}

// snake is a field's name in JSON: NotBefore becomes not_before.
func snake(name string) string {
	var b strings.Builder
	lower := false
	for _, r := range name {
		if unicode.IsUpper(r) && lower {
			b.WriteByte('_')
		}
		lower = !unicode.IsUpper(r)
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
