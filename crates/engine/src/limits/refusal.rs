//! What a caller is told who did too much.

use std::time::Duration;

use portcullis_mcp::{RpcError, code};
use serde_json::json;

use super::scopes::ScopeKind;

/// Which limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKind {
    /// Requests a minute.
    Requests,
    /// Calls at the same time.
    Concurrency,
    /// Money.
    Budget,
}

impl LimitKind {
    /// The stable name: also the rule in the audit event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "rate_limit",
            Self::Concurrency => "concurrency_limit",
            Self::Budget => "budget",
        }
    }
}

/// A limit that is reached. It names what kind of scope has the limit, and never which one: a caller need
/// not know in which team its key is, nor what others do there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {} of this {} is reached", .kind.as_str(), .scope.as_str())]
pub struct Limited {
    /// What has the limit.
    pub scope: ScopeKind,
    /// Which limit.
    pub kind: LimitKind,
    /// When it may help to come again; `None`: not by waiting.
    pub retry_after: Option<Duration>,
}

impl Limited {
    /// In whole seconds, and never sooner than it helps (RFC 9110 §10.2.3).
    pub fn retry_after_secs(&self) -> Option<u64> {
        let millis = self.retry_after?.as_micros().div_ceil(1000);
        let secs = u64::try_from(millis.div_ceil(1000)).unwrap_or(u64::MAX);
        Some(secs.max(1))
    }

    /// The rule in the audit event.
    pub(crate) fn rule(&self) -> String {
        format!("{}:{}", self.kind.as_str(), self.scope.as_str())
    }

    pub(crate) fn rpc(&self, request_id: &str) -> RpcError {
        let scope = self.scope.as_str();
        let said = match self.kind {
            LimitKind::Requests => format!("too many requests a minute for this {scope}"),
            LimitKind::Concurrency => format!("too many calls at the same time for this {scope}"),
            LimitKind::Budget => format!("the budget of this {scope} is used up"),
        };
        let wait = self.retry_after_secs();
        let said = match wait {
            Some(secs) => format!("{said}: try again in {secs} s"),
            None => said,
        };
        RpcError::new(code::INTERNAL_ERROR, said).with_data(&json!({
            "kind": portcullis_core::ErrorKind::RateLimited.as_str(),
            "limit": self.kind.as_str(),
            "scope": scope,
            "retry_after_seconds": wait,
            "request_id": request_id,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_never_said_to_be_shorter_than_it_is() {
        for (micros, secs) in [
            (1, 1),
            (999_999, 1),
            (1_000_000, 1),
            (1_000_001, 2),
            (8_571_429, 9),
            (86_400_000_000, 86_400),
        ] {
            let limited = Limited {
                scope: ScopeKind::Key,
                kind: LimitKind::Requests,
                retry_after: Some(Duration::from_micros(micros)),
            };
            assert_eq!(limited.retry_after_secs(), Some(secs), "{micros}");
        }
    }
}
