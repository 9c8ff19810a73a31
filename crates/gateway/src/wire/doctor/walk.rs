//! Hops in a row: each is timed, and after the first that breaks no further one is tried.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use portcullis_core::{Clock, Timestamp};
use portcullis_egress::{Connected, Destination, EgressError, Hops, Secured};
use portcullis_identity::certificate_end;
use url::{Host, Url};

use super::{Change, Finding, State, elsewhere, remedy};
use crate::cli::exit::with_causes;

/// A certificate that ends sooner is not being renewed by itself, or its renewal does not get here:
/// those who renew do so a month ahead, those who issue for a week are watched by machines.
const SOON: Duration = Duration::from_hours(14 * 24);

/// What was found so far.
pub(super) struct Walk {
    clock: Arc<dyn Clock>,
    findings: Vec<Finding>,
    broken: bool,
}

/// The three hops to a host, as they are called.
pub(super) struct Names {
    pub(super) dns: &'static str,
    pub(super) tcp: &'static str,
    pub(super) tls: &'static str,
}

impl Walk {
    pub(super) fn begin(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            findings: Vec::new(),
            broken: false,
        }
    }

    pub(super) fn end(self) -> Vec<Finding> {
        self.findings
    }

    /// What is known without trying.
    pub(super) fn note(&mut self, name: &'static str, state: State, found: impl Into<String>) {
        let (state, found) = if self.broken {
            (State::Skipped, "not reached".to_owned())
        } else {
            (state, found.into())
        };
        self.findings.push(Finding {
            name,
            state,
            found,
            took: None,
            change: None,
        });
    }

    /// One hop. `None` where it broke, or was not reached.
    pub(super) async fn hop<T, E: std::error::Error + 'static>(
        &mut self,
        name: &'static str,
        trying: impl Future<Output = Result<T, E>>,
        found: impl FnOnce(&T) -> String,
        change: impl FnOnce(&E) -> Change,
    ) -> Option<T> {
        if self.broken {
            self.note(name, State::Skipped, "");
            return None;
        }
        let begun = self.clock.monotonic();
        let tried = trying.await;
        let took = Some(self.clock.monotonic().saturating_sub(begun));
        let (state, found, change) = match &tried {
            Ok(done) => (State::Good, found(done), None),
            Err(error) => (
                State::Broken,
                with_causes(error, "; because: "),
                Some(change(error)),
            ),
        };
        self.broken = state == State::Broken;
        self.findings.push(Finding {
            name,
            state,
            found,
            took,
            change,
        });
        tried.ok()
    }

    /// The way to a URL's host: name, connection, TLS.
    pub(super) async fn host(
        &mut self,
        names: &Names,
        hops: &Hops,
        url: &Url,
        destination: Destination,
        change: impl Fn(String) -> Change,
        ca: impl Fn(String) -> Change,
    ) {
        let Ok(uri) = Uri::try_from(url.as_str()) else {
            self.note(names.dns, State::Broken, "the URL cannot be requested");
            self.broken = true;
            return;
        };
        let remedy = |error: &EgressError| remedy::of_egress(error, &change, &ca);
        let resolving = hops.resolve(&uri, destination);
        let resolved = self
            .hop(
                names.dns,
                resolving,
                |resolved| {
                    let addresses: Vec<String> =
                        resolved.addresses().map(|ip| ip.to_string()).collect();
                    match url.host() {
                        Some(Host::Domain(host)) => {
                            format!("{host} is {}", addresses.join(", "))
                        }
                        _ => format!("{} is an address", addresses.join(", ")),
                    }
                },
                remedy,
            )
            .await;
        let connecting = async {
            match resolved {
                Some(resolved) => hops.connect(&uri, resolved).await.map(Some),
                None => Ok(None),
            }
        };
        let connected = self
            .hop(
                names.tcp,
                connecting,
                |connected| {
                    let peer = connected.as_ref().and_then(Connected::peer);
                    peer.map_or_else(String::new, |peer| format!("connected to {peer}"))
                },
                remedy,
            )
            .await
            .flatten();
        if let Some(connected) = &connected
            && !connected.wants_tls()
        {
            self.note(names.tls, State::Skipped, "plain http");
            return;
        }
        let securing = async {
            match connected {
                Some(connected) => hops.secure(&uri, connected).await.map(Some),
                None => Ok(None),
            }
        };
        let now = self.clock.now();
        let secured = self
            .hop(
                names.tls,
                securing,
                |secured| {
                    let secured = secured.as_ref();
                    secured.map_or_else(String::new, |secured| handshake(secured, now))
                },
                remedy,
            )
            .await
            .flatten();
        if let Some(left) = secured.and_then(|secured| left(&secured, now))
            && left < SOON
        {
            let host = url.host_str().unwrap_or_default();
            self.advise(elsewhere(format!(
                "renew the certificate of {host} before it ends: nothing reaches it after that"
            )));
        }
    }

    /// What was just found good could be better.
    fn advise(&mut self, change: Change) {
        if let Some(last) = self.findings.last_mut() {
            last.state = State::Advice;
            last.change = Some(change);
        }
    }
}

/// What a handshake settled, and how long the host's certificate still holds.
fn handshake(secured: &Secured, now: Timestamp) -> String {
    let protocol = secured.protocol.as_deref().unwrap_or("no ALPN");
    let holds = match left(secured, now).map(|left| left.as_secs() / (24 * 60 * 60)) {
        None => String::new(),
        Some(0) => ", for less than a day".to_owned(),
        Some(1) => " for 1 day".to_owned(),
        Some(days) => format!(" for {days} days"),
    };
    format!(
        "{}, {protocol}; the certificate is good{holds}",
        secured.version
    )
}

/// How long the host's certificate still holds, where that can be read.
fn left(secured: &Secured, now: Timestamp) -> Option<Duration> {
    let end = certificate_end(secured.certificate.as_deref()?).ok()?;
    Some(end.since(now))
}
