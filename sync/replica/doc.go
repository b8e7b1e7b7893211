// Package replica decides how ledgers get from whoever holds them to whoever may
// hold them: from what is held, what others announce and what may be seen, it
// says what to want, what to give, what to acknowledge and what to witness.
//
// It is pure: [Replica.Step] takes a [Moment] and an [Event] and returns ordered
// [Action]s; time and randomness come in with the moment. The host owns the
// links and the store, and its whole loop is
//
//	r := replica.New(cfg)
//	do(r.Step(moment(), replica.Started{…}))
//	for {
//		e := next() // a link's event, the store's answer, or Tick at r.Wake()
//		do(r.Step(moment(), e))
//	}
//
// It opens nothing, keeps no entries, and projects nothing: what the entries
// mean is package edge/roster's affair.
//
// # What it believes
//
// Nothing but signatures and Merkle proofs. A link may lose, repeat, reorder and
// replay, and say that a message comes from somebody else; the sender's name
// only tells whom to ask, and whose fault it was. A head counts when its author,
// whom [Rights] name for that kind of ledger, signed it. Entries count when they
// continue what is held here and prove to be a prefix of such a head; they are
// taken whole or not at all. So a message of a stranger is as good as any, but
// nobody without rights is given anything.
//
// # How a change travels
//
// The author broadcasts its new head with the entries since the last one as its
// tail; who holds all before them is done. Who does not asks one peer at a time
// with a [Want], and is answered with [Give]s. A head that is news on a link is
// announced there by somebody who holds it whole, after a random while in which
// somebody else may do it (Trickle, RFC 6206): so ledgers cross from link to
// link and outlive their authors. The same rule repeats the last head at growing
// intervals, and answers who announces an old one: a message that was lost is
// made good without anybody keeping score.
//
// [Held] is the only acknowledgement. It follows what is durable, and is repeated
// at growing intervals, as a head is.
//
// # When entries do not fit
//
// Then whoever gave them is wrong, or the author signed two histories. The giver
// is blamed, and asked with the head that its entries contradict: it compares,
// and two heads that conflict become evidence ([Proof]) that everybody verifies,
// stores and announces. Nothing more of that ledger is taken then, unless its
// author was retired and what counts of it is not here yet.
//
// # Kinds of entries that this version does not know
//
// [ledger.Entry.Open] accepts them, critical or not, so they are stored and
// passed on: the log is the log. What the ledger's projection does there is the
// projection's affair; it stops at a critical one.
//
// # Bounds
//
// Memory does not depend on what peers send: see [Config]. A message costs
// nothing but a look at it unless it can be news, and each sender has a budget
// of signatures that are checked on its account.
package replica
