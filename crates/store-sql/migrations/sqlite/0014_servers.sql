-- Servers that administrators define at run time, each sealed for its name and its state.
CREATE TABLE servers (
    id TEXT PRIMARY KEY NOT NULL,
    sealed BLOB NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO change_counters (feed, last) VALUES ('servers', 0);
