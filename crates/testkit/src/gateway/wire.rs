//! HTTP/1.1 as bytes: a client library would repair what an attacker sends on purpose.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::PATIENCE;

/// The end of a body that comes in chunks.
const LAST_CHUNK: &str = "\r\n0\r\n\r\n";

/// A request as it will be written.
#[derive(Clone, Debug)]
pub struct Ask {
    method: String,
    target: String,
    host: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Ask {
    /// Any method.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            host: Some("localhost".to_owned()),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// GET.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// POST with a JSON body.
    pub fn post(target: &str, body: &Value) -> Self {
        Self::new("POST", target)
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    /// A JSON-RPC request as every MCP client sends it.
    pub fn rpc(target: &str, method: &str, params: &Value) -> Self {
        let message =
            serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        Self::post(target, &message).header("accept", "application/json, text/event-stream")
    }

    /// Opens a session of 2025-06-18.
    pub fn initialize(target: &str) -> Self {
        let params = serde_json::json!({
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        });
        Self::rpc(target, "initialize", &params)
    }

    /// Listens to what belongs to no request of this session.
    pub fn listen(target: &str, session: &str) -> Self {
        Self::get(target)
            .header("mcp-session-id", session)
            .header("accept", "text/event-stream")
    }

    /// With this credential.
    #[must_use]
    pub fn bearer(self, credential: &str) -> Self {
        self.header("authorization", &format!("Bearer {credential}"))
    }

    /// One more header line, whatever stands there already.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The same, with any bytes.
    #[must_use]
    pub fn header_bytes(mut self, name: &str, value: &[u8]) -> Self {
        self.headers.push((name.to_owned(), value.to_vec()));
        self
    }

    /// Without this header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    /// Another `Host`; `None` sends none.
    #[must_use]
    pub fn host(mut self, host: Option<&str>) -> Self {
        self.host = host.map(str::to_owned);
        self
    }

    /// These bytes as body, with their length.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The method and the target.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    /// The bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        if let Some(host) = &self.host {
            bytes.extend(format!("host: {host}\r\n").into_bytes());
        }
        let framed = |name: &str| {
            ["content-length", "transfer-encoding"]
                .iter()
                .any(|framing| name.eq_ignore_ascii_case(framing))
        };
        for (name, value) in &self.headers {
            bytes.extend(name.as_bytes());
            bytes.extend(b": ");
            bytes.extend(value);
            bytes.extend(b"\r\n");
        }
        let own_framing = self.headers.iter().any(|(name, _)| framed(name));
        if !own_framing && (self.method != "GET" || !self.body.is_empty()) {
            bytes.extend(format!("content-length: {}\r\n", self.body.len()).into_bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        bytes
    }

    /// Sends it on a connection of its own.
    pub async fn send(&self, address: SocketAddr) -> Reply {
        let mut connection = Connection::open(address).await;
        connection.ask(self).await
    }
}

/// An answer.
#[derive(Clone, Default)]
pub struct Reply {
    /// Its status; 0 when the connection ended without an answer.
    pub status: u16,
    /// Its header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// Every byte of it.
    pub raw: Vec<u8>,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.raw))
    }
}

impl Reply {
    /// The one value of a header; `None` when it is absent. Twice is a failure.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(other, _)| other == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} stands twice: {self:?}");
        value
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Status, headers and body without what differs from answer to answer.
    pub fn comparable(&self) -> (u16, Vec<(String, String)>, Vec<u8>) {
        let mut headers = self.headers.clone();
        headers.retain(|(name, _)| !matches!(name.as_str(), "x-request-id" | "date"));
        (self.status, headers, self.body.clone())
    }
}

