-- What people granted at upstream servers, sealed for the place where it stands.
CREATE TABLE connections (
    principal TEXT NOT NULL,
    server TEXT NOT NULL,
    sealed BLOB NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (principal, server)
) STRICT, WITHOUT ROWID;

-- Clients that were registered at authorization servers (RFC 7591).
CREATE TABLE upstream_clients (
    issuer TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    sealed BLOB NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (issuer, redirect_uri)
) STRICT, WITHOUT ROWID;
