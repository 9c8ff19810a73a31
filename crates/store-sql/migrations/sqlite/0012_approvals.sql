-- Calls that wait for somebody's approval. What is asked for, and what was decided, is sealed.
CREATE TABLE approvals (
    id TEXT NOT NULL PRIMARY KEY,
    subject BLOB NOT NULL,
    owner TEXT NOT NULL,
    principal TEXT NOT NULL,
    server TEXT NOT NULL,
    sealed TEXT NOT NULL,
    state TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    decision TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX approvals_by_subject ON approvals (subject);
CREATE INDEX approvals_by_end ON approvals (expires_at);
