-- Elements that were evaluated, by the epoch's public key and the gateway's id.
CREATE TABLE share (
	epoch BLOB NOT NULL,
	gateway BLOB NOT NULL,
	used INTEGER NOT NULL,
	PRIMARY KEY (epoch, gateway)
) STRICT, WITHOUT ROWID;

-- The batches in them, by SHA-256, and how often each was asked for.
CREATE TABLE batch (
	epoch BLOB NOT NULL,
	gateway BLOB NOT NULL,
	hash BLOB NOT NULL,
	asked INTEGER NOT NULL,
	PRIMARY KEY (epoch, gateway, hash)
) STRICT, WITHOUT ROWID;
