-- What came of a ledger and does not reach a head yet. Its entries and nodes stand
-- with the others, from ledger.size on; a ledger of which nothing is whole has the
-- size 0, and no note.
CREATE TABLE partial (
	ledger  INTEGER PRIMARY KEY,
	tree    BLOB NOT NULL,      -- ledger.Tree of all that is stored
	missing INTEGER NOT NULL    -- bodies that did not come, from ledger.size on
) STRICT;

-- Entries that are to be obeyed once their ledger is whole.
CREATE TABLE due (
	ledger INTEGER NOT NULL,
	idx    INTEGER NOT NULL,
	PRIMARY KEY (ledger, idx)
) STRICT, WITHOUT ROWID;

-- How far others are with a ledger.
CREATE TABLE held (
	origin TEXT NOT NULL,
	peer   BLOB NOT NULL,       -- ledger.KeyID
	role   TEXT NOT NULL,       -- hold, witness
	size   INTEGER NOT NULL,
	time   INTEGER NOT NULL,    -- of the signature, Unix seconds
	seen   INTEGER NOT NULL,    -- when it came, Unix seconds
	note   BLOB NOT NULL,       -- that says so
	PRIMARY KEY (origin, peer, role)
) STRICT, WITHOUT ROWID;

-- Earlier incarnations of which the author let go, here or to come.
CREATE TABLE expired (
	origin TEXT PRIMARY KEY,
	before INTEGER NOT NULL     -- bodies from 1 to here, without
) STRICT, WITHOUT ROWID;
