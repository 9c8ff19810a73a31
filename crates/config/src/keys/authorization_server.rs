//! The authorization server that MCP clients sign people in at.

use super::{Key, Kind, Section};

pub(crate) static AUTHORIZATION_SERVER: Section = Section {
    name: "identity_authorization_server",
    doc: "The authorization server for MCP clients: a person signs in (`identity.login`), lets a client act for them, and the client gets tokens of ours, for one endpoint each. On by default, because people can always sign in with a key.",
    keys: &[
        Key::new(
            "enabled",
            Kind::Flag,
            "Whether there is one. Off, clients need a key of ours or a token of `identity.issuers`.",
        )
        .default("true")
        .restricts(),
        Key::new(
            "access_token_ttl",
            Kind::Span,
            "How long an access token lives; 1m to 1h. A grant that is ended ends it within a second.",
        )
        .default("1h")
        .restricts(),
        Key::new(
            "refresh_token_ttl",
            Kind::Span,
            "How long a client may stay away and still come back without its person; 1h to 90d.",
        )
        .default("14d")
        .restricts(),
        Key::new(
            "grant_ttl",
            Kind::Span,
            "How long what a person granted lasts, however often it is used; 1h to 365d. What an OpenID provider says of a person's groups is as old as their sign-in for as long.",
        )
        .default("30d")
        .restricts(),
        Key::new(
            "dynamic_registration",
            Kind::Flag,
            "Whether clients may register themselves (RFC 7591). Whoever registers gets nothing without a person who agrees.",
        )
        .default("true")
        .restricts(),
        Key::new(
            "client_id_metadata_documents",
            Kind::Flag,
            "Whether a client may be known by the URL of a document about it. It is fetched from public addresses only.",
        )
        .default("true")
        .restricts(),
        Key::new(
            "allow_loopback_client_documents",
            Kind::Flag,
            "Fetch such documents from this machine too: for trying clients out. Whoever may call chooses what is fetched.",
        )
        .default("false"),
        Key::new(
            "native_redirects",
            Kind::Texts,
            "Callbacks of programs on people's own machines whose scheme has no dot: `scheme`, or `scheme://host`. Loopback and schemes with a dot need no entry.",
        )
        .default("[cursor://anysphere.cursor-mcp, cursor://anysphere.cursor-retrieval]")
        .restricts(),
        Key::new(
            "clients",
            Kind::Sections(&CLIENT),
            "Clients that are known beforehand.",
        ),
    ],
};

pub(crate) static CLIENT: Section = Section {
    name: "identity_client",
    doc: "A client that is known beforehand.",
    keys: &[
        Key::new(
            "client_id",
            Kind::Text,
            "Its id: 1 to 128 letters, digits, `_`, `.` or `-`. Required, unique.",
        ),
        Key::new(
            "client_secret",
            Kind::Secret,
            "Its secret; absent for a public client, which S256 protects. A client with a secret may also bring identity assertions (ID-JAG) and introspect its tokens.",
        ),
        Key::new("name", Kind::Text, "What people are shown. Absent: its id."),
        Key::new(
            "redirect_uris",
            Kind::Texts,
            "Where it may be sent back to, compared exactly but for a loopback port. Required.",
        ),
        Key::new(
            "scopes",
            Kind::Words,
            "The most that it may ask for. Absent: all of `identity.scopes_supported`.",
        )
        .restricts(),
    ],
};
