//! The OAuth2-protected MCP server of `portcullis mock`, behind a gateway.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_core::ClientSecret;
use portcullis_gateway::mock::{CLIENT_ID, Settings, Stats, serve};
use portcullis_server::listen::Stop;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use super::wire::Ask;

static CANARIES: AtomicU64 = AtomicU64::new(0);

/// A running mock with a client secret of its own.
#[derive(Debug)]
pub struct MockServer {
    address: SocketAddr,
    client_secret: String,
    stop: Stop,
    tasks: TaskTracker,
}

impl MockServer {
    /// Starts one.
    pub async fn start() -> Self {
        let number = CANARIES.fetch_add(1, Ordering::Relaxed);
        let client_secret = format!("mock-canary-{number:04}-q7Zx2Lw9Vt4Kp8Rs3Nd6");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let settings = Settings {
            client_secret: ClientSecret::new(client_secret.clone()),
            ..Settings::default()
        };
        let (stop, tasks) = (Stop::default(), TaskTracker::new());
        let stopped = stop.clone();
        tasks.spawn(async move { serve(listener, settings, stopped).await.unwrap() });
        Self {
            address,
            client_secret,
            stop,
            tasks,
        }
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What its one client authenticates with.
    pub fn client_secret(&self) -> &str {
        &self.client_secret
    }

    /// An entry of `mcp_servers` that calls it.
    pub fn entry(&self, name: &str) -> String {
        let (url, secret) = (self.url(), &self.client_secret);
        format!(
            "  {name}:\n    url: \"{url}/mcp\"\n    auth_type: oauth2\n    client_id: \"{CLIENT_ID}\"\n    \
             client_secret: \"{secret}\"\n    token_url: \"{url}/oauth/token\"\n"
        )
    }

    /// An access token for its MCP endpoint, as its one client gets it.
    pub async fn token(&self) -> String {
        let (url, secret) = (self.url(), &self.client_secret);
        let form = format!(
            "grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={secret}&resource={url}/mcp"
        );
        let ask = Ask::new("POST", "/oauth/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let reply = ask.send(self.address).await;
        let answer: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// What it saw so far.
    pub async fn stats(&self) -> Stats {
        let reply = Ask::get("/mock/stats").send(self.address).await;
        serde_json::from_slice(&reply.body).unwrap()
    }
}

impl Drop for MockServer {
    fn drop(&mut self) {
        self.stop.soft.cancel();
        self.stop.hard.cancel();
        self.tasks.close();
    }
}
