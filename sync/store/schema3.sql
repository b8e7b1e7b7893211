-- Who may do what only one at a time does.
CREATE TABLE lease (
	name   TEXT PRIMARY KEY,
	holder TEXT NOT NULL,
	ends   INTEGER NOT NULL     -- milliseconds since 1970
) STRICT, WITHOUT ROWID;
