-- Which credentials are refused although they would verify. Which columns an entry has depends on
-- its kind; the seal says what it said.
CREATE TABLE revocations (
    id TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    issuer TEXT,
    name TEXT,
    cut_off INTEGER,
    reason TEXT,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    until INTEGER,
    lifted_at INTEGER,
    lifted_by TEXT,
    seal BLOB NOT NULL,
    change INTEGER NOT NULL UNIQUE
) STRICT;

INSERT INTO change_counters (feed, last) VALUES ('revocations', 0);
