-- Processes of the gateway that share this database.
CREATE TABLE replicas (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    sealed TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL
);

-- Legacy MCP sessions that moved to another process, or whose client set something.
CREATE TABLE session_homes (
    digest BYTEA NOT NULL PRIMARY KEY,
    home TEXT COLLATE "C" NOT NULL,
    sealed TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX session_homes_by_end ON session_homes (expires_at);
