CREATE TABLE charter (
	chain   BLOB NOT NULL,    -- SHA-256 of the first charter
	version INTEGER NOT NULL,
	signed  BLOB NOT NULL,    -- ledger.SignedCharter
	PRIMARY KEY (chain, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger (
	id         INTEGER PRIMARY KEY,
	origin     TEXT NOT NULL UNIQUE,
	author     BLOB NOT NULL,    -- Ed25519 public key
	charter    BLOB NOT NULL,    -- of its Begin entry
	generation INTEGER NOT NULL, -- of its Begin entry
	size       INTEGER NOT NULL,
	tree       BLOB NOT NULL,    -- ledger.Tree
	note       BLOB NOT NULL,    -- newest signed head
	fresh      INTEGER NOT NULL, -- newest signature under it that counts for freshness, Unix seconds
	seen       INTEGER NOT NULL  -- when that head was first seen here, Unix seconds
) STRICT;

-- Nothing REFERENCES its ledger here: every row would look up what its
-- transaction has just read or made. (Older files of this version do.)
CREATE TABLE entry (
	ledger INTEGER NOT NULL,
	idx    INTEGER NOT NULL,
	leaf   BLOB NOT NULL,
	salt   BLOB,
	time   INTEGER,
	body   BLOB,              -- salt, time and body are NULL together: dropped
	PRIMARY KEY (ledger, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE node (
	ledger INTEGER NOT NULL,
	level  INTEGER NOT NULL,  -- a multiple of 8, above 0
	n      INTEGER NOT NULL,
	hash   BLOB NOT NULL,
	PRIMARY KEY (ledger, level, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE fork (
	origin   TEXT PRIMARY KEY, -- one proof convicts
	evidence BLOB NOT NULL,    -- ledger.Fork
	seen     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pin (
	name  TEXT PRIMARY KEY,   -- community, node, gateway
	value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
