CREATE TABLE charter (
	chain   BYTEA NOT NULL,   -- SHA-256 of the first charter
	version BIGINT NOT NULL,
	signed  BYTEA NOT NULL,   -- ledger.SignedCharter
	PRIMARY KEY (chain, version)
);

CREATE TABLE ledger (
	id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	origin     TEXT COLLATE "C" NOT NULL UNIQUE,
	author     BYTEA NOT NULL,  -- Ed25519 public key
	charter    BYTEA NOT NULL,  -- of its Begin entry
	generation BIGINT NOT NULL, -- of its Begin entry
	size       BIGINT NOT NULL,
	tree       BYTEA NOT NULL,  -- ledger.Tree
	note       BYTEA NOT NULL,  -- newest signed head
	fresh      BIGINT NOT NULL, -- newest signature under it that counts for freshness, Unix seconds
	seen       BIGINT NOT NULL  -- when that head was first seen here, Unix seconds
) WITH (fillfactor = 70);

CREATE TABLE entry (
	ledger BIGINT NOT NULL,
	idx    BIGINT NOT NULL,
	leaf   BYTEA NOT NULL,
	salt   BYTEA,
	time   BIGINT,
	body   BYTEA,              -- salt, time and body are NULL together: dropped
	PRIMARY KEY (ledger, idx)
);
-- What is long is tags and sealed bytes, and those do not compress.
ALTER TABLE entry ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE TABLE node (
	ledger BIGINT NOT NULL,
	level  INTEGER NOT NULL,   -- a multiple of 8, above 0
	n      BIGINT NOT NULL,
	hash   BYTEA NOT NULL,
	PRIMARY KEY (ledger, level, n)
);

CREATE TABLE fork (
	origin   TEXT COLLATE "C" PRIMARY KEY, -- one proof convicts
	evidence BYTEA NOT NULL,   -- ledger.Fork
	seen     BIGINT NOT NULL
);

CREATE TABLE pin (
	name  TEXT COLLATE "C" PRIMARY KEY,
	value BYTEA NOT NULL
);

-- The next four as in package store's second schema.
CREATE TABLE partial (
	ledger  BIGINT PRIMARY KEY,
	tree    BYTEA NOT NULL,
	missing BIGINT NOT NULL
);

CREATE TABLE due (
	ledger BIGINT NOT NULL,
	idx    BIGINT NOT NULL,
	PRIMARY KEY (ledger, idx)
);

CREATE TABLE held (
	origin TEXT COLLATE "C" NOT NULL,
	peer   BYTEA NOT NULL,
	role   TEXT COLLATE "C" NOT NULL,
	size   BIGINT NOT NULL,
	time   BIGINT NOT NULL,
	seen   BIGINT NOT NULL,
	note   BYTEA NOT NULL,
	PRIMARY KEY (origin, peer, role)
);

CREATE TABLE expired (
	origin TEXT COLLATE "C" PRIMARY KEY,
	before BIGINT NOT NULL
);

CREATE TABLE lease (
	name   TEXT COLLATE "C" PRIMARY KEY,
	holder TEXT COLLATE "C" NOT NULL,
	ends   BIGINT NOT NULL     -- milliseconds since 1970, by this server
);

-- How often something was changed, by connections apart, so that none waits for
-- another's commit.
CREATE TABLE change (
	slot INTEGER PRIMARY KEY,
	n    BIGINT NOT NULL,
	last BIGINT[] NOT NULL     -- numbers of the last transactions
) WITH (fillfactor = 50);
INSERT INTO change SELECT slot, 0, '{}' FROM generate_series(0, 63) AS slot;

-- Ledgers that were begun here, and in which life of the server: see the package's
-- documentation.
CREATE TABLE guard (
	origin TEXT COLLATE "C" PRIMARY KEY,
	era    TEXT NOT NULL
);
