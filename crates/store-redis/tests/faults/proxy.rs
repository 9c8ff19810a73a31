//! Something between us and the server, which does as it is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

/// How it treats what passes.
#[derive(Debug, Default)]
pub(crate) struct Treatment {
    /// Every answer comes this many milliseconds late.
    pub(crate) late_ms: AtomicU64,
    /// Answers are swallowed, and the connection is closed at the first one.
    pub(crate) swallows: AtomicBool,
    /// Answers are replaced by something that is none.
    pub(crate) garbles: AtomicBool,
    cut: Notify,
}

/// A proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) treatment: Arc<Treatment>,
    _tasks: TaskTracker,
}

impl Proxy {
    /// In front of the server of this URL.
    pub(crate) async fn before(url: &str) -> Self {
        let server = url
            .trim_start_matches("redis://")
            .trim_end_matches("/0")
            .to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tasks, treatment) = (TaskTracker::new(), Arc::new(Treatment::default()));
        let (spawner, treated) = (tasks.clone(), Arc::clone(&treatment));
        tasks.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&server).await else {
                    continue;
                };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                spawner.spawn(passed(from_client, to_server));
                spawner.spawn(treated_as(from_server, to_client, Arc::clone(&treated)));
            }
        });
        Self {
            address,
            treatment,
            _tasks: tasks,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// Cuts what is connected now.
    pub(crate) fn cut(&self) {
        self.treatment.cut.notify_waiters();
    }
}

async fn passed(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

async fn treated_as(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, treatment: Arc<Treatment>) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            () = treatment.cut.notified() => return,
        };
        let Ok(count @ 1..) = read else { return };
        if treatment.swallows.load(Ordering::SeqCst) {
            return;
        }
        let late = treatment.late_ms.load(Ordering::SeqCst);
        if late > 0 {
            tokio::time::sleep(Duration::from_millis(late)).await;
        }
        let written = if treatment.garbles.load(Ordering::SeqCst) {
            to.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await
        } else {
            to.write_all(&buffer[..count]).await
        };
        if written.is_err() {
            return;
        }
    }
}
