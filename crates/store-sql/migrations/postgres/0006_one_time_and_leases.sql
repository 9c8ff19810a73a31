-- Values that are good once. A used one is kept until its expiry, so that a replay is told from a
-- value that never was.
CREATE TABLE one_time_values (
    usage TEXT COLLATE "C" NOT NULL,
    digest BYTEA NOT NULL,
    sealed BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    used BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (usage, digest)
);

CREATE INDEX one_time_values_by_expiry ON one_time_values (expires_at);

-- Who of several replicas does something, and until when.
CREATE TABLE leases (
    name TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    holder TEXT COLLATE "C" NOT NULL,
    until BIGINT NOT NULL
);
