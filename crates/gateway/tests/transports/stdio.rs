//! Programs that the gateway starts.

use std::path::Path;
use std::time::Duration;

use portcullis_testkit::PATIENCE;
use portcullis_testkit::gateway::{Ask, TestGateway};
use serde_json::{Value, json};

use super::support::{gateway, gateway_with, in_session, rest, stdio, text, told};

/// Waits until a process is gone; nobody tells when.
async fn gone(pid: &str) {
    let place = Path::new("/proc").join(pid);
    let left = async {
        while place.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let left = tokio::time::timeout(PATIENCE, left).await;
    assert!(left.is_ok(), "process {pid} is still there");
}

async fn ends(gateway: &TestGateway) {
    gateway.embedded().gateway().close_sessions(PATIENCE).await;
}

#[tokio::test]
async fn a_program_of_either_era_is_called() {
    for args in [
        &["legacy"][..],
        &["legacy", "oldest"],
        &["legacy", "dies-of-questions"],
        &["modern"],
    ] {
        let gateway = gateway(&[stdio("p", args, &[])]).await;
        let alice = gateway.key("alice", &["p"]).await;
        let reply = rest(&alice, "p", "echo", json!({"n": 1})).await;
        assert_eq!(reply.status, 200, "{args:?} {reply:?}");
        assert_eq!(text(&reply), r#"{"n": 1}"#, "{args:?}");
        gateway.stands().await;
    }
}

#[tokio::test]
async fn a_client_with_a_session_hears_progress_and_its_answer() {
    let gateway = gateway(&[stdio("p", &["legacy"], &[])]).await;
    let alice = gateway.key("alice", &["p"]).await;
    let session = alice.session("/mcp/p").await;
    let call = json!({"name": "progress", "arguments": {}, "_meta": {"progressToken": "mine"}});
    let reply = alice
        .ask(in_session("/mcp/p", &session, "tools/call", &call))
        .await;
    let said = reply.text();
    assert_eq!(said.matches("notifications/progress").count(), 2, "{said}");
    assert_eq!(said.matches(r#""mine""#).count(), 2, "{said}");
    assert!(said.contains("done"), "{said}");
    gateway.stands().await;
}

#[tokio::test]
async fn what_a_program_asks_reaches_the_client_whose_call_it_was() {
    let gateway = gateway(&[stdio("p", &["legacy"], &["allow_elicitation: true"])]).await;
    let alice = gateway.key("alice", &["p"]).await;
    let hello = json!({
        "protocolVersion": "2025-06-18", "capabilities": {"elicitation": {}},
        "clientInfo": {"name": "t", "version": "1"},
    });
    let opened = alice.ask(Ask::rpc("/mcp/p", "initialize", &hello)).await;
    let session = opened.header("mcp-session-id").unwrap().to_owned();
    let call = json!({"name": "ask", "arguments": {}});
    let ask = alice.sign(in_session("/mcp/p", &session, "tools/call", &call));
    let mut stream = portcullis_testkit::gateway::Connection::begin(gateway.address(), &ask).await;
    assert!(stream.until("elicitation/create").await);
    let heard = String::from_utf8_lossy(stream.heard()).into_owned();
    let (_, id) = heard.split_once("\"portcullis-").unwrap();
    let id = format!("portcullis-{}", id.split('"').next().unwrap());
    let answer = json!({"jsonrpc": "2.0", "id": id, "result": {"action": "decline"}});
    let told = Ask::post("/mcp/p", &answer)
        .header("accept", "application/json, text/event-stream")
        .header("mcp-session-id", &session);
    assert_eq!(alice.ask(told).await.status, 202);
    assert!(stream.until("decline").await);
}

#[tokio::test]
async fn each_caller_has_a_process_of_their_own_unless_they_are_to_share_one() {
    for era in ["legacy", "modern"] {
        let gateway = gateway(&[
            stdio("own", &[era], &[]),
            stdio("shared", &[era], &["stdio_processes: shared"]),
        ])
        .await;
        let alice = gateway.key("alice", &["own", "shared"]).await;
        let bob = gateway.key("bob", &["own", "shared"]).await;
        let pid = async |caller, server| told(caller, server, "pid").await;
        let (alices, bobs) = (pid(&alice, "own").await, pid(&bob, "own").await);
        assert_ne!(alices, bobs);
        assert_eq!(pid(&alice, "own").await, alices);
        assert_eq!(pid(&alice, "shared").await, pid(&bob, "shared").await);
        gateway.stands().await;
    }
}

#[tokio::test]
async fn a_process_gets_what_is_written_and_nothing_of_our_own() {
    let gateway = gateway(&[stdio(
        "p",
        &["legacy"],
        &["env: {GREETING: 'hello $USER; `id`', HOME: /nowhere}"],
    )])
    .await;
    let alice = gateway.key("alice", &["p"]).await;
    let env: Value = serde_json::from_str(&told(&alice, "p", "env").await).unwrap();
    assert_eq!(env["GREETING"], "hello $USER; `id`");
    assert_eq!(env["HOME"], "/nowhere");
    let safe = [
        "GREETING", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TERM",
        "TMPDIR", "TZ", "USER",
    ];
    // `python3` may be a script of one that chooses among several, and every shell makes some itself.
    let of_shells = ["PWD", "OLDPWD", "SHLVL", "_"];
    let of_choosers = |name: &str| name.starts_with("PYENV");
    let ours: Vec<(String, String)> = std::env::vars()
        .filter(|(name, _)| !safe.contains(&name.as_str()) && !of_shells.contains(&name.as_str()))
        .filter(|(name, _)| !of_choosers(name))
        .collect();
    assert!(
        ours.iter().any(|(name, _)| name.starts_with("CARGO")),
        "nothing to keep back"
    );
    for (name, value) in ours {
        assert_ne!(env.get(&name), Some(&Value::from(value)), "{name}");
    }
}

#[tokio::test]
async fn a_callers_header_reaches_the_callers_own_process_and_no_other() {
    let gateway = gateway(&[stdio(
        "p",
        &["legacy"],
        &["env: {SECRET: '${X-Their-Token}'}"],
    )])
    .await;
    gateway.keep_secret("alice's token", "alices-own-token");
    let alice = gateway.key("alice", &["p"]).await;
    let body = |tool: &str| json!({"server_id": "p", "name": tool, "arguments": {}});
    let ask = |tool: &str| {
        Ask::post("/mcp-rest/tools/call", &body(tool)).header("x-their-token", "alices-own-token")
    };
    let logged = alice.ask(ask("log")).await;
    assert_eq!(text(&logged), "logged");
    gateway.no_secret_was_told().await;
    let without: Value = serde_json::from_str(&told(&alice, "p", "env").await).unwrap();
    assert_eq!(without.get("SECRET"), None);
}

#[tokio::test]
async fn a_process_that_crashes_fails_its_call_and_is_started_again() {
    for era in ["legacy", "modern"] {
        let gateway = gateway(&[stdio("p", &[era], &[])]).await;
        let (alice, bob) = (
            gateway.key("alice", &["p"]).await,
            gateway.key("bob", &["p"]).await,
        );
        let (alices, bobs) = (told(&alice, "p", "pid").await, told(&bob, "p", "pid").await);
        let crashed = rest(&alice, "p", "crash", json!({})).await;
        assert_eq!(crashed.status, 502, "{crashed:?}");
        assert_eq!(told(&bob, "p", "pid").await, bobs);
        assert_ne!(told(&alice, "p", "pid").await, alices);
        gone(&alices).await;
        gateway.stands().await;
    }
}

#[tokio::test]
async fn a_program_that_keeps_ending_is_left_alone_and_the_others_go_on() {
    let gateway = gateway(&[
        stdio(
            "broken",
            &["dies-at-once"],
            &["protocol_version: 2025-06-18"],
        ),
        stdio("p", &["legacy"], &[]),
    ])
    .await;
    let alice = gateway.key("alice", &["broken", "p"]).await;
    let mut refused = Vec::new();
    for _ in 0..4 {
        refused.push(rest(&alice, "broken", "echo", json!({})).await.status);
    }
    assert!(refused.iter().all(|status| *status >= 500), "{refused:?}");
    told(&alice, "p", "pid").await;
}

#[tokio::test]
async fn a_line_without_end_ends_its_process_and_nothing_else() {
    let gateway = gateway(&[stdio("p", &["legacy"], &[])]).await;
    let alice = gateway.key("alice", &["p"]).await;
    let flooded = rest(&alice, "p", "flood", json!({})).await;
    assert_eq!(flooded.status, 502, "{flooded:?}");
    told(&alice, "p", "pid").await;
    gateway.stands().await;
}

#[tokio::test]
async fn processes_end_with_the_gateway_even_deaf_ones_and_what_they_started() {
    for args in [&["legacy"][..], &["legacy", "deaf"], &["modern"]] {
        let gateway = gateway(&[stdio("p", args, &[])]).await;
        let alice = gateway.key("alice", &["p"]).await;
        let pid = told(&alice, "p", "pid").await;
        let child = told(&alice, "p", "child").await;
        assert!(Path::new("/proc").join(&pid).exists());
        ends(&gateway).await;
        gone(&pid).await;
        gone(&child).await;
    }
}

#[tokio::test]
async fn there_are_no_more_processes_than_the_operator_allows() {
    let gateway = gateway_with(
        "  max_stdio_processes: 2\n",
        &[stdio("p", &["legacy"], &["protocol_version: 2025-06-18"])],
    )
    .await;
    let mut statuses = Vec::new();
    for name in ["alice", "bob", "carol"] {
        let caller = gateway.key(name, &["p"]).await;
        statuses.push(rest(&caller, "p", "pid", json!({})).await.status);
    }
    assert_eq!(statuses.last(), Some(&503), "{statuses:?}");
    assert_eq!(statuses.first(), Some(&200), "{statuses:?}");
}

#[tokio::test]
async fn a_caller_who_leaves_has_the_program_told() {
    for era in ["legacy", "modern"] {
        let folder = tempfile::tempdir().unwrap();
        let trace = folder.path().join("trace");
        let env = format!("env: {{trace: '{}'}}", trace.display());
        let gateway = gateway(&[stdio("p", &[era], &[&env])]).await;
        let alice = gateway.key("alice", &["p"]).await;
        told(&alice, "p", "pid").await;
        let body = json!({"server_id": "p", "name": "slow", "arguments": {}});
        let ask = alice.sign(Ask::post("/mcp-rest/tools/call", &body));
        let mut leaving =
            portcullis_testkit::gateway::Connection::begin(gateway.address(), &ask).await;
        // Until the call is under way, there is nothing to cancel.
        assert!(
            tokio::time::timeout(Duration::from_millis(500), leaving.until("never"))
                .await
                .is_err()
        );
        drop(leaving);
        let told = async {
            while !trace.exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, told).await.is_ok(), "{era}");
    }
}

/// As over HTTP, whatever a server was given as a secret does not come back to a caller.
#[tokio::test]
async fn an_answer_that_repeats_a_secret_of_the_environment_is_withheld() {
    for era in ["legacy", "modern"] {
        let gateway = gateway(&[stdio(
            "p",
            &[era],
            &["env: {API_TOKEN: canary-program-token-4711, GREETING: hello-everybody}"],
        )])
        .await;
        gateway.keep_secret("the program's token", "canary-program-token-4711");
        let alice = gateway.key("alice", &["p"]).await;
        let pid = told(&alice, "p", "pid").await;
        let reply = rest(&alice, "p", "env", json!({})).await;
        assert_eq!(reply.status, 502, "{era}: {reply:?}");
        // Neither the process nor what others ask of it suffers.
        assert_eq!(told(&alice, "p", "pid").await, pid);
        let greeting = rest(&alice, "p", "echo", json!({"words": "hello-everybody"})).await;
        assert!(text(&greeting).contains("hello-everybody"));
        gateway.stands().await;
        gateway.no_secret_was_told().await;
    }
}

#[tokio::test]
async fn an_answer_that_repeats_a_callers_own_header_is_withheld() {
    let gateway = gateway(&[stdio(
        "p",
        &["legacy"],
        &["env: {SECRET: '${X-Their-Token}'}"],
    )])
    .await;
    gateway.keep_secret("alice's token", "alices-own-token");
    let alice = gateway.key("alice", &["p"]).await;
    let body = json!({"server_id": "p", "name": "env", "arguments": {}});
    let ask = Ask::post("/mcp-rest/tools/call", &body).header("x-their-token", "alices-own-token");
    let reply = alice.ask(ask).await;
    assert_eq!(reply.status, 502, "{reply:?}");
    gateway.no_secret_was_told().await;
}
