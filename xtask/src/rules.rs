//! Who may know whom: the table of ARCHITECTURE.md, as data, and the judgement on one edge.

use std::collections::BTreeMap;

/// Each room with the rooms that its production code may name. `testkit` and the programs for
/// development may name any.
pub(crate) const MAY_KNOW: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("oauth", &["core"]),
    ("mcp", &["core"]),
    ("llm", &["core"]),
    ("policy", &["core"]),
    ("openapi", &["mcp", "core"]),
    ("config", &["policy", "core"]),
    ("store", &["core"]),
    ("egress", &["core"]),
    ("aws", &["egress", "core"]),
    ("vault", &["aws", "egress", "core"]),
    ("store-sql", &["store", "core"]),
    ("store-redis", &["store", "core"]),
    ("upstream", &["mcp", "openapi", "policy", "egress", "core"]),
    ("identity", &["oauth", "store", "vault", "egress", "core"]),
    (
        "credentials",
        &["oauth", "policy", "store", "vault", "aws", "egress", "core"],
    ),
    (
        "engine",
        &[
            "upstream",
            "credentials",
            "policy",
            "mcp",
            "llm",
            "store",
            "egress",
            "core",
        ],
    ),
    (
        "server",
        &[
            "engine",
            "identity",
            "credentials",
            "oauth",
            "mcp",
            "llm",
            "core",
        ],
    ),
    (
        "client",
        &[
            "engine",
            "credentials",
            "identity",
            "upstream",
            "policy",
            "store",
            "vault",
            "llm",
            "mcp",
            "oauth",
            "egress",
            "core",
        ],
    ),
    (
        "gateway",
        &[
            "server",
            "client",
            "engine",
            "upstream",
            "identity",
            "credentials",
            "store-sql",
            "store-redis",
            "store",
            "vault",
            "aws",
            "egress",
            "config",
            "policy",
            "mcp",
            "llm",
            "oauth",
            "core",
        ],
    ),
];

/// Rooms that cannot do I/O.
const PURE: &[&str] = &["core", "oauth", "mcp", "llm", "policy", "openapi", "config"];

/// What would let a pure room reach the world.
const WORLDLY: &[&str] = &[
    "tokio",
    "hyper",
    "hyper-util",
    "hyper-rustls",
    "axum",
    "tower",
    "sqlx",
    "redis",
    "reqwest",
    "rustls",
    "tokio-rustls",
    "notify",
];

/// Libraries with one door: only this room links them.
const ONE_DOOR: &[(&str, &str)] = &[
    ("aws-sigv4", "aws"),
    ("hyper-rustls", "egress"),
    ("rustls-native-certs", "egress"),
    ("sqlx", "store-sql"),
    ("redis", "store-redis"),
];

/// Crates that must not be compiled into anything we ship, with the reason to show.
pub(crate) const BANNED: &[(&str, &str)] = &[
    ("openssl", "TLS is rustls"),
    ("openssl-sys", "TLS is rustls"),
    ("native-tls", "TLS is rustls"),
    ("rsa", "RUSTSEC-2023-0071: timing side channel"),
    ("ring", "one crypto library: aws-lc-rs"),
    ("reqwest", "all outbound HTTP passes the egress room"),
];

/// Production dependencies of every package of the workspace, by package name.
pub(crate) type Edges = BTreeMap<String, Vec<String>>;

/// Everything that is wrong with these edges.
pub(crate) fn violations(edges: &Edges) -> Vec<String> {
    edges
        .iter()
        .filter_map(|(package, needs)| Some((room_of(package)?, needs)))
        .flat_map(|(room, needs)| needs.iter().filter_map(move |needed| refuse(room, needed)))
        .collect()
}

fn room_of(package: &str) -> Option<&str> {
    let room = package.strip_prefix("portcullis-")?;
    let development = [
        "testkit",
        "bench",
        "e2e",
        "eras",
        "conformance-fixture",
        "fuzz",
    ];
    (!development.contains(&room)).then_some(room)
}

fn refuse(room: &str, needed: &str) -> Option<String> {
    if let Some(other) = needed.strip_prefix("portcullis-") {
        let allowed = MAY_KNOW.iter().find(|(name, _)| *name == room);
        return match allowed {
            None => Some(format!("{room} is not in the table of rooms")),
            Some((_, rooms)) if rooms.contains(&other) => None,
            Some(_) => Some(format!("{room} must not know {other}")),
        };
    }
    if PURE.contains(&room) && WORLDLY.contains(&needed) {
        return Some(format!("{room} is pure and must not reach {needed}"));
    }
    let door = ONE_DOOR.iter().find(|(name, _)| *name == needed)?;
    (door.1 != room).then(|| format!("{room} must not link {needed}: its one door is {}", door.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(package: &str, needed: &str) -> Vec<String> {
        violations(&Edges::from([(
            package.to_owned(),
            vec![needed.to_owned()],
        )]))
    }

    #[test]
    fn the_engine_may_not_learn_who_authenticates() {
        assert_eq!(
            edge("portcullis-engine", "portcullis-identity"),
            ["engine must not know identity"]
        );
        assert!(edge("portcullis-engine", "portcullis-policy").is_empty());
    }

    #[test]
    fn credentials_cannot_see_the_inbound_bearer() {
        assert_eq!(
            edge("portcullis-credentials", "portcullis-identity"),
            ["credentials must not know identity"]
        );
    }

    #[test]
    fn stores_cannot_unseal_and_production_cannot_use_the_testkit() {
        assert!(!edge("portcullis-store-sql", "portcullis-vault").is_empty());
        assert!(!edge("portcullis-server", "portcullis-testkit").is_empty());
    }

    #[test]
    fn only_the_binary_reads_the_configuration() {
        assert!(!edge("portcullis-server", "portcullis-config").is_empty());
        assert!(edge("portcullis-gateway", "portcullis-config").is_empty());
    }

    #[test]
    fn a_pure_room_that_reaches_the_network_is_refused() {
        assert_eq!(
            edge("portcullis-mcp", "tokio"),
            ["mcp is pure and must not reach tokio"]
        );
        assert!(edge("portcullis-upstream", "tokio").is_empty());
    }

    #[test]
    fn the_database_and_the_http_client_have_one_door_each() {
        assert!(!edge("portcullis-engine", "sqlx").is_empty());
        assert!(edge("portcullis-store-sql", "sqlx").is_empty());
        assert!(!edge("portcullis-upstream", "hyper-rustls").is_empty());
    }

    #[test]
    fn a_new_room_has_to_be_entered_into_the_table() {
        assert_eq!(
            edge("portcullis-attic", "portcullis-core"),
            ["attic is not in the table of rooms"]
        );
    }
}
