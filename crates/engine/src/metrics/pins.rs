//! What became of servers' tools.

use portcullis_core::ServerId;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::{MetricName, register};

/// What happened to a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinEvent {
    /// It was seen, and pinned.
    FirstSeen,
    /// It became another.
    Changed,
    /// It became what it was.
    ChangedBack,
    /// What it became was approved.
    Approved,
    /// Its pin was forgotten.
    Forgotten,
    /// It was listed or called although it is another.
    Served,
    /// It was left out of a list.
    Withheld,
    /// A call of it was refused.
    Refused,
}

impl PinEvent {
    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstSeen => "first_seen",
            Self::Changed => "changed",
            Self::ChangedBack => "changed_back",
            Self::Approved => "approved",
            Self::Forgotten => "forgotten",
            Self::Served => "served",
            Self::Withheld => "withheld",
            Self::Refused => "refused",
        }
    }
}

/// Meters of pins.
#[derive(Clone, Debug, Default)]
pub struct PinMeters(Family<[(&'static str, String); 2], Counter>);

impl PinMeters {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let meters = Self::default();
        register(registry, MetricName::ToolPins, &meters.0);
        meters
    }

    /// So many tools of this server.
    pub fn count(&self, server: &ServerId, event: PinEvent, tools: u64) {
        let labels = [
            ("server", server.as_str().to_owned()),
            ("event", event.as_str().to_owned()),
        ];
        self.0.get_or_create(&labels).inc_by(tools);
    }
}
