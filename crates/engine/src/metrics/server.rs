//! Requests to one configured server and to its token endpoint.

use std::time::Duration;

use portcullis_core::ServerId;
use portcullis_credentials::CredentialKind;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{MetricName, latency_histogram, register};

type ServerLabels = [(&'static str, String); 2];
type EndedLabels = [(&'static str, String); 3];

/// How a request to an upstream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamOutcome {
    /// It answered.
    Ok,
    /// It answered, and refused.
    Refused,
    /// No usable answer.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// Our caller went away first.
    Abandoned,
}

impl UpstreamOutcome {
    const ALL: [Self; 5] = [
        Self::Ok,
        Self::Refused,
        Self::Unreachable,
        Self::Timeout,
        Self::Abandoned,
    ];

    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Abandoned => "abandoned",
        }
    }
}

/// How a request to a token endpoint ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenOutcome {
    /// A token came.
    Ok,
    /// It refused us, or sent something else than a token.
    Refused,
    /// It did not answer, or said to come later.
    Unavailable,
}

impl TokenOutcome {
    const ALL: [Self; 3] = [Self::Ok, Self::Refused, Self::Unavailable];

    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }
}

/// The resolved meters of one server. Cheap to clone, cheap to use.
#[derive(Clone, Debug)]
pub struct ServerMeters {
    requests: [Counter; UpstreamOutcome::ALL.len()],
    tokens: [Counter; TokenOutcome::ALL.len()],
    duration: Histogram,
    /// Open sessions.
    pub sessions: Gauge,
}

impl ServerMeters {
    /// A request to the server ended after `latency`.
    pub fn request(&self, outcome: UpstreamOutcome, latency: Duration) {
        let [ok, refused, unreachable, timeout, abandoned] = &self.requests;
        let counter = match outcome {
            UpstreamOutcome::Ok => ok,
            UpstreamOutcome::Refused => refused,
            UpstreamOutcome::Unreachable => unreachable,
            UpstreamOutcome::Timeout => timeout,
            UpstreamOutcome::Abandoned => abandoned,
        };
        counter.inc();
        self.duration.observe(latency.as_secs_f64());
    }

    /// A request to the server's token endpoint ended.
    pub fn token(&self, outcome: TokenOutcome) {
        let [ok, refused, unavailable] = &self.tokens;
        let counter = match outcome {
            TokenOutcome::Ok => ok,
            TokenOutcome::Refused => refused,
            TokenOutcome::Unavailable => unavailable,
        };
        counter.inc();
    }
}

#[derive(Debug)]
pub(super) struct ServerFamilies {
    requests: Family<EndedLabels, Counter>,
    tokens: Family<EndedLabels, Counter>,
    duration: Family<ServerLabels, Histogram>,
    sessions: Family<ServerLabels, Gauge>,
}

impl ServerFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            requests: Family::default(),
            tokens: Family::default(),
            duration: Family::new_with_constructor(latency_histogram as fn() -> Histogram),
            sessions: Family::default(),
        };
        register(registry, MetricName::UpstreamRequests, &families.requests);
        register(registry, MetricName::TokenRequests, &families.tokens);
        register(registry, MetricName::UpstreamDuration, &families.duration);
        register(registry, MetricName::UpstreamSessions, &families.sessions);
        families
    }

    pub(super) fn resolve(&self, id: &ServerId, credential: CredentialKind) -> ServerMeters {
        let labels = labels(id, credential);
        ServerMeters {
            requests: UpstreamOutcome::ALL.map(|outcome| {
                self.requests
                    .get_or_create_owned(&ended(id, credential, outcome.as_str()))
            }),
            tokens: TokenOutcome::ALL.map(|outcome| {
                self.tokens
                    .get_or_create_owned(&ended(id, credential, outcome.as_str()))
            }),
            duration: self.duration.get_or_create_owned(&labels),
            sessions: self.sessions.get_or_create_owned(&labels),
        }
    }

    pub(super) fn forget(&self, id: &ServerId, credential: CredentialKind) {
        for outcome in UpstreamOutcome::ALL {
            self.requests
                .remove(&ended(id, credential, outcome.as_str()));
        }
        for outcome in TokenOutcome::ALL {
            self.tokens.remove(&ended(id, credential, outcome.as_str()));
        }
        self.duration.remove(&labels(id, credential));
        self.sessions.remove(&labels(id, credential));
    }
}

fn labels(id: &ServerId, credential: CredentialKind) -> ServerLabels {
    [
        ("server", id.as_str().to_owned()),
        ("credential", credential.as_str().to_owned()),
    ]
}

fn ended(id: &ServerId, credential: CredentialKind, outcome: &'static str) -> EndedLabels {
    let [server, credential] = labels(id, credential);
    [server, credential, ("outcome", outcome.to_owned())]
}
