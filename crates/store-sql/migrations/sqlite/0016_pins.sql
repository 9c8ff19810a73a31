-- What servers' tools looked like when they were first seen, or last approved; and what was seen in the
-- place of one, and waits for somebody's approval.
CREATE TABLE pins (
    server TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    pinned BLOB,
    pinned_object TEXT NOT NULL,
    seen BLOB,
    seen_object TEXT,
    version INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    seal BLOB NOT NULL,
    change INTEGER NOT NULL UNIQUE,
    PRIMARY KEY (server, kind, name)
) STRICT;

INSERT INTO change_counters (feed, last) VALUES ('pins', 0);
