//! Clients that are slow, leave, or come all at once.

use std::time::Duration;

use futures_util::StreamExt;
use portcullis_server::listen::ListenSettings;
use portcullis_testkit::eventually;
use portcullis_testkit::gateway::{Actor, Ask, Connection, MockServer, TestGateway};
use serde_json::json;

use super::support::calls;

#[tokio::test]
async fn a_client_that_sends_its_head_in_drops_is_cut_off_and_others_are_served() {
    // NET-04, bounded
    let settings = ListenSettings {
        header_timeout: Duration::from_millis(300),
        ..ListenSettings::default()
    };
    let gateway = TestGateway::with_support_listening(settings).await;
    let caller = gateway.working_key().await;
    let mut slow = Vec::new();
    for start in [
        "",
        "G",
        "POST /mcp HTTP/1.1\r\n",
        "GET /mcp HTTP/1.1\r\nhost: localhost\r\nx-a: ",
    ] {
        for _ in 0..25 {
            let mut connection = Connection::open(gateway.address()).await;
            connection.write(start.as_bytes()).await;
            slow.push(connection);
        }
    }
    assert_eq!(caller.echo("meanwhile").await.status, 200);
    for mut connection in slow {
        // It ends: this would hang otherwise.
        let said = connection.rest().await;
        assert!(
            said.is_empty() || said.starts_with(b"HTTP/1.1 408"),
            "{said:?}"
        );
    }
    gateway.stands().await;
}

#[tokio::test]
async fn a_body_that_comes_in_drops_is_given_up() {
    // NET-04, bounded
    let mock = MockServer::start().await;
    let yaml = format!(
        "server:\n  body_timeout: 1\nmcp_servers:\n{}",
        mock.entry("support")
    );
    let gateway = TestGateway::start(&yaml).await;
    let caller = gateway.working_key().await;
    let admin = gateway.admin().await;
    for (sender, ask) in [
        (&caller, Actor::echo_ask("slow")),
        (&caller, Ask::rpc("/mcp/support", "tools/list", &json!({}))),
        // Who is no administrator is refused before the body.
        (&admin, Ask::post("/key/generate", &json!({}))),
    ] {
        let bytes = sender.sign(ask).bytes();
        let mut connection = Connection::open(gateway.address()).await;
        connection.write(&bytes[..bytes.len() - 1]).await;
        let reply = connection.reply().await;
        assert!(matches!(reply.status, 400 | 408), "{reply:?}");
        let event = gateway.event_of(&reply).await;
        assert_eq!(event["outcome"], "invalid", "{event}");
    }
    assert_eq!(caller.echo("next").await.status, 200);
    gateway.stands().await;
}

#[tokio::test]
async fn when_the_house_is_full_newcomers_wait_and_are_served_when_somebody_leaves() {
    // NET-17: the cap on connections
    let settings = ListenSettings {
        max_connections: 3,
        ..ListenSettings::default()
    };
    let gateway = TestGateway::with_support_listening(settings).await;
    let caller = gateway.working_key().await;
    let mut inside = Vec::new();
    for _ in 0..3 {
        let session = caller.session("/mcp").await;
        // An open stream is no idle connection.
        let stream = caller.listen("/mcp", &session).await;
        inside.push(stream);
    }
    let outside = caller.echo("outside");
    tokio::pin!(outside);
    let waited = tokio::time::timeout(Duration::from_millis(250), &mut outside).await;
    assert!(waited.is_err(), "came in though the house was full");
    drop(inside.pop());
    assert_eq!(outside.await.status, 200);
    drop(inside);
    gateway.stands().await;
}

#[tokio::test]
async fn a_client_that_walks_away_is_on_record_as_gone() {
    // NET-07
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let ask = caller.sign(Actor::echo_ask("never read"));
    for _ in 0..20 {
        let mut connection = Connection::open(gateway.address()).await;
        let bytes = ask.bytes();
        // The head and half of the body: the handler runs and waits for the rest.
        connection.write(&bytes[..bytes.len() - 10]).await;
        drop(connection);
    }
    // Each is on record once, whenever its connection's end is noticed.
    let all_gone = async || {
        let events = gateway.events().await;
        let gone = events
            .iter()
            .filter(|event| event["outcome"] == "abandoned" || event["outcome"] == "invalid");
        gone.count() == 20
    };
    eventually("each is on record", all_gone).await;
    gateway.stands().await;
}

#[tokio::test]
async fn of_a_mixed_crowd_each_request_is_on_record_once_and_each_call_was_allowed_before() {
    // LOG-07
    let gateway = TestGateway::with_support().await;
    let caller = gateway.working_key().await;
    let blind = gateway.key("blind", &[]).await;
    let before = calls(&gateway).await;
    let wrong = json!({"server_id": "support", "name": "get_customer_info", "arguments": {"customer_id": "NOBODY"}});
    let crowd = (0..600).map(|number| {
        let (gateway, caller, blind, wrong) = (&gateway, &caller, &blind, &wrong);
        async move {
            match number % 6 {
                0 => caller.echo("one of many").await,
                1 => gateway.anonymous().echo("nobody").await,
                2 => blind.echo("not mine").await,
                3 => caller.ask(Ask::post("/mcp-rest/tools/call", wrong)).await,
                4 => caller.ask(Actor::echo_ask("x").body("{")).await,
                _ => {
                    let params = json!({"name": "echo", "arguments": {"message": "mcp"}});
                    caller.rpc("/mcp/support", "tools/call", params).await
                }
            }
            .status
        }
    });
    let mut statuses: Vec<u16> = futures_util::stream::iter(crowd)
        .buffer_unordered(16)
        .collect()
        .await;
    statuses.sort_unstable();
    let expected = [[200; 300].as_slice(), &[400; 100], &[401; 100], &[404; 100]].concat();
    assert_eq!(statuses, expected);
    let events = gateway.events().await;
    let allowed = events
        .iter()
        .filter(|event| event["decision"] == "allow" && event["method"] == "tools/call")
        .count() as u64;
    let reached = calls(&gateway).await - before;
    assert_eq!((reached, allowed), (300, 300 + 1), "one more: the control");
    for event in &events {
        for field in [
            "at",
            "request_id",
            "surface",
            "outcome",
            "latency_us",
            "client_ip",
        ] {
            assert!(!event[field].is_null(), "{field}: {event}");
        }
    }
    gateway.stands().await;
}
