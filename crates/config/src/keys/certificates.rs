//! Callers who come with a client certificate.

use super::{Key, Kind, Section};

pub(crate) static CERTIFICATE: Section = Section {
    name: "identity_client_certificate",
    doc: "Whose client certificate means whom, where TLS ends here and nothing else is presented. The first rule that fits decides; its caller sees no server without grants and never administers.",
    keys: &[
        Key::new(
            "ca",
            Kind::FilePath,
            "The file of `server.tls.client_ca` whose authority must stand behind the certificate. Absent: the only one.",
        )
        .restricts(),
        Key::new(
            "san",
            Kind::Text,
            "The subject alternative name that it must carry, compared whole: `dns:…`, `uri:…` or `email:…`. Required; no `*`.",
        )
        .restricts(),
        Key::new("user_id", Kind::Text, "The person or service behind it."),
        Key::new("email", Kind::Text, "Their e-mail address."),
        Key::new("team", Kind::Text, "Their team."),
        Key::new("org", Kind::Text, "Their organization."),
        Key::new(
            "scopes",
            Kind::Texts,
            "OAuth scopes that it carries, for tools that need some.",
        )
        .restricts(),
        Key::new("servers", Kind::Texts, "Servers that it may use.").restricts(),
        Key::new(
            "access_groups",
            Kind::Texts,
            "Access groups whose servers it may use.",
        )
        .restricts(),
        Key::new(
            "all_servers",
            Kind::Flag,
            "It may use every server, now and later.",
        )
        .default("false")
        .restricts(),
    ],
};
