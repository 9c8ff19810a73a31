//! Messages to receivers that do not speak HTTP, by the same rules: the name resolved once, every address
//! judged, every wait bounded.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio_rustls::TlsConnector;

use crate::connect::{ConnectFailure, Target, admit, connect_any, resolve, shake_hands};
use crate::roots::client_config;
use crate::{Destination, EgressError, EgressErrorKind, RootsError, Settings};

/// To connect, with TLS.
const CONNECT: Duration = Duration::from_secs(10);
/// To take everything.
const SEND: Duration = Duration::from_secs(20);
/// To close in return.
const FAREWELL: Duration = Duration::from_secs(5);

/// Sends bytes to an address that the operator wrote down.
#[derive(Clone)]
pub struct Dialer {
    tls: TlsConnector,
}

impl Settings {
    /// Loads the roots for sending without HTTP. Opens no connection.
    pub fn dialer(self) -> Result<Dialer, RootsError> {
        let config = client_config(&self.roots, self.extra_roots)?;
        let mut config = ClientConfig::clone(&config);
        config.alpn_protocols.clear();
        Ok(Dialer {
            tls: TlsConnector::from(Arc::new(config)),
        })
    }
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dialer")
    }
}

impl Dialer {
    /// Opens a connection (TLS if so wished), sends everything, closes, and waits until the other side
    /// has closed too, which is how it says that it has read everything; a reset and a silence are errors.
    pub async fn send(
        &self,
        host: &str,
        port: u16,
        secured: bool,
        bytes: &[u8],
    ) -> Result<(), EgressError> {
        let target = Target {
            host: host.to_owned(),
            port,
            is_https: secured,
        };
        let sending = async {
            let addresses = self.addresses(&target).await?;
            let connecting = async {
                connect_any(addresses)
                    .await
                    .map_err(|error| ConnectFailure::caused(EgressErrorKind::Connect, error))
            };
            let tcp = within(CONNECT, connecting).await?;
            if !secured {
                return say(tcp, bytes).await;
            }
            let shaking = shake_hands(&self.tls, host, TokioIo::new(tcp));
            say(within(CONNECT, shaking).await?.into_inner(), bytes).await
        };
        sending.await.map_err(|failure| told(&target, failure))
    }

    /// Sends each message as one datagram. Whether any arrives, nobody can tell.
    pub async fn datagrams(
        &self,
        host: &str,
        port: u16,
        messages: &[Vec<u8>],
    ) -> Result<(), EgressError> {
        let target = Target {
            host: host.to_owned(),
            port,
            is_https: false,
        };
        let sending = async {
            let addresses = self.addresses(&target).await?;
            let Some(to) = addresses.first() else {
                return Err(ConnectFailure::caused(
                    EgressErrorKind::Dns,
                    std::io::Error::from(std::io::ErrorKind::AddrNotAvailable),
                ));
            };
            let from: SocketAddr = match to {
                SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            };
            let sent = async {
                let socket = UdpSocket::bind(from).await?;
                socket.connect(to).await?;
                for message in messages {
                    socket.send(message).await?;
                }
                Ok::<_, std::io::Error>(())
            };
            let sent = async {
                sent.await
                    .map_err(|error| ConnectFailure::caused(EgressErrorKind::Broken, error))
            };
            within(SEND, sent).await
        };
        sending.await.map_err(|failure| told(&target, failure))
    }

    /// Plain text is the operator's choice here; link-local addresses are nobody's.
    async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, ConnectFailure> {
        let destination = Destination::Operator {
            allow_insecure_http: true,
        };
        let addresses = within(CONNECT, resolve(&target.host, target.port)).await?;
        admit(target, &addresses, destination)?;
        Ok(addresses)
    }
}

async fn say(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    bytes: &[u8],
) -> Result<(), ConnectFailure> {
    let saying = async {
        stream.write_all(bytes).await?;
        stream.flush().await?;
        stream.shutdown().await?;
        // What it says in return concerns nobody; that it closes does: nothing else says that somebody has
        // read what the system's buffers took.
        let mut ignored = [0_u8; 256];
        let closing = async {
            while stream.read(&mut ignored).await? > 0 {}
            Ok::<_, std::io::Error>(())
        };
        match tokio::time::timeout(FAREWELL, closing).await {
            Ok(Err(error)) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(error),
            Ok(_) => Ok(()),
            Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
        }
    };
    let saying = async {
        saying
            .await
            .map_err(|error| ConnectFailure::caused(EgressErrorKind::Broken, error))
    };
    within(SEND, saying).await
}

async fn within<T>(
    limit: Duration,
    step: impl Future<Output = Result<T, ConnectFailure>>,
) -> Result<T, ConnectFailure> {
    tokio::time::timeout(limit, step)
        .await
        .unwrap_or_else(|late| Err(ConnectFailure::caused(EgressErrorKind::Timeout, late)))
}

fn told(target: &Target, failure: ConnectFailure) -> EgressError {
    EgressError {
        kind: failure.kind,
        host: format!("{}:{}", target.host, target.port),
        source: failure.source.map(|source| Box::new(source) as Box<_>),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::RootSource;

    fn dialer() -> Dialer {
        let roots = RootSource {
            native: false,
            ..RootSource::default()
        };
        let settings = Settings {
            roots,
            ..Settings::default()
        };
        settings.dialer().unwrap()
    }

    #[tokio::test]
    async fn everything_arrives_before_it_counts_as_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let reading = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            stream.read_to_end(&mut read).await.unwrap();
            read
        };
        let dialer = dialer();
        let (sent, read) =
            tokio::join!(dialer.send("127.0.0.1", port, false, b"7 message"), reading);
        sent.unwrap();
        assert_eq!(read, b"7 message");
    }

    #[tokio::test]
    async fn nobody_there_and_addresses_of_nobody_are_errors() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let refused = dialer().send("127.0.0.1", port, false, b"x").await;
        assert_eq!(refused.unwrap_err().kind, EgressErrorKind::Connect);
        let blocked = dialer().send("169.254.169.254", 514, true, b"x").await;
        assert_eq!(blocked.unwrap_err().kind, EgressErrorKind::Blocked);
        let blocked = dialer()
            .datagrams("169.254.169.254", 514, &[b"x".to_vec()])
            .await;
        assert_eq!(blocked.unwrap_err().kind, EgressErrorKind::Blocked);
    }

    #[tokio::test]
    async fn each_message_is_a_datagram() {
        let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = receiver.local_addr().unwrap().port();
        let messages = [b"one".to_vec(), b"two".to_vec()];
        dialer()
            .datagrams("127.0.0.1", port, &messages)
            .await
            .unwrap();
        let mut bytes = [0_u8; 64];
        for message in messages {
            let length = receiver.recv(&mut bytes).await.unwrap();
            assert_eq!(bytes[..length], message);
        }
    }
}
