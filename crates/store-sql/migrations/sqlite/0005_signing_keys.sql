-- Keys that sign for upstream servers, in the order in which they were made. A number is not used
-- again after its row was removed.
CREATE TABLE signing_keys (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kid TEXT NOT NULL UNIQUE,
    algorithm TEXT NOT NULL,
    sealed_key BLOB NOT NULL,
    signs_from INTEGER NOT NULL
) STRICT;
