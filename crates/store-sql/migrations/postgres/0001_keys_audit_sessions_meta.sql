-- Texts are ordered by their bytes, as SQLite orders them: pages go on where they ended whatever the
-- database's language is.
-- Change feeds: one row each, advanced inside the transaction that makes the change.
CREATE TABLE change_counters (
    feed TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    last BIGINT NOT NULL
);

INSERT INTO change_counters (feed, last) VALUES ('api_keys', 0), ('sessions', 0);

CREATE TABLE api_keys (
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    mac BYTEA NOT NULL UNIQUE,
    alias TEXT COLLATE "C" UNIQUE,
    user_id TEXT COLLATE "C",
    team TEXT COLLATE "C",
    org TEXT COLLATE "C",
    role TEXT COLLATE "C" NOT NULL,
    grants TEXT COLLATE "C" NOT NULL,
    scopes TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    metadata TEXT COLLATE "C" NOT NULL,
    change BIGINT NOT NULL UNIQUE
);

CREATE TABLE audit_rows (
    writer TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    event TEXT COLLATE "C" NOT NULL,
    mac BYTEA NOT NULL,
    PRIMARY KEY (writer, seq)
);

CREATE TABLE audit_heads (
    writer TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    seq BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    anchor BYTEA NOT NULL
);

CREATE TABLE terminated_sessions (
    digest BYTEA PRIMARY KEY NOT NULL,
    expires_at BIGINT NOT NULL,
    change BIGINT NOT NULL UNIQUE
);

CREATE INDEX terminated_sessions_by_expiry ON terminated_sessions (expires_at);

CREATE TABLE meta (
    name TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    value BYTEA NOT NULL
);