/// A connection that is kept.
#[derive(Debug)]
pub struct Connection<S = TcpStream> {
    stream: S,
    unread: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    /// Connects and sends; the answer is read as it comes.
    pub async fn begin(address: SocketAddr, ask: &Ask) -> Self {
        let mut connection = Self::open(address).await;
        connection.write(&ask.bytes()).await;
        connection
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Speaks over a stream that is connected already.
    pub const fn over(stream: S) -> Self {
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// Writes any bytes; whether the other side has hung up shows when reading.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// Sends and reads one answer.
    pub async fn ask(&mut self, ask: &Ask) -> Reply {
        self.write(&ask.bytes()).await;
        let bodyless = ask.method == "HEAD";
        self.read_reply(bodyless).await
    }

    /// One answer, or status 0 when the connection ends first.
    pub async fn reply(&mut self) -> Reply {
        self.read_reply(false).await
    }

    /// Whatever comes until the other side hangs up.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.unread)
    }

    /// Reads until this text has come (true) or the connection ended (false).
    pub async fn until(&mut self, text: &str) -> bool {
        loop {
            if String::from_utf8_lossy(&self.unread).contains(text) {
                return true;
            }
            if !self.more().await {
                return false;
            }
        }
    }

    /// Reads until the other side ends the body, however much it still says before.
    ///
    /// # Panics
    /// When the body goes on, or the connection breaks in its middle.
    pub async fn ends(&mut self) {
        let ended = tokio::time::timeout(PATIENCE, self.until(LAST_CHUNK)).await;
        assert_ne!(
            ended,
            Ok(false),
            "the connection broke in the middle of a body"
        );
        assert!(ended.is_ok(), "the body goes on");
    }

    /// What has come so far and was not read as an answer.
    pub fn heard(&self) -> &[u8] {
        &self.unread
    }

    /// Waits for more bytes; `false`: the other side hung up.
    pub async fn more(&mut self) -> bool {
        let mut chunk = [0_u8; 16 * 1024];
        let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut chunk)).await;
        let read = read.unwrap_or_else(|_| {
            let unread = String::from_utf8_lossy(&self.unread);
            panic!("nothing comes, and nobody hangs up; unread: {unread}")
        });
        match read {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.unread.extend_from_slice(&chunk[..count]);
                true
            }
        }
    }

    async fn read_reply(&mut self, bodyless: bool) -> Reply {
        let mut reply = Reply::default();
        let end = loop {
            let found = self.unread.windows(4).position(|end| end == b"\r\n\r\n");
            match found {
                Some(at) => break at + 4,
                None if self.more().await => {}
                None => return reply,
            }
        };
        let head: Vec<u8> = self.unread.drain(..end).collect();
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut lines = text.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        reply.status = status.parse().unwrap();
        reply.headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        reply.raw = head;
        let chunked = reply.header("transfer-encoding") == Some("chunked");
        let length = reply.header("content-length").map(str::parse::<usize>);
        if bodyless || matches!(reply.status, 100..200 | 204 | 304) {
            return reply;
        }
        if chunked {
            self.chunks(&mut reply).await;
        } else if let Some(length) = length {
            self.exactly(&mut reply, length.unwrap()).await;
        } else {
            let rest = self.rest().await;
            reply.raw.extend(&rest);
            reply.body.extend(&rest);
        }
        reply
    }

    async fn exactly(&mut self, reply: &mut Reply, length: usize) {
        while self.unread.len() < length && self.more().await {}
        let length = length.min(self.unread.len());
        let body: Vec<u8> = self.unread.drain(..length).collect();
        reply.raw.extend(&body);
        reply.body.extend(&body);
    }

    async fn chunks(&mut self, reply: &mut Reply) {
        loop {
            let end = loop {
                match self.unread.windows(2).position(|end| end == b"\r\n") {
                    Some(at) => break at,
                    None if self.more().await => {}
                    None => return,
                }
            };
            let line: Vec<u8> = self.unread.drain(..end + 2).collect();
            reply.raw.extend(&line);
            let size = String::from_utf8_lossy(&line[..end]).into_owned();
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            self.exactly(reply, size).await;
            while self.unread.len() < 2 && self.more().await {}
            let rest = self.unread.len().min(2);
            self.unread.drain(..rest);
            if size == 0 {
                return;
            }
        }
    }
}
