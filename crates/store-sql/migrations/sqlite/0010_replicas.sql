-- Processes of the gateway that share this database.
CREATE TABLE replicas (
    id TEXT NOT NULL PRIMARY KEY,
    sealed TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Legacy MCP sessions that moved to another process, or whose client set something.
CREATE TABLE session_homes (
    digest BLOB NOT NULL PRIMARY KEY,
    home TEXT NOT NULL,
    sealed TEXT NOT NULL,
    version INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX session_homes_by_end ON session_homes (expires_at);
