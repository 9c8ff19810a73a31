//! `portcullis stdio`: what a client writes on a line reaches the gateway, and the other way round.

mod notifications;

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use portcullis_core::{ApiKey, Clock, ManualClock};
use portcullis_gateway::bridge::{self, Door, Line};
use portcullis_gateway::cli::exit::CommandError;
use portcullis_gateway::wire;
use portcullis_testkit::PATIENCE;
use portcullis_testkit::gateway::{Actor, Ask, TestGateway};
use portcullis_testkit::upstream::{FakeUpstream, Reply, event_with_id};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::support::{call, gateway, initialize, raw, request};

const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// A client that started the program.
struct Client {
    input: Option<mpsc::Sender<Line>>,
    output: mpsc::Receiver<Bytes>,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<Result<(), CommandError>>,
}

impl Client {
    fn at(address: &str, server: Option<&str>, credential: Option<&str>) -> Self {
        let key = credential.map(ApiKey::new);
        let http = wire::http_client().unwrap();
        let base = address.parse().unwrap();
        let door = Door::new(Arc::clone(&http), base, server, key.as_ref(), false).unwrap();
        let (input, theirs) = mpsc::channel(16);
        let (ours, output) = mpsc::channel(16);
        let stop = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "the story waits for its end")]
        let ended = tokio::spawn(bridge::run(door, theirs, ours, stop.clone()));
        Self {
            input: Some(input),
            output,
            stop,
            ended,
        }
    }

    fn of(gateway: &TestGateway, actor: &Actor, server: Option<&str>) -> Self {
        let address = format!("http://{}", gateway.address());
        Self::at(&address, server, Some(actor.credential()))
    }

    async fn ready(gateway: &TestGateway, actor: &Actor, server: Option<&str>) -> Self {
        let mut client = Self::of(gateway, actor, server);
        let hello = initialize("2025-11-25", r#"{"sampling":{},"elicitation":{}}"#);
        let answer = client.ask(&hello).await;
        assert!(answer.contains("protocolVersion"), "{answer}");
        client.write(INITIALIZED).await;
        client
    }

    async fn write(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        let line = Line::Text(Bytes::copy_from_slice(line.as_bytes()));
        input.send(line).await.unwrap();
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.output.recv()).await;
        text(line.expect("nothing comes").expect("it ended"))
    }

    async fn ask(&mut self, line: &str) -> String {
        self.write(line).await;
        self.line().await
    }

    /// The client has no more to say; what the program still says, and how it ends.
    async fn leave(mut self) -> (Vec<String>, Result<(), CommandError>) {
        drop(self.input.take());
        let mut rest = Vec::new();
        while let Some(line) = self.output.recv().await {
            rest.push(text(line));
        }
        (rest, self.ended.await.unwrap())
    }
}

fn text(line: Bytes) -> String {
    String::from_utf8(line.into()).unwrap()
}

fn modern(id: &str, method: &str, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    request(
        id,
        method,
        &format!(
            r#"{{{members}{comma}"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}"#
        ),
    )
}

