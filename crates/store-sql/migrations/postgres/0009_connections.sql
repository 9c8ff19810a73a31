-- What people granted at upstream servers, sealed for the place where it stands.
CREATE TABLE connections (
    principal TEXT COLLATE "C" NOT NULL,
    server TEXT COLLATE "C" NOT NULL,
    sealed BYTEA NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (principal, server)
);

-- Clients that were registered at authorization servers (RFC 7591).
CREATE TABLE upstream_clients (
    issuer TEXT COLLATE "C" NOT NULL,
    redirect_uri TEXT COLLATE "C" NOT NULL,
    sealed BYTEA NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (issuer, redirect_uri)
);
