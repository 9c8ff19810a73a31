//! A peer on a real loopback socket that says exactly what a story wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

/// What the peer does after it has read a request.
#[derive(Clone)]
pub(crate) enum Step {
    /// Sends these bytes.
    Say(&'static str),
    /// Stays silent until the client goes away.
    Hang,
    /// Closes the socket.
    Close,
    /// Reads one more request and closes the socket.
    CloseOnNext,
}

pub(crate) struct Peer {
    pub(crate) port: u16,
    accepts: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// Accepts for ever; on each connection, every request gets all the steps.
    pub(crate) async fn doing(steps: &[Step]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = Self {
            port: listener.local_addr().unwrap().port(),
            accepts: Arc::default(),
            requests: Arc::default(),
        };
        let (accepts, requests) = (peer.accepts.clone(), peer.requests.clone());
        let steps = steps.to_vec();
        tokio_util::task::TaskTracker::new().spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                accepts.fetch_add(1, Ordering::SeqCst);
                let (requests, steps) = (requests.clone(), steps.clone());
                tokio_util::task::TaskTracker::new().spawn(async move {
                    serve(socket, &requests, &steps).await;
                });
            }
        });
        peer
    }

    /// Answers the first request of a connection and closes on the second, once it has read it.
    pub(crate) async fn closing_on_second_request(first: &'static str) -> Self {
        Self::doing(&[Step::Say(first), Step::CloseOnNext]).await
    }

    pub(crate) fn url(&self, path: &str) -> http::Uri {
        format!("http://127.0.0.1:{}{path}", self.port)
            .parse()
            .unwrap()
    }

    pub(crate) fn accepts(&self) -> usize {
        self.accepts.load(Ordering::SeqCst)
    }

    pub(crate) async fn requests(&self) -> Vec<String> {
        self.requests.lock().await.clone()
    }
}

pub(crate) async fn serve<S>(mut socket: S, requests: &Mutex<Vec<String>>, steps: &[Step])
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    while let Some(request) = read_request(&mut socket).await {
        requests.lock().await.push(request);
        for step in steps {
            match step {
                Step::Say(bytes) => {
                    if socket.write_all(bytes.as_bytes()).await.is_err() {
                        return;
                    }
                    let _ = socket.flush().await;
                }
                Step::Hang => {
                    let _ = socket.read(&mut [0; 64]).await;
                    return;
                }
                Step::Close => return,
                Step::CloseOnNext => {
                    if let Some(request) = read_request(&mut socket).await {
                        requests.lock().await.push(request);
                    }
                    return;
                }
            }
        }
    }
}

/// One request with a body of at most its Content-Length; `None` when the client is gone.
async fn read_request<S>(socket: &mut S) -> Option<String>
where
    S: tokio::io::AsyncRead + Unpin,
{
    let mut text = String::new();
    let mut buffer = [0_u8; 4096];
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length: usize = head
                .to_ascii_lowercase()
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return Some(text);
            }
        }
        match socket.read(&mut buffer).await {
            Ok(count @ 1..) => text.push_str(std::str::from_utf8(&buffer[..count]).unwrap()),
            _ => return None,
        }
    }
}
