//! Somebody else's web server, as a story needs it.

use std::net::SocketAddr;

use axum::Router;
use portcullis_server::listen::{Bound, ListenSettings, Stop};
use tokio_util::task::TaskTracker;

/// A router on a loopback port. It ends when it is dropped.
#[derive(Debug)]
pub struct Site {
    address: SocketAddr,
    stop: Stop,
}

impl Site {
    /// Serves this.
    pub async fn of(router: Router) -> Self {
        let settings = ListenSettings::default();
        let bound = Bound::bind("127.0.0.1", 0, settings).await.unwrap();
        let address = bound.local_addr();
        let stop = Stop::default();
        let stopped = stop.clone();
        TaskTracker::new().spawn(async move { bound.serve(router, stopped).await });
        Self { address, stop }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.soft.cancel();
        self.stop.hard.cancel();
    }
}
