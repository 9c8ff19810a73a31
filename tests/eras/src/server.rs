//! A server of exactly one revision: one behaviour, and the forms in which each revision and transport
//! carries it.

mod behaviour;
mod core;
mod http;
mod lists;
mod pipe;
mod session;
mod sse;
mod stateless;
mod turn;

use std::{net::SocketAddr, sync::Arc};

use anyhow::bail;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::revision::{Face, Revision, Transport};

use self::core::Core;

pub use self::lists::{CHOICE, COMPLETED, NOTE, NOTE_TEXT, TOOLS};

/// A reference server on a loopback port; it stops when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    path: &'static str,
    stop: CancellationToken,
}

impl Server {
    /// Listens with this face, which may not be stdio.
    pub async fn start(face: Face) -> anyhow::Result<Self> {
        let core = Arc::new(Core::new(face.revision)?);
        let (path, router) = match (face.transport, face.revision.is_modern()) {
            (Transport::Http, true) => ("/mcp", stateless::router(core)),
            (Transport::Http, false) => ("/mcp", http::router(core)),
            (Transport::Sse, _) => ("/sse", sse::router(core)),
            (Transport::Stdio, _) => bail!("a server of stdio is a program: `era-server`"),
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let serving = axum::serve(listener, router);
        let stopped = stop.clone();
        tokio_util::task::TaskTracker::new()
            .spawn(async move { stopped.run_until_cancelled(async { serving.await }).await });
        Ok(Self {
            address,
            path,
            stop,
        })
    }

    /// Its endpoint.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.path)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Serves standard input until it ends.
pub async fn over_stdio(revision: Revision) -> anyhow::Result<()> {
    pipe::serve(Arc::new(Core::new(revision)?)).await
}
