//! The way to a host, one hop at a time, for whoever wants to know where it breaks: the name, the
//! addresses and their judgement, the connection, TLS. The same steps, in the same order and with the
//! same rules, as for a request; no request is sent.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::connect::{ConnectFailure, Target, admit, connect_any, resolve, shake_hands};
use crate::roots::client_config;
use crate::{Destination, EgressError, EgressErrorKind, RootsError, Settings};

/// Longest wait for one hop.
const EACH: Duration = Duration::from_secs(10);

/// Walks to hosts.
#[derive(Clone)]
pub struct Hops {
    tls: Arc<ClientConfig>,
}

/// A host whose name was resolved and whose addresses may be connected to.
#[derive(Debug)]
pub struct Resolved {
    target: Target,
    addresses: Vec<SocketAddr>,
}

/// A host that was connected to.
#[derive(Debug)]
pub struct Connected {
    target: Target,
    tcp: TcpStream,
}

/// What a TLS handshake settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secured {
    /// `TLSv1_3` and the like.
    pub version: String,
    /// The protocol that ALPN settled, if any.
    pub protocol: Option<String>,
    /// The host's own certificate, which was found good (X.509, DER).
    pub certificate: Option<Vec<u8>>,
}

impl Settings {
    /// Loads the roots for walking only. Opens no connection.
    pub fn hops(self) -> Result<Hops, RootsError> {
        let tls = client_config(&self.roots, self.extra_roots)?;
        Ok(Hops { tls })
    }
}

impl std::fmt::Debug for Hops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hops")
    }
}

impl Hops {
    /// The addresses of a URL's host, all of which the destination admits.
    pub async fn resolve(
        &self,
        uri: &Uri,
        destination: Destination,
    ) -> Result<Resolved, EgressError> {
        let target = Target::of(uri).map_err(|failure| told(uri, failure))?;
        let resolving = async {
            let addresses = resolve(&target.host, target.port).await?;
            admit(&target, &addresses, destination)?;
            Ok(addresses)
        };
        let addresses = within(resolving).await.map_err(|error| told(uri, error))?;
        Ok(Resolved { target, addresses })
    }

    /// A connection to whichever address answers first.
    pub async fn connect(&self, uri: &Uri, resolved: Resolved) -> Result<Connected, EgressError> {
        let Resolved { target, addresses } = resolved;
        let connecting = async {
            connect_any(addresses)
                .await
                .map_err(|error| ConnectFailure::caused(EgressErrorKind::Connect, error))
        };
        let tcp = within(connecting).await.map_err(|error| told(uri, error))?;
        Ok(Connected { target, tcp })
    }

    /// The TLS handshake, with every check of the certificate.
    pub async fn secure(&self, uri: &Uri, connected: Connected) -> Result<Secured, EgressError> {
        let Connected { target, tcp } = connected;
        let tls = TlsConnector::from(Arc::clone(&self.tls));
        let shaking = shake_hands(&tls, &target.host, TokioIo::new(tcp));
        let stream = within(shaking).await.map_err(|error| told(uri, error))?;
        let (_, session) = stream.inner().get_ref();
        Ok(Secured {
            version: session
                .protocol_version()
                .and_then(|version| version.as_str().map(str::to_owned))
                .unwrap_or_default(),
            protocol: session
                .alpn_protocol()
                .map(|protocol| String::from_utf8_lossy(protocol).into_owned()),
            certificate: session
                .peer_certificates()
                .and_then(|chain| chain.first())
                .map(|leaf| leaf.as_ref().to_vec()),
        })
    }
}

impl Resolved {
    /// The addresses; never empty.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().map(SocketAddr::ip)
    }
}

impl Connected {
    /// The address that answered.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.tcp.peer_addr().ok()
    }

    /// Whether the URL asks for TLS on it.
    pub const fn wants_tls(&self) -> bool {
        self.target.is_https
    }
}

async fn within<T>(
    hop: impl Future<Output = Result<T, ConnectFailure>>,
) -> Result<T, ConnectFailure> {
    tokio::time::timeout(EACH, hop)
        .await
        .unwrap_or_else(|late| Err(ConnectFailure::caused(EgressErrorKind::Timeout, late)))
}

fn told(uri: &Uri, failure: ConnectFailure) -> EgressError {
    let authority = uri.authority().map_or("", http::uri::Authority::as_str);
    EgressError {
        kind: failure.kind,
        host: authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host)
            .to_owned(),
        source: failure.source.map(|source| Box::new(source) as Box<_>),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RootSource;

    async fn judged(url: &str, destination: Destination) -> Result<Vec<IpAddr>, EgressErrorKind> {
        let roots = RootSource {
            native: false,
            ..RootSource::default()
        };
        let settings = Settings {
            roots,
            ..Settings::default()
        };
        let hops = settings.hops().unwrap();
        let uri: Uri = url.parse().unwrap();
        let resolved = hops.resolve(&uri, destination).await;
        resolved
            .map(|resolved| resolved.addresses().collect())
            .map_err(|error| error.kind)
    }

    /// Looking for a fault reaches no further than a request does.
    #[tokio::test]
    async fn addresses_are_judged_as_for_a_request() {
        let operator = Destination::Operator {
            allow_insecure_http: true,
        };
        let stranger = Destination::Untrusted {
            allow_loopback: false,
        };
        for (url, destination) in [
            ("http://169.254.169.254/", operator),
            ("http://[::ffff:169.254.169.254]/", operator),
            ("https://127.0.0.1/", stranger),
            ("https://10.0.0.1/", stranger),
            ("http://93.184.215.14/", stranger),
        ] {
            let refused = judged(url, destination).await;
            assert_eq!(refused, Err(EgressErrorKind::Blocked), "{url}");
        }
        let there = judged("http://10.0.0.1/", operator).await.unwrap();
        assert_eq!(there, ["10.0.0.1".parse::<IpAddr>().unwrap()]);
    }
}
