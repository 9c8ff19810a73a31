-- Keys that sign for upstream servers, in the order in which they were made. A number is not used
-- again after its row was removed.
CREATE TABLE signing_keys (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kid TEXT COLLATE "C" NOT NULL UNIQUE,
    algorithm TEXT COLLATE "C" NOT NULL,
    sealed_key BYTEA NOT NULL,
    signs_from BIGINT NOT NULL
);
