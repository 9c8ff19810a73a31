//! Hops in a row: each is timed, and after the first that breaks no further one is tried.

use std::sync::Arc;

use http::Uri;
use portcullis_core::Clock;
use portcullis_egress::{Connected, Destination, EgressError, Hops};
use url::{Host, Url};

use super::{Change, Finding, State, remedy};
use crate::cli::exit::with_causes;

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
        self.hop(
            names.tls,
            securing,
            |secured| {
                secured.as_ref().map_or_else(String::new, |secured| {
                    let protocol = secured.protocol.as_deref().unwrap_or("no ALPN");
                    format!("{}, {protocol}; the certificate is good", secured.version)
                })
            },
            remedy,
        )
        .await;
    }
}
