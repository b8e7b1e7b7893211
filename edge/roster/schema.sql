-- A projection: every row but those of notice, fork and trial can be made again
-- from the ledgers.

-- The charters that the rest was projected under: under others it is made again.
CREATE TABLE charters (
	one       INTEGER PRIMARY KEY CHECK (one = 1),
	community INTEGER NOT NULL,  -- versions
	node      INTEGER NOT NULL
) STRICT;

CREATE TABLE cursor (
	origin    TEXT PRIMARY KEY,
	author    TEXT NOT NULL,     -- key id, hexadecimal
	kind      TEXT NOT NULL,
	projected INTEGER NOT NULL,  -- entries
	fresh     INTEGER NOT NULL,  -- time of the newest head whose whole range is projected, Unix seconds
	floor     INTEGER NOT NULL,  -- by that head no clock that shows less is right, Unix seconds
	complete  INTEGER NOT NULL,  -- that head is the newest that is held
	problem   TEXT NOT NULL,     -- why not, or empty
	refused   INTEGER NOT NULL,  -- entries that were passed over because they say what nobody may say
	refusal   TEXT NOT NULL,     -- the last of them and why, or empty
	follows   TEXT NOT NULL,     -- origin of the predecessor that its Begin names, or empty
	follows_size INTEGER NOT NULL,
	ordered   INTEGER NOT NULL,  -- effective time of its last order, Unix milliseconds
	blind     INTEGER NOT NULL   -- some order of it is dated past the clock, or was projected without one
) STRICT, WITHOUT ROWID;

-- What lookups read, made of claim, doorkey and revoked whenever one of them
-- changes: one row for all keys with one short id, packed by package
-- internal/holders. A row of an INTEGER PRIMARY KEY is three pages deep among a
-- million, two of which stay in the cache; joined, it was fifteen.
CREATE TABLE holder (
	short INTEGER PRIMARY KEY,   -- first 8 bytes of the id
	row   BLOB NOT NULL
) STRICT;

-- What one issuer says of a passport. Each half is the issuer's last word by
-- its place (generation, incarnation, index), so order of arrival is nothing.
CREATE TABLE claim (
	passport   INTEGER NOT NULL,
	author     TEXT NOT NULL,
	admitted   BLOB,             -- place of the Admit
	owner      BLOB,
	class      TEXT,
	not_before INTEGER,
	not_after  INTEGER,
	stood      BLOB,             -- place of the Suspend or Reinstate
	suspended  INTEGER NOT NULL DEFAULT 0,
	expelled   INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (passport, author)
) STRICT, WITHOUT ROWID;

-- Door keys by their claims; of several passports that claim a key the first
-- by (time, place) has it.
CREATE TABLE doorkey (
	id         BLOB NOT NULL,     -- 32 bytes
	passport   INTEGER NOT NULL,
	kind       INTEGER NOT NULL,
	point      BLOB NOT NULL,
	signer     BLOB NOT NULL,
	not_before INTEGER NOT NULL,
	not_after  INTEGER NOT NULL,
	scope      BLOB NOT NULL,
	mode       INTEGER NOT NULL,
	claimed    BLOB NOT NULL,     -- (time, place) of this passport's first claim
	renewed    BLOB NOT NULL,     -- (time, place) of the delegation in force
	closed_home INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (id, passport)
) STRICT, WITHOUT ROWID;
CREATE INDEX doorkey_passport ON doorkey (passport);

-- Grow-only: a key that was revoked once stays revoked.
CREATE TABLE revoked (
	id        BLOB NOT NULL,      -- door key
	passport  INTEGER NOT NULL,
	by_wallet BLOB NOT NULL,      -- the wallet that signed it, or empty
	place     BLOB NOT NULL,      -- (time, place) of the first
	PRIMARY KEY (id, passport, by_wallet)
) STRICT, WITHOUT ROWID;

