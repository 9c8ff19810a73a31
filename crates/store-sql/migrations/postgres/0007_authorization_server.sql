-- OAuth clients that registered themselves.
CREATE TABLE oauth_clients (
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    sealed BYTEA NOT NULL,
    registered_at BIGINT NOT NULL,
    used_at BIGINT
);

CREATE INDEX oauth_clients_unused ON oauth_clients (registered_at, id) WHERE used_at IS NULL;

-- What people granted to clients. A grant that was ended is kept until it is purged, so that its
-- tokens are told from those of none.
CREATE TABLE oauth_grants (
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    principal TEXT COLLATE "C" NOT NULL,
    client TEXT COLLATE "C" NOT NULL,
    sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT
);

CREATE INDEX oauth_grants_by_principal ON oauth_grants (principal, created_at, id);
CREATE INDEX oauth_grants_by_client ON oauth_grants (client, created_at, id);
CREATE INDEX oauth_grants_by_expiry ON oauth_grants (expires_at);

-- Refresh tokens. A used one is kept, so that whoever presents it again is told from a stranger.
CREATE TABLE oauth_refresh_tokens (
    digest BYTEA PRIMARY KEY NOT NULL,
    grant_id TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    used BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX oauth_refresh_tokens_by_grant ON oauth_refresh_tokens (grant_id);
CREATE INDEX oauth_refresh_tokens_by_expiry ON oauth_refresh_tokens (expires_at);

-- Keys that sign our own access tokens, in the order in which they were made.
CREATE TABLE authorization_keys (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kid TEXT COLLATE "C" NOT NULL UNIQUE,
    algorithm TEXT COLLATE "C" NOT NULL,
    sealed_key BYTEA NOT NULL,
    signs_from BIGINT NOT NULL
);
