-- Calls that wait for somebody's approval. What is asked for, and what was decided, is sealed.
CREATE TABLE approvals (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    subject BYTEA NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    principal TEXT COLLATE "C" NOT NULL,
    server TEXT COLLATE "C" NOT NULL,
    sealed TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    asked_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    decision TEXT COLLATE "C"
);

CREATE INDEX approvals_by_subject ON approvals (subject);
CREATE INDEX approvals_by_end ON approvals (expires_at);
