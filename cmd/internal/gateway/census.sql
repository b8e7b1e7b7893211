-- What this gateway keeps of an epoch that it reports for its node, until its audit
-- is over: from then on nothing here or elsewhere leads from a tag to a passport.

CREATE TABLE epoch (
	id       BLOB PRIMARY KEY,
	state    INTEGER NOT NULL,            -- see epochState
	audit    INTEGER NOT NULL,            -- until then openings are given, Unix seconds
	salt     BLOB NOT NULL,               -- by which of several presences one is chosen
	log      TEXT NOT NULL DEFAULT '',    -- own door log with the Attendances
	size     INTEGER NOT NULL DEFAULT 0,  -- its size when it was reported, and its root
	root     BLOB NOT NULL DEFAULT x'',
	report   TEXT NOT NULL DEFAULT '',    -- own report ledger, and where its Reported stands
	entry    INTEGER NOT NULL DEFAULT 0,
	note     BLOB NOT NULL DEFAULT x'',   -- a head with it that the hub acknowledged, the first
	left_out INTEGER NOT NULL DEFAULT 0,  -- presences that could not be shown
	seed     BLOB NOT NULL DEFAULT x'',   -- of the draw that is answered
	answered INTEGER NOT NULL DEFAULT 0,  -- it was
	told     INTEGER NOT NULL DEFAULT 0   -- a second draw was recorded
) STRICT;

CREATE TABLE presence (
	epoch       BLOB NOT NULL,
	passport    INTEGER NOT NULL,          -- as a signed number of the same bits
	pick        BLOB NOT NULL,
	log         TEXT NOT NULL,             -- the door log of the decision
	decision    INTEGER NOT NULL,
	passage     INTEGER NOT NULL,
	passed_leaf BLOB NOT NULL,             -- the passage's leaf hash
	made_leaf   BLOB NOT NULL,             -- the decision's
	key         BLOB NOT NULL,             -- passport.Key
	delegation  BLOB NOT NULL DEFAULT x'',
	admitted    TEXT NOT NULL DEFAULT '',  -- an issuer's ledger, and where its Admit stands
	admit       INTEGER NOT NULL DEFAULT 0,
	secret      BLOB NOT NULL DEFAULT x'', -- census.Salt
	blind       BLOB NOT NULL DEFAULT x'',
	batch       INTEGER NOT NULL DEFAULT -1,
	spot        INTEGER NOT NULL DEFAULT -1,
	element     BLOB NOT NULL DEFAULT x'', -- evaluated
	proof       BLOB NOT NULL DEFAULT x'',
	tag         BLOB NOT NULL DEFAULT x'',
	attended    INTEGER NOT NULL DEFAULT -1, -- where its Attendance stands in epoch.log
	leaf        BLOB NOT NULL DEFAULT x'',
	PRIMARY KEY (epoch, passport)
) STRICT, WITHOUT ROWID;
CREATE INDEX presence_tag ON presence (epoch, tag);
CREATE INDEX presence_batch ON presence (epoch, batch, spot);

-- What the evaluator is asked, padding included: whoever asks again asks the same.
CREATE TABLE batch (
	epoch  BLOB NOT NULL,
	number INTEGER NOT NULL,
	body   BLOB NOT NULL,
	done   INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (epoch, number)
) STRICT, WITHOUT ROWID;
