-- When everything that was counted is forgiven, in microseconds since the Unix epoch. Unlogged: a count is
-- worth no write to disk, and after a crash of the server everything is forgiven.
CREATE UNLOGGED TABLE rate_counts (
    scope TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    due BIGINT NOT NULL
);

CREATE INDEX rate_counts_by_due ON rate_counts (due);

-- Who has a place among so many, and until when. Unlogged: it is short-lived anyway.
CREATE UNLOGGED TABLE concurrency_slots (
    scope TEXT COLLATE "C" NOT NULL,
    holder TEXT COLLATE "C" NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (scope, holder)
);

CREATE INDEX concurrency_slots_by_holder ON concurrency_slots (holder);
CREATE INDEX concurrency_slots_by_end ON concurrency_slots (until);

-- What was spent of a budget in each of its periods, with what is set aside, in billionths of a dollar.
CREATE TABLE budget_spending (
    scope TEXT COLLATE "C" NOT NULL,
    began_at BIGINT NOT NULL,
    ends_at BIGINT,
    spent BIGINT NOT NULL,
    PRIMARY KEY (scope, began_at)
);

-- What is set aside and not settled yet.
CREATE TABLE budget_reservations (
    id TEXT COLLATE "C" NOT NULL,
    scope TEXT COLLATE "C" NOT NULL,
    began_at BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (id, scope)
);

CREATE INDEX budget_reservations_by_end ON budget_reservations (expires_at);

-- How much whoever may do, as administrators decided.
CREATE TABLE limits (
    scope_kind TEXT COLLATE "C" NOT NULL,
    scope_id TEXT COLLATE "C" NOT NULL,
    limits TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    updated_by TEXT COLLATE "C" NOT NULL,
    seal BYTEA NOT NULL,
    change BIGINT NOT NULL UNIQUE,
    PRIMARY KEY (scope_kind, scope_id)
);

INSERT INTO change_counters (feed, last) VALUES ('limits', 0);

-- What was done and spent, by the hour.
CREATE TABLE usage_hours (
    hour BIGINT NOT NULL,
    key_id TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    team TEXT COLLATE "C" NOT NULL,
    server TEXT COLLATE "C" NOT NULL,
    calls BIGINT NOT NULL,
    limited BIGINT NOT NULL,
    spent BIGINT NOT NULL,
    PRIMARY KEY (hour, key_id, user_id, team, server)
);
