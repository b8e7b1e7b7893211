// Package evaluator makes the keys under which a community's epochs are counted,
// keeps them, evaluates what gateways send it blinded, and lets go of them. It is
// not the hub, and the hub learns none of its keys: who has an epoch's key and the
// roster can tell whose tag is whose.
//
// [Open] a folder, hand [Evaluator.Answer] to a participant (peer.Config.Answer),
// and have [Evaluator.Run] run beside it: it destroys each key when its epoch is no
// longer audited. [Evaluator.Offer] and [Evaluator.Forget] do by hand what an
// issuer's ask and the time do; they may be called beside a running evaluator, by
// another process too.
//
// # Whom it answers
//
// An issuer of the charter's is offered a key for an epoch's number and times: the
// same one however often it asks. A gateway that may report for its node has
// elements evaluated for an epoch that stands in the community's ledgers with this
// evaluator's key, from its opening until its audit ends. Each gateway has the
// epoch's quota, which is counted in whole batches and before anything is
// answered: whoever cuts the power gains nothing. A batch that is asked for again,
// as its answer was lost, is answered again and not counted again. Two epochs that
// were opened with one key share its quota: an element does not say which it is
// for.
//
// Asks are signed ([census.SignAsk]): brokers, the hub's among them, are not believed.
//
// # What it does not learn
//
// Elements are blinded and batches are of one size, so it sees no passport and not
// how many came; it logs figures alone. Of each gateway it logs that it began to ask, and
// warns where one asks for more than half of its quota, or a second one of a node asks:
// whoever has a gateway's key can have any passport evaluated, and no quota that is
// enough for a node to which everybody comes keeps him from it. Gateways ask after the epoch has closed, or
// it would see when.
//
// # How a key goes
//
// A key is a file of its own below keys/. To forget it a tombstone is written
// first, and then the file overwritten, synced and unlinked: a crash in between is
// finished at the next start, and a tombstone keeps the key of that epoch from
// being made again. Overwriting does not reach what a file system or a flash drive
// has copied elsewhere: keep the folder on an encrypted volume, and out of every
// backup. A folder that was restored all the same loses its old keys when it is
// opened, as their time is over.
//
// The clock decides when a key goes, and that cannot be undone: let the machine
// keep its time (NTP), and start this after it is set.
package evaluator
