//! What couriers read out of a line of the trail.

use portcullis_core::Timestamp;
use serde_json::Value;

/// A line, read. What is not there is `None`: a line may tell of a gap only.
#[derive(Debug)]
pub(super) struct Line(Value);

impl Line {
    pub(super) fn read(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_default())
    }

    pub(super) fn text(&self, at: &str) -> Option<&str> {
        self.0.pointer(at)?.as_str()
    }

    pub(super) fn writer(&self) -> Option<&str> {
        self.text("/writer")
    }

    pub(super) fn seq(&self) -> Option<u64> {
        self.0.pointer("/seq")?.as_u64()
    }

    /// `request`, one of the chain's own events, or `sink_gap`.
    pub(super) fn kind(&self) -> &str {
        let kind = self.text("/event/event").or_else(|| self.text("/event"));
        kind.unwrap_or("unknown")
    }

    /// When the request arrived, as it is recorded (RFC 3339, UTC, milliseconds).
    pub(super) fn at(&self) -> Option<&str> {
        self.text("/event/at")
            .filter(|at| at.parse::<Timestamp>().is_ok())
    }

    pub(super) fn gravity(&self) -> Gravity {
        if self.text("/event/decision") == Some("deny") {
            return Gravity::Notice;
        }
        match (self.kind(), self.text("/event/outcome")) {
            ("gap" | "sink_gap" | "withheld", _) | (_, Some("panicked" | "internal")) => {
                Gravity::Error
            }
            (_, None | Some("ok" | "tool_error" | "abandoned")) => Gravity::Ordinary,
            _ => Gravity::Notice,
        }
    }
}

/// How much it matters to whoever watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gravity {
    /// A request that was answered.
    Ordinary,
    /// One that was not, for a reason.
    Notice,
    /// A defect, or a hole in the record.
    Error,
}
