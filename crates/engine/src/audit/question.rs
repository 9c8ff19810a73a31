//! Which events somebody asks for.

use portcullis_core::Timestamp;
use portcullis_store::AuditFilter;
use serde_json::Value;

use super::{Decision, Outcome, Surface};

/// What an event must be like. Whatever is `None` may be anything; texts are compared exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrailQuestion {
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// One request.
    pub request_id: Option<String>,
    /// Who asked.
    pub principal: Option<String>,
    /// The public id of the key.
    pub key_id: Option<String>,
    /// The door.
    pub surface: Option<Surface>,
    /// The JSON-RPC method or the route.
    pub method: Option<String>,
    /// The server; of an aggregate, any that was asked.
    pub server: Option<String>,
    /// The tool, as its server spells it.
    pub tool: Option<String>,
    /// What policy said.
    pub decision: Option<Decision>,
    /// The rule that said so.
    pub rule: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

impl TrailQuestion {
    /// What the store itself looks for.
    pub(super) fn filter(&self) -> AuditFilter {
        AuditFilter {
            since: self.since,
            until: self.until,
            request_id: self.request_id.clone(),
            writer: None,
        }
    }

    /// Whether everything that is asked for is what the store itself looks for.
    pub(super) fn is_the_stores(&self) -> bool {
        let Self {
            since,
            until,
            request_id,
            ..
        } = self;
        let rest = Self {
            since: *since,
            until: *until,
            request_id: request_id.clone(),
            ..Self::default()
        };
        *self == rest
    }

    /// Whether an event is one of those. A batch is, when one of its messages is.
    pub(super) fn fits(&self, event: &str) -> bool {
        if self.is_the_stores() {
            return true;
        }
        let Ok(event) = serde_json::from_str::<Value>(event) else {
            return false;
        };
        let surface = self.surface.map(Surface::as_str);
        is(&event, "/principal", self.principal.as_deref())
            && is(&event, "/key_id", self.key_id.as_deref())
            && is(&event, "/surface", surface)
            && (self.is_told_by(&event)
                || parts(&event, "/batch").any(|message| self.is_told_by(message)))
    }

    /// What an event says, or a message of a batch.
    fn is_told_by(&self, part: &Value) -> bool {
        let server = self.server.as_deref();
        let at_server = is(part, "/server", server)
            || parts(part, "/servers").any(|asked| is(asked, "/server", server));
        let at_tool = self.tool.is_none() || is(part, "/target/kind", Some("tool"));
        at_server
            && at_tool
            && is(part, "/target/name", self.tool.as_deref())
            && is(part, "/method", self.method.as_deref())
            && is(part, "/decision", self.decision.map(Decision::as_str))
            && is(part, "/rule", self.rule.as_deref())
            && is(part, "/outcome", self.outcome.map(Outcome::as_str))
    }
}

fn is(part: &Value, at: &str, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| part.pointer(at).and_then(Value::as_str) == Some(wanted))
}

fn parts<'v>(event: &'v Value, at: &str) -> impl Iterator<Item = &'v Value> {
    event
        .pointer(at)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str) -> TrailQuestion {
        TrailQuestion {
            tool: Some(name.to_owned()),
            ..TrailQuestion::default()
        }
    }

    #[test]
    fn a_message_of_a_batch_has_to_be_all_that_is_asked_for() {
        let event = r#"{"event":"request","principal":"alice","outcome":"ok","batch":[
            {"outcome":"ok","server":"a","target":{"kind":"tool","name":"read"}},
            {"outcome":"forbidden","server":"b","target":{"kind":"tool","name":"write"}}]}"#;
        let at = |server: &str, name: &str| TrailQuestion {
            server: Some(server.to_owned()),
            ..tool(name)
        };
        assert!(at("a", "read").fits(event));
        assert!(at("b", "write").fits(event));
        assert!(!at("a", "write").fits(event));
        let denied = TrailQuestion {
            outcome: Some(Outcome::Kind(portcullis_core::ErrorKind::Forbidden)),
            principal: Some("alice".to_owned()),
            ..tool("write")
        };
        assert!(denied.fits(event));
        let of_bob = TrailQuestion {
            principal: Some("bob".to_owned()),
            ..denied
        };
        assert!(!of_bob.fits(event));
    }

    #[test]
    fn a_prompt_is_no_tool_and_the_chains_own_entries_are_nobodys() {
        let prompt = r#"{"event":"request","target":{"kind":"prompt","name":"read"}}"#;
        assert!(!tool("read").fits(prompt));
        let own = r#"{"event":"writer_stopped"}"#;
        assert!(!tool("read").fits(own));
        assert!(TrailQuestion::default().fits(own));
    }
}
