//! Somebody who sends requests.

use std::net::SocketAddr;

use portcullis_core::ApiKey;
use serde_json::{Value, json};

use super::Transcript;
use super::wire::{Ask, Connection, Reply};

/// Somebody, with or without a credential. What they are answered is remembered.
#[derive(Clone, Debug)]
pub struct Actor {
    address: SocketAddr,
    credential: Option<String>,
    key_id: Option<String>,
    transcript: Transcript,
}

impl Actor {
    pub(super) const fn new(
        address: SocketAddr,
        credential: Option<String>,
        transcript: Transcript,
    ) -> Self {
        Self {
            address,
            credential,
            key_id: None,
            transcript,
        }
    }

    /// Nobody in particular, before a gateway in a process of its own.
    pub fn at(address: SocketAddr) -> Self {
        Self::new(address, None, Transcript::default())
    }

    pub(super) fn with(mut self, credential: &str) -> Self {
        self.credential = Some(credential.to_owned());
        self
    }

    pub(super) fn holding(mut self, key: &ApiKey, key_id: &str) -> Self {
        self.key_id = Some(key_id.to_owned());
        self.with(key.expose())
    }

    /// What this actor presents.
    pub fn credential(&self) -> &str {
        self.credential.as_deref().unwrap()
    }

    /// The public id of the actor's key.
    pub fn key_id(&self) -> &str {
        self.key_id.as_deref().unwrap()
    }

    /// The request with this actor's credential.
    pub fn sign(&self, ask: Ask) -> Ask {
        match &self.credential {
            Some(credential) => ask.bearer(credential),
            None => ask,
        }
    }

    /// Sends on a connection of its own.
    pub async fn ask(&self, ask: Ask) -> Reply {
        self.ask_on(&mut Connection::open(self.address).await, ask)
            .await
    }

    /// Sends on this connection.
    pub async fn ask_on(&self, connection: &mut Connection, ask: Ask) -> Reply {
        let ask = self.sign(ask);
        let reply = connection.ask(&ask).await;
        self.transcript.note(&ask.line(), &reply);
        reply
    }

    /// A JSON-RPC request.
    pub async fn rpc(&self, path: &str, method: &str, params: Value) -> Reply {
        self.ask(Ask::rpc(path, method, &params)).await
    }

    /// Opens a session and returns its id.
    pub async fn session(&self, path: &str) -> String {
        let opened = self.ask(Ask::initialize(path)).await;
        assert_eq!(opened.status, 200, "{opened:?}");
        opened.header("mcp-session-id").unwrap().to_owned()
    }

    /// Begins to listen to a session; the stream is open when this returns.
    pub async fn listen(&self, path: &str, session: &str) -> Connection {
        let ask = self.sign(Ask::listen(path, session));
        let mut stream = Connection::begin(self.address, &ask).await;
        assert!(stream.until("text/event-stream").await, "no stream");
        stream
    }

    /// Calls the mock's `echo` through the REST surface.
    pub async fn echo(&self, message: &str) -> Reply {
        self.ask(Self::echo_ask(message)).await
    }

    /// The request for it, unsigned.
    pub fn echo_ask(message: &str) -> Ask {
        let body =
            json!({"server_id": "support", "name": "echo", "arguments": {"message": message}});
        Ask::post("/mcp-rest/tools/call", &body)
    }
}
