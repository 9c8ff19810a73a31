-- What people agreed to that a client may do. Who and whom are keyed hashes; in words it is sealed.
CREATE TABLE consents (
    id BYTEA PRIMARY KEY NOT NULL,
    principal BYTEA NOT NULL,
    client BYTEA NOT NULL,
    sealed BYTEA NOT NULL,
    given_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX consents_by_principal ON consents (principal, given_at);
CREATE INDEX consents_by_client ON consents (client);
CREATE INDEX consents_by_expiry ON consents (expires_at);

-- What a provider said of the people who signed in, by sign-in, sealed.
CREATE TABLE id_tokens (
    digest BYTEA PRIMARY KEY NOT NULL,
    sealed BYTEA NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX id_tokens_by_expiry ON id_tokens (expires_at);