#[tokio::test]
async fn a_session_is_opened_used_heard_and_ended() {
    let upstream = FakeUpstream::legacy().await;
    let listens = upstream.live("GET");
    let gateway = gateway(&[("a", &upstream)], &["allow_sampling: true"]).await;
    let alice = gateway.key("alice", &["a"]).await;
    let mut client = Client::ready(&gateway, &alice, Some("a")).await;
    listens.opened(1).await;
    let news = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    upstream.tool_names(&["echo"]);
    listens.message(news);
    assert_eq!(client.line().await, news);
    let answer = client.ask(&call(r#""x""#, "echo")).await;
    assert_eq!(raw(&answer, &["id"]).unwrap(), r#""x""#);
    assert!(answer.contains("done"), "{answer}");

    let calls = upstream.live("tools/call");
    client.write(&call("7", "echo")).await;
    calls.opened(1).await;
    calls.message(
        r#"{"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{"messages":[]}}"#,
    );
    let question = client.line().await;
    let id = raw(&question, &["id"]).unwrap();
    client
        .write(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"role":"user"}}}}"#
        ))
        .await;
    upstream.arrived("RESPONSE", 1).await;
    // A line end between tokens is no line end between messages.
    let ours = upstream.last("tools/call").id();
    calls.bytes(&format!(
        "data: {{\"jsonrpc\":\"2.0\",\ndata: \"id\":{ours},\"result\":{{\"content\":[]}}}}\n\n"
    ));
    let answer = client.line().await;
    assert_eq!(raw(&answer, &["result"]).unwrap(), r#"{"content":[]}"#);

    client.write(&call("8", "echo")).await;
    calls.opened(2).await;
    let ours = upstream.last("tools/call").id();
    client
        .write(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":8}}"#)
        .await;
    upstream.arrived("notifications/cancelled", 1).await;
    let told = upstream.last("notifications/cancelled");
    assert_eq!(told.raw(&["params", "requestId"]).unwrap(), ours);
    calls.message(&format!(
        r#"{{"jsonrpc":"2.0","id":{ours},"result":{{"content":[]}}}}"#
    ));
    let (_, ended) = client.leave().await;
    assert!(ended.is_ok(), "{ended:?}");
    let events = gateway.events().await;
    assert!(
        events.iter().any(|event| event["method"] == "DELETE"),
        "{events:#?}"
    );
    gateway.stands().await;
}

#[tokio::test]
async fn a_stateless_client_gets_its_headers_made() {
    let upstream = FakeUpstream::modern().await;
    upstream.tools(&[r#"{"name":"echo","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}"#]);
    let gateway = gateway(&[("a", &upstream)], &[]).await;
    let alice = gateway.key("alice", &["a"]).await;
    for server in [Some("a"), None] {
        let prefix = if server.is_some() { "" } else { "a-" };
        let mut client = Client::of(&gateway, &alice, server);
        // It never listed tools: the gateway says what is missing, and the bridge looks it up.
        let members = format!(r#""name":"{prefix}echo","arguments":{{"region":"früh"}}"#);
        let called = client.ask(&modern("1", "tools/call", &members)).await;
        assert!(called.contains("done"), "{called}");
        assert_eq!(
            upstream
                .last("tools/call")
                .header("mcp-param-region")
                .unwrap(),
            "=?base64?ZnLDvGg=?="
        );
        let discovered = client.ask(&modern("2", "server/discover", "")).await;
        assert!(discovered.contains("supportedVersions"), "{discovered}");
        let unknown = client.ask(&modern("3", "no/such", "")).await;
        assert_eq!(raw(&unknown, &["error", "code"]).unwrap(), "-32601");
        let (rest, ended) = client.leave().await;
        assert!(rest.is_empty() && ended.is_ok(), "{rest:?} {ended:?}");
    }
    gateway.stands().await;
}

#[tokio::test]
async fn a_stateless_client_cancels_by_word_and_listens_until_it_leaves() {
    let upstream = FakeUpstream::modern().await;
    let calls = upstream.live("tools/call");
    let listens = upstream.live("subscriptions/listen");
    let gateway = gateway(&[("a", &upstream)], &[]).await;
    let alice = gateway.key("alice", &["a"]).await;
    let mut client = Client::of(&gateway, &alice, Some("a"));
    client
        .write(&modern("1", "tools/call", r#""name":"echo""#))
        .await;
    calls.opened(1).await;
    client
        .write(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#)
        .await;
    calls.abandoned().await;
    let filter = r#""notifications":{"toolsListChanged":true}"#;
    let listening = modern("2", "subscriptions/listen", filter);
    client.write(&listening).await;
    listens.opened(1).await;
    let (_, ended) = client.leave().await;
    assert!(ended.is_ok(), "{ended:?}");
    listens.abandoned().await;

    // Over HTTP a stream just ends; here its end must be said.
    let mut client = Client::of(&gateway, &alice, Some("a"));
    client.write(&listening).await;
    listens.opened(2).await;
    let keys = serde_json::json!({"keys": [alice.key_id()]});
    let admin = gateway.admin().await;
    assert_eq!(admin.ask(Ask::post("/key/delete", &keys)).await.status, 200);
    let mut said = client.line().await;
    while !said.contains("notifications/cancelled") {
        said = client.line().await;
    }
    assert_eq!(raw(&said, &["params", "requestId"]).unwrap(), "2");
    gateway.stands().await;
}

#[tokio::test]
async fn a_session_that_the_gateway_forgot_is_opened_anew() {
    let upstream = FakeUpstream::legacy().await;
    let listens = upstream.live("GET");
    let clock = Arc::new(ManualClock::at_millis(1_800_000_000_000));
    let yaml = format!("mcp_servers:\n  a:\n    url: \"{}\"\n", upstream.url());
    let gateway = TestGateway::by_clock(&yaml, Arc::clone(&clock) as Arc<dyn Clock>).await;
    let alice = gateway.key("alice", &["a"]).await;
    let mut client = Client::ready(&gateway, &alice, Some("a")).await;
    listens.opened(1).await;
    client.ask(&call("1", "echo")).await;
    // Only the wall clock: what follows the list of ended sessions does not fall behind.
    clock.jump_millis(25 * 60 * 60 * 1000);
    let answer = client.ask(&call("2", "echo")).await;
    assert!(answer.contains("done"), "{answer}");
    let events = gateway.events().await;
    let hellos = events
        .iter()
        .filter(|event| event["method"] == "initialize");
    assert_eq!(hellos.count(), 2);
    assert_eq!(upstream.count("tools/call"), 2);
    let (rest, ended) = client.leave().await;
    assert!(rest.is_empty() && ended.is_ok(), "{rest:?} {ended:?}");
}

#[tokio::test]
async fn nothing_is_run_twice() {
    let upstream = FakeUpstream::legacy().await;
    let gateway = gateway(&[("a", &upstream)], &[]).await;
    let alice = gateway.key("alice", &["a"]).await;
    let mut client = Client::ready(&gateway, &alice, Some("a")).await;
    client.ask(&request("1", "ping", "{}")).await;
    let calls = upstream.count("tools/call");
    upstream.once("tools/call", |_| Reply::Close);
    let broken = client.ask(&call("2", "echo")).await;
    assert!(raw(&broken, &["error"]).is_some(), "{broken}");
    assert_eq!(
        upstream.count("tools/call"),
        calls + 1,
        "it is not sent again"
    );
    upstream.once("tools/call", |_| {
        Reply::events(vec![portcullis_testkit::upstream::Step::Bytes(
            event_with_id("9", ""),
        )])
    });
    client.write(&call("3", "echo")).await;
    upstream.arrived("tools/call", calls + 2).await;
    let (rest, ended) = client.leave().await;
    assert!(
        rest.iter()
            .any(|line| raw(line, &["id"]).as_deref() == Some("3")),
        "{rest:?}"
    );
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!(upstream.count("tools/call"), calls + 2);
    gateway.stands().await;
}

#[tokio::test]
async fn what_is_asked_before_the_end_is_answered_and_sigterm_ends_it_at_once() {
    let upstream = FakeUpstream::legacy().await;
    let gateway = gateway(&[("a", &upstream)], &[]).await;
    let alice = gateway.key("alice", &["a"]).await;
    let mut client = Client::of(&gateway, &alice, None);
    for line in [
        "{",
        "[1]",
        &request("1", "tools/list", "{}"),
        &request("2", "ping", "{}"),
    ] {
        client.write(line).await;
    }
    let (said, ended) = client.leave().await;
    assert!(ended.is_ok(), "{ended:?}");
    let mut codes: Vec<Option<String>> = said
        .iter()
        .map(|line| raw(line, &["error", "code"]))
        .collect();
    codes.sort();
    assert_eq!(
        codes,
        [
            None,
            None,
            Some("-32600".to_owned()),
            Some("-32700".to_owned())
        ],
        "{said:?}"
    );
    let calls = upstream.live("tools/call");
    let mut client = Client::ready(&gateway, &alice, Some("a")).await;
    client.write(&call("1", "echo")).await;
    calls.opened(1).await;
    client.stop.cancel();
    let ended = client.ended.await.unwrap();
    assert!(ended.is_ok(), "{ended:?}");
    calls.abandoned().await;
    gateway.stands().await;
}

#[tokio::test]
async fn who_is_not_let_in_hears_it_twice() {
    let upstream = FakeUpstream::legacy().await;
    let gateway = gateway(&[("a", &upstream)], &[]).await;
    let address = format!("http://{}", gateway.address());
    for (credential, expected) in [
        (None, "no key was given"),
        (
            Some("sk-pc-wrong"),
            "the gateway refused with 401: unauthorized",
        ),
    ] {
        let mut client = Client::at(&address, None, credential);
        let answer = client.ask(&initialize("2025-11-25", "{}")).await;
        let told: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(told["id"], 0);
        assert!(
            told["error"]["message"]
                .as_str()
                .unwrap()
                .starts_with(expected),
            "{answer}"
        );
        let (_, ended) = client.leave().await;
        let error = ended.unwrap_err().told();
        assert!(error.contains(expected), "{error}");
    }
    let mut client = Client::at("http://127.0.0.1:1", None, Some("sk-pc-x"));
    let answer = client.ask(&initialize("2025-11-25", "{}")).await;
    assert!(
        answer.contains("cannot reach the gateway at http://127.0.0.1:1/mcp"),
        "{answer}"
    );
    let (_, ended) = client.leave().await;
    assert!(
        matches!(ended, Err(CommandError::Unreachable { .. })),
        "{ended:?}"
    );
    gateway.no_secret_was_told().await;
}

#[tokio::test]
async fn the_program_takes_its_key_from_where_it_is_told() {
    let upstream = FakeUpstream::legacy().await;
    let gateway = gateway(&[("a", &upstream)], &[]).await;
    let alice = gateway.key("alice", &["a"]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, format!("{}\n", alice.credential())).unwrap();
    let url = format!("http://{}", gateway.address());
    let file = file.to_str().unwrap().to_owned();
    let run = async |args: Vec<String>| {
        let (url, key) = (url.clone(), alice.credential().to_owned());
        let running = tokio::task::spawn_blocking(move || {
            let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
                .args(["stdio", "--url", &url])
                .args(args)
                .env_clear()
                .env("THE_KEY", key)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut input = child.stdin.take().unwrap();
            let line = format!("{}\n", request("1", "tools/list", "{}"));
            // Who misspells an option reads nothing.
            let _ = input.write_all(line.as_bytes());
            drop(input);
            let output = child.wait_with_output().unwrap();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (
                output.status.code(),
                text(&output.stdout),
                text(&output.stderr),
            )
        });
        running.await.unwrap()
    };
    let args = |args: &[&str]| args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>();
    for good in [
        args(&["--key-env", "THE_KEY"]),
        args(&["--key-file", &file]),
    ] {
        let (code, out, err) = run(good).await;
        assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
        assert!(out.contains("a-echo") && out.lines().count() == 1, "{out}");
    }
    let named = args(&["--key-env", "THE_KEY", "--server", "a"]);
    assert!(run(named).await.1.contains(r#""name":"echo""#));
    for (bad, code) in [
        (args(&["--key-env", "NOT_THERE"]), 2),
        (args(&["--key-file", "/not/there"]), 2),
        (args(&["--key-env", "THE_KEY", "--key-file", &file]), 2),
        (args(&[]), 4),
    ] {
        let (ended, out, err) = run(bad).await;
        assert_eq!(ended, Some(code), "{out} {err}");
        assert!(
            !err.is_empty() && !err.contains(alice.credential()),
            "{err}"
        );
    }
    gateway.stands().await;
}
