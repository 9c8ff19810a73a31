-- Which credentials are refused although they would verify. Which columns an entry has depends on
-- its kind; the seal says what it said.
CREATE TABLE revocations (
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    issuer TEXT COLLATE "C",
    name TEXT COLLATE "C",
    cut_off BIGINT,
    reason TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    created_by TEXT COLLATE "C" NOT NULL,
    until BIGINT,
    lifted_at BIGINT,
    lifted_by TEXT COLLATE "C",
    seal BYTEA NOT NULL,
    change BIGINT NOT NULL UNIQUE
);

INSERT INTO change_counters (feed, last) VALUES ('revocations', 0);
