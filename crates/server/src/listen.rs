//! The front door: sockets, TLS, HTTP/1 and HTTP/2, limits on what a stranger may cost, and an
//! orderly end.
//!
//! hyper serves with the axum router inside: `axum::serve` knows no TLS, no header time limit and no
//! bound on connections.

mod activity;
mod client_ca;
mod connection;
mod error;
mod guests;
mod per_address;
mod settings;
mod stuck_write;
mod tls;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use connection::Serves;
pub use error::ListenError;
pub use settings::{ClientCa, ListenSettings, TlsFiles};
pub use tls::ServerTls;

pub(crate) use client_ca::PeerCertificate;

use connection::Connections;
use guests::Guests;
use per_address::PerAddress;

/// The address of the peer of the TCP connection, as a request extension.
///
/// It is whoever connected, be it a proxy: who the client is, is decided from trusted proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

/// The address of whoever connected, if the request came over a socket.
pub(crate) fn peer(parts: &http::request::Parts) -> Option<std::net::IpAddr> {
    let peer = parts.extensions.get::<PeerAddr>();
    peer.map(|PeerAddr(address)| address.ip())
}

/// When to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Finish what runs, accept nothing new.
    pub soft: CancellationToken,
    /// End at once.
    pub hard: CancellationToken,
}

/// How a listener ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every connection came to its own end.
    Finished,
    /// Time ran out, or a second signal came: this many tasks were cut off.
    Aborted(usize),
}

/// A socket that listens but does not answer yet.
///
/// Binding early lets a taken port fail the start before anything else has been set up, while
/// clients that are early wait in the backlog instead of being refused.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<ServerTls>>,
    settings: ListenSettings,
}

impl Bound {
    /// Binds to the first address of `host` that can be bound, and loads the certificate if any.
    pub async fn bind(
        host: &str,
        port: u16,
        settings: ListenSettings,
    ) -> Result<Self, ListenError> {
        let listener =
            TcpListener::bind((host, port))
                .await
                .map_err(|source| ListenError::Bind {
                    host: host.to_owned(),
                    port,
                    source,
                })?;
        Self::from_listener(listener, settings)
    }

    /// Takes a socket that listens already.
    pub fn from_listener(
        listener: TcpListener,
        settings: ListenSettings,
    ) -> Result<Self, ListenError> {
        let address = listener.local_addr().map_err(ListenError::Socket)?;
        let tls = match &settings.tls {
            Some(files) => Some(Arc::new(ServerTls::load(files.clone())?)),
            None => None,
        };
        Ok(Self {
            listener,
            address,
            tls,
            settings,
        })
    }

    /// The address that was really bound (port 0 resolved).
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The certificate, to be reloaded when its files change; `None` on a plain listener.
    pub fn tls(&self) -> Option<Arc<ServerTls>> {
        self.tls.clone()
    }

    /// Serves until `stop`, then drains: goes on accepting for the grace period so that load
    /// balancers see the readiness probe fail, closes the socket, lets running requests finish for
    /// at most the drain period, and cuts the rest.
    pub async fn serve<S: Serves>(self, service: S, stop: Stop) -> Drained {
        let drain = self.settings.drain;
        let tasks = TaskTracker::new();
        // Not a child of the hard stop: what is cut off must be counted before it is gone.
        let cut = CancellationToken::new();
        let draining = CancellationToken::new();
        self.accept(service, &stop, &tasks, &draining, &cut).await;

        draining.cancel();
        tasks.close();
        tokio::select! {
            () = tasks.wait() => return Drained::Finished,
            () = tokio::time::sleep(drain) => {}
            () = stop.hard.cancelled() => {}
        }
        let cut_off = tasks.len();
        cut.cancel();
        tasks.wait().await;
        if cut_off == 0 {
            Drained::Finished
        } else {
            Drained::Aborted(cut_off)
        }
    }

    async fn accept<S: Serves>(
        self,
        service: S,
        stop: &Stop,
        tasks: &TaskTracker,
        draining: &CancellationToken,
        cut: &CancellationToken,
    ) {
        let room = Arc::new(Semaphore::new(self.settings.max_connections));
        let addresses = PerAddress::new(self.settings.max_connections_per_address);
        let grace = self.settings.grace;
        let guests = Arc::new(Guests::default());
        let connections = Connections::new(
            service,
            self.tls,
            &self.settings,
            &guests,
            tasks,
            draining,
            cut,
        );
        let closing = async {
            stop.soft.cancelled().await;
            tokio::select! {
                () = tokio::time::sleep(grace) => {}
                () = stop.hard.cancelled() => {}
            }
        };
        tokio::pin!(closing);
        loop {
            let next = async {
                let (stream, peer) = accept_one(&self.listener).await;
                // Closed at once rather than kept waiting: others stand in the same line, and
                // nobody leaves for the sake of whoever has enough.
                let Some(own_place) = addresses.enter(peer.ip()) else {
                    tracing::debug!(%peer, "too many connections from this address");
                    return None;
                };
                // When the house is full, one newcomer waits here and the others in the kernel's
                // backlog, where they cost us nothing.
                let place = place_in(&room, &guests).await?;
                Some((stream, peer, place, own_place))
            };
            let accepted = tokio::select! {
                biased;
                () = stop.hard.cancelled() => return,
                () = &mut closing => return,
                accepted = next => accepted,
            };
            let Some((stream, peer, place, own_place)) = accepted else {
                continue;
            };
            let connection = connections.serve(stream, peer);
            tasks.spawn(async move {
                connection.await;
                drop((place, own_place));
            });
        }
    }
}

/// How often somebody who became idle is looked for while the house is full.
const LOOK_FOR_IDLE: Duration = Duration::from_millis(100);

/// A place for a newcomer; when there is none, whoever has been idle longest makes room.
async fn place_in(room: &Arc<Semaphore>, guests: &Guests) -> Option<OwnedSemaphorePermit> {
    if let Ok(place) = Arc::clone(room).try_acquire_owned() {
        return Some(place);
    }
    let place = Arc::clone(room).acquire_owned();
    tokio::pin!(place);
    loop {
        guests.ask_the_oldest_idle_to_leave();
        if let Ok(place) = tokio::time::timeout(LOOK_FOR_IDLE, &mut place).await {
            return place.ok();
        }
    }
}

/// The next connection. A failed accept is the peer's haste (reset before we came) or our own lack
/// of descriptors: neither may end the listener, and the latter must not spin.
async fn accept_one(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_the_peers_doing(&error) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept connections, trying again in a second");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

fn is_the_peers_doing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
    )
}