CREATE TABLE home (
	door     TEXT NOT NULL,
	passport INTEGER NOT NULL,
	place    BLOB NOT NULL,       -- (time, place)
	owner    BLOB,                -- of a Home: the wallet whose keys open it
	notice   INTEGER,             -- of a Home, seconds; NULL for a HomeEnded
	ends     INTEGER,             -- of a HomeEnded: not before, Unix seconds
	PRIMARY KEY (door, passport, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX home_passport ON home (passport);

-- From the one that the gateway was last known to live with upwards: of those above
-- it one may be on trial, and the others cannot be used.
CREATE TABLE policy (
	version INTEGER NOT NULL,
	hash    BLOB NOT NULL,
	file    BLOB NOT NULL,
	PRIMARY KEY (version, hash)
) STRICT, WITHOUT ROWID;

-- Lockdowns and their liftings, played in the order of their places. The time in
-- the place of a lockdown, bar or PIN is the effective one, see settle.
CREATE TABLE lockdown (
	place BLOB PRIMARY KEY,       -- (time, place)
	doors TEXT NOT NULL,          -- with a space between; empty for all
	ends  INTEGER                 -- Unix seconds; NULL for a lifting
) STRICT, WITHOUT ROWID;
CREATE INDEX lockdown_ends ON lockdown (ends);

-- The last Bar of each passport.
CREATE TABLE bar (
	passport INTEGER PRIMARY KEY,
	place    BLOB NOT NULL,       -- (time, place)
	ends     INTEGER NOT NULL     -- Unix seconds
) STRICT;

-- Guest passes; of two with one id the first by (time, place).
CREATE TABLE pass (
	id         BLOB PRIMARY KEY,  -- 16 bytes
	place      BLOB NOT NULL,     -- (time, place)
	passport   INTEGER NOT NULL,
	levels     TEXT NOT NULL,     -- with a space between
	not_before INTEGER NOT NULL,
	not_after  INTEGER NOT NULL,
	uses       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Grow-only: a pass that was ended once stays so.
CREATE TABLE pass_ended (
	id BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE forgiven (
	place    BLOB PRIMARY KEY,    -- (time, place)
	passport INTEGER NOT NULL,    -- 0 for everybody
	at       INTEGER NOT NULL     -- its author's time, Unix milliseconds
) STRICT, WITHOUT ROWID;

-- The last PinSet of each passport: this gateway's part of it, or nothing.
CREATE TABLE pin (
	passport INTEGER PRIMARY KEY,
	place    BLOB NOT NULL,       -- (time, place)
	sealed   BLOB NOT NULL
) STRICT;

-- Gateways that a steward removed, by signing key, with the first removal.
CREATE TABLE removed (
	gateway BLOB PRIMARY KEY,
	place   BLOB NOT NULL,        -- (time, place)
	why     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Gateways that a steward enrolled, by signing key, as the first entry has them.
CREATE TABLE gateway (
	signing BLOB PRIMARY KEY,
	place   BLOB NOT NULL,        -- (time, place)
	name    TEXT NOT NULL,
	hold    BLOB NOT NULL,
	witness BLOB NOT NULL,
	sealing BLOB NOT NULL,
	tls     BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Doors that a steward opens from afar, once.
CREATE TABLE opens (
	origin TEXT NOT NULL,         -- of the node's ledger
	entry  INTEGER NOT NULL,
	at     INTEGER NOT NULL,      -- its author's time, Unix milliseconds
	door   TEXT NOT NULL,
	PRIMARY KEY (origin, entry)
) STRICT, WITHOUT ROWID;
CREATE INDEX opens_at ON opens (at);

-- Not a projection: what became of policies on this gateway, see trial.go.
CREATE TABLE IF NOT EXISTS trial (
	hash    BLOB PRIMARY KEY,
	version INTEGER NOT NULL,
	state   TEXT NOT NULL CHECK (state IN ('trying', 'kept', 'refused')),
	running INTEGER NOT NULL,     -- a process lives by it, or did and ended without a word
	deaths  INTEGER NOT NULL,     -- processes that ended so
	first   INTEGER NOT NULL,     -- there was none before it to go back to: it was not tried
	why     TEXT NOT NULL         -- it was refused, or empty
) STRICT, WITHOUT ROWID;

-- Not a projection: the head at which a ledger ends whose author was convicted.
CREATE TABLE IF NOT EXISTS fork (
	origin TEXT PRIMARY KEY,
	note   BLOB NOT NULL,         -- the head that was held when the proof was first seen
	seen   INTEGER NOT NULL       -- when that head was, Unix seconds
) STRICT, WITHOUT ROWID;

-- Not a projection: when a HomeEnded, a Forgive or an order that is dated ahead
-- was first seen here, by a clock that was believed. No steward can backdate a
-- notice, nor forgive or order in advance. The time in place is the author's.
CREATE TABLE IF NOT EXISTS notice (
	place BLOB PRIMARY KEY,
	seen  INTEGER NOT NULL        -- Unix seconds
) STRICT, WITHOUT ROWID;
