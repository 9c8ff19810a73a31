-- How far each chain was pruned.
CREATE TABLE audit_prunings (
    writer TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    seal BYTEA NOT NULL
);
