-- Values that are good once. A used one is kept until its expiry, so that a replay is told from a
-- value that never was.
CREATE TABLE one_time_values (
    usage TEXT NOT NULL,
    digest BLOB NOT NULL,
    sealed BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    used INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (usage, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX one_time_values_by_expiry ON one_time_values (expires_at);

-- Who of several replicas does something, and until when.
CREATE TABLE leases (
    name TEXT PRIMARY KEY NOT NULL,
    holder TEXT NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
