-- When everything that was counted is forgiven, in microseconds since the Unix epoch.
CREATE TABLE rate_counts (
    scope TEXT PRIMARY KEY NOT NULL,
    due INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX rate_counts_by_due ON rate_counts (due);

-- Who has a place among so many, and until when.
CREATE TABLE concurrency_slots (
    scope TEXT NOT NULL,
    holder TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (scope, holder)
) STRICT, WITHOUT ROWID;

CREATE INDEX concurrency_slots_by_holder ON concurrency_slots (holder);
CREATE INDEX concurrency_slots_by_end ON concurrency_slots (until);

-- What was spent of a budget in each of its periods, with what is set aside, in billionths of a dollar.
CREATE TABLE budget_spending (
    scope TEXT NOT NULL,
    began_at INTEGER NOT NULL,
    ends_at INTEGER,
    spent INTEGER NOT NULL,
    PRIMARY KEY (scope, began_at)
) STRICT, WITHOUT ROWID;

-- What is set aside and not settled yet.
CREATE TABLE budget_reservations (
    id TEXT NOT NULL,
    scope TEXT NOT NULL,
    began_at INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (id, scope)
) STRICT, WITHOUT ROWID;

CREATE INDEX budget_reservations_by_end ON budget_reservations (expires_at);

-- How much whoever may do, as administrators decided.
CREATE TABLE limits (
    scope_kind TEXT NOT NULL,
    scope_id TEXT NOT NULL,
    limits TEXT NOT NULL,
    version INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by TEXT NOT NULL,
    seal BLOB NOT NULL,
    change INTEGER NOT NULL UNIQUE,
    PRIMARY KEY (scope_kind, scope_id)
) STRICT;

INSERT INTO change_counters (feed, last) VALUES ('limits', 0);

-- What was done and spent, by the hour.
CREATE TABLE usage_hours (
    hour INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    team TEXT NOT NULL,
    server TEXT NOT NULL,
    calls INTEGER NOT NULL,
    limited INTEGER NOT NULL,
    spent INTEGER NOT NULL,
    PRIMARY KEY (hour, key_id, user_id, team, server)
) STRICT, WITHOUT ROWID;
