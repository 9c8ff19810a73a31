-- How far each chain was pruned.
CREATE TABLE audit_prunings (
    writer TEXT NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL,
    mac BLOB NOT NULL,
    seal BLOB NOT NULL
) STRICT, WITHOUT ROWID;
