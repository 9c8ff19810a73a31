//! What a server says of itself when it is connected to.

/// Which server answers, and whether it is one that we can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// Which life of it this is: another one after every start, and another one of every server.
    pub(crate) life: String,
    /// Its product and version.
    pub(crate) version: String,
    /// Whether it forgets what it has no room for, instead of refusing more.
    pub(crate) evicts: bool,
}

/// Why a server is none for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("it does not say which life of it this is (`run_id` of `INFO`)")]
    Nameless,
    #[error("it is a replica, which takes no changes: name the primary")]
    Replica,
    #[error("it is part of a cluster, which is not spoken here: name a server that stands alone")]
    Cluster,
}

impl Server {
    /// Reads the answer to `INFO`.
    pub(crate) fn of_info(info: &str) -> Result<Self, Unfit> {
        let field = |name: &str| {
            let mut lines = info.lines();
            lines.find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
        };
        if field("redis_mode") == Some("cluster") || field("server_mode") == Some("cluster") {
            return Err(Unfit::Cluster);
        }
        if field("role") == Some("slave") {
            return Err(Unfit::Replica);
        }
        let life = field("run_id").filter(|life| is_name(life));
        let life = life.ok_or(Unfit::Nameless)?.to_owned();
        let version = match (field("valkey_version"), field("redis_version")) {
            (Some(version), _) if is_name(version) => format!("Valkey {version}"),
            (None, Some(version)) if is_name(version) => format!("Redis {version}"),
            _ => "unknown version".to_owned(),
        };
        let evicts = field("maxmemory_policy").is_some_and(|policy| policy != "noeviction");
        Ok(Self {
            life,
            version,
            evicts,
        })
    }
}

/// What becomes part of a key or of a log line.
fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !text.is_empty() && text.len() <= 64 && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:abc123\r\n\
                        # Memory\r\nmaxmemory_policy:noeviction\r\n# Replication\r\nrole:master\r\n";

    #[test]
    fn a_server_says_who_it_is() {
        let server = Server::of_info(GOOD).unwrap();
        assert_eq!(server.life, "abc123");
        assert_eq!(server.version, "Redis 7.0.15");
        assert!(!server.evicts);
        let valkey = GOOD.replace("# Memory", "valkey_version:8.1.0\r\n# Memory");
        assert_eq!(Server::of_info(&valkey).unwrap().version, "Valkey 8.1.0");
        let evicting = GOOD.replace("noeviction", "allkeys-lru");
        assert!(Server::of_info(&evicting).unwrap().evicts);
    }

    #[test]
    fn who_cannot_be_used_is_refused() {
        for (from, to, unfit) in [
            ("run_id:abc123", "run_id:", Unfit::Nameless),
            ("run_id:abc123", "run_id:a b", Unfit::Nameless),
            ("run_id:abc123", "ran:1", Unfit::Nameless),
            ("role:master", "role:slave", Unfit::Replica),
            (
                "redis_mode:standalone",
                "redis_mode:cluster",
                Unfit::Cluster,
            ),
        ] {
            assert_eq!(Server::of_info(&GOOD.replace(from, to)), Err(unfit), "{to}");
        }
    }
}
