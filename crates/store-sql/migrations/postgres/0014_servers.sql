-- Servers that administrators define at run time, each sealed for its name and its state.
CREATE TABLE servers (
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    sealed BYTEA NOT NULL,
    version BIGINT NOT NULL
);

INSERT INTO change_counters (feed, last) VALUES ('servers', 0);
