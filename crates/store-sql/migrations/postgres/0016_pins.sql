-- What servers' tools looked like when they were first seen, or last approved; and what was seen in the
-- place of one, and waits for somebody's approval.
CREATE TABLE pins (
    server TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    pinned BYTEA,
    pinned_object TEXT COLLATE "C" NOT NULL,
    seen BYTEA,
    seen_object TEXT COLLATE "C",
    version BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    changed_by TEXT COLLATE "C" NOT NULL,
    seal BYTEA NOT NULL,
    change BIGINT NOT NULL UNIQUE,
    PRIMARY KEY (server, kind, name)
);

INSERT INTO change_counters (feed, last) VALUES ('pins', 0);
