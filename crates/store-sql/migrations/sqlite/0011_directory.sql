-- Teams, organizations, people, end users and toolsets. A deleted one stays, without a name and a body.
CREATE TABLE directory_entries (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    seal BLOB NOT NULL,
    change INTEGER NOT NULL UNIQUE,
    PRIMARY KEY (kind, id),
    UNIQUE (kind, name)
) STRICT, WITHOUT ROWID;

INSERT INTO change_counters (feed, last) VALUES ('directory', 0);
