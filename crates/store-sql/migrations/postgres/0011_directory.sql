-- Teams, organizations, people, end users and toolsets. A deleted one stays, without a name and a body.
CREATE TABLE directory_entries (
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C",
    version BIGINT NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    deleted BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    changed_by TEXT COLLATE "C" NOT NULL,
    seal BYTEA NOT NULL,
    change BIGINT NOT NULL UNIQUE,
    PRIMARY KEY (kind, id),
    UNIQUE (kind, name)
);

INSERT INTO change_counters (feed, last) VALUES ('directory', 0);
