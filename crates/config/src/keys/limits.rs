//! `limits`, and what the servers say of theirs.

use super::{Key, Kind, Section};

/// Most of anything that is counted.
const MOST: u64 = u32::MAX as u64;

pub(crate) static LIMITS: Section = Section {
    name: "caller_limits",
    doc: "How much callers may do, counted for all replicas together. Each limit of a caller's key, user, team and organization holds; what is written at a key, user, team or organization in the store wins over the file, and both over `defaults`.",
    keys: &[
        Key::new(
            "on_store_fault",
            Kind::Choice(&["deny", "local_share"]),
            "What happens to a limited request while the store cannot count: `deny` answers 503; with `local_share` each replica counts by itself to the limit divided by the replicas that it knew last. What a budget pays for is refused in any case.",
        )
        .default("deny"),
        Key::new(
            "defaults",
            Kind::Section(&DEFAULTS),
            "For those of whom nothing else is said.",
        ),
        Key::new(
            "keys",
            Kind::Named(&SCOPE),
            "Keys of this file, by their `id`.",
        )
        .restricts(),
        Key::new("users", Kind::Named(&SCOPE), "Users, by `user_id`.").restricts(),
        Key::new("teams", Kind::Named(&SCOPE), "Teams, by their ids.").restricts(),
        Key::new(
            "organizations",
            Kind::Named(&SCOPE),
            "Organizations, by their ids.",
        )
        .restricts(),
    ],
};

pub(crate) static DEFAULTS: Section = Section {
    name: "default_limits",
    doc: "Each key, user, team or organization by itself.",
    keys: &[
        Key::new("key", Kind::Section(&SCOPE), "Every key.").restricts(),
        Key::new("user", Kind::Section(&SCOPE), "Every user.").restricts(),
        Key::new("team", Kind::Section(&SCOPE), "Every team.").restricts(),
        Key::new("organization", Kind::Section(&SCOPE), "Every organization.").restricts(),
    ],
};

pub(crate) static SCOPE: Section = Section {
    name: "scope_limits",
    doc: "What one of them may. What is absent is not limited by it.",
    keys: &[
        Key::new(
            "rpm_limit",
            Kind::Whole(0, MOST),
            "Requests a minute; so many may come at once after a quiet minute. More are answered 429 with `Retry-After`.",
        )
        .restricts(),
        Key::new(
            "max_parallel_requests",
            Kind::Whole(0, MOST),
            "Calls at the same time, for as long as their answers stream.",
        )
        .restricts(),
        Key::new(
            "max_budget",
            Kind::Anything,
            "US dollars that calls may cost, by the prices in `mcp_info.mcp_server_cost_info` of the servers.",
        )
        .restricts(),
        Key::new(
            "budget_duration",
            Kind::Text,
            "After which `max_budget` begins anew: `24h`, `7d`, `1w`, `1mo`; in UTC, weeks from Mondays. Absent: never.",
        ),
        Key::new(
            "mcp_rpm_limit",
            Kind::Anything,
            "Requests a minute to single servers: a map from servers to numbers.",
        )
        .restricts(),
    ],
};

pub(crate) static TOOL: Section = Section {
    name: "tool_limits",
    doc: "What all callers together may ask of one tool.",
    keys: &[
        Key::new("rpm", Kind::Whole(0, MOST), "Calls a minute.").restricts(),
        Key::new(
            "max_concurrent_requests",
            Kind::Whole(0, MOST),
            "Calls at the same time.",
        )
        .restricts(),
    ],
};
