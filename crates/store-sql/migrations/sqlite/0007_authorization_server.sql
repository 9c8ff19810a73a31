-- OAuth clients that registered themselves.
CREATE TABLE oauth_clients (
    id TEXT PRIMARY KEY NOT NULL,
    sealed BLOB NOT NULL,
    registered_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX oauth_clients_unused ON oauth_clients (registered_at, id) WHERE used_at IS NULL;

-- What people granted to clients. A grant that was ended is kept until it is purged, so that its
-- tokens are told from those of none.
CREATE TABLE oauth_grants (
    id TEXT PRIMARY KEY NOT NULL,
    principal TEXT NOT NULL,
    client TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX oauth_grants_by_principal ON oauth_grants (principal, created_at, id);
CREATE INDEX oauth_grants_by_client ON oauth_grants (client, created_at, id);
CREATE INDEX oauth_grants_by_expiry ON oauth_grants (expires_at);

-- Refresh tokens. A used one is kept, so that whoever presents it again is told from a stranger.
CREATE TABLE oauth_refresh_tokens (
    digest BLOB PRIMARY KEY NOT NULL,
    grant_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    used INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX oauth_refresh_tokens_by_grant ON oauth_refresh_tokens (grant_id);
CREATE INDEX oauth_refresh_tokens_by_expiry ON oauth_refresh_tokens (expires_at);

-- Keys that sign our own access tokens, in the order in which they were made.
CREATE TABLE authorization_keys (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kid TEXT NOT NULL UNIQUE,
    algorithm TEXT NOT NULL,
    sealed_key BLOB NOT NULL,
    signs_from INTEGER NOT NULL
) STRICT;
