-- Change feeds: one row each, advanced inside the transaction that makes the change.
CREATE TABLE change_counters (
    feed TEXT PRIMARY KEY NOT NULL,
    last INTEGER NOT NULL
) STRICT;

INSERT INTO change_counters (feed, last) VALUES ('api_keys', 0), ('sessions', 0);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY NOT NULL,
    mac BLOB NOT NULL UNIQUE,
    alias TEXT UNIQUE,
    user_id TEXT,
    team TEXT,
    org TEXT,
    role TEXT NOT NULL,
    grants TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    metadata TEXT NOT NULL,
    change INTEGER NOT NULL UNIQUE
) STRICT;

CREATE TABLE audit_rows (
    writer TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    event TEXT NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (writer, seq)
) STRICT, WITHOUT ROWID;

-- The rest of the order by time, writer and position is the primary key, which every index carries.
CREATE INDEX audit_rows_by_time ON audit_rows (at);
CREATE INDEX audit_rows_by_request ON audit_rows (request_id);

CREATE TABLE audit_heads (
    writer TEXT PRIMARY KEY NOT NULL,
    seq INTEGER NOT NULL,
    mac BLOB NOT NULL,
    anchor BLOB NOT NULL
) STRICT;

CREATE TABLE terminated_sessions (
    digest BLOB PRIMARY KEY NOT NULL,
    expires_at INTEGER NOT NULL,
    change INTEGER NOT NULL UNIQUE
) STRICT;

CREATE INDEX terminated_sessions_by_expiry ON terminated_sessions (expires_at);

CREATE TABLE meta (
    name TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT;
