//! What a client notes without waiting for an answer.

use super::*;

/// A server in the gateway's place.
fn base(server: &FakeUpstream) -> String {
    format!("http://{}", server.address())
}

/// A notification that nobody takes in is waited for by nobody else.
#[tokio::test]
async fn a_slow_notification_holds_up_neither_requests_nor_the_end() {
    let slow = FakeUpstream::legacy().await;
    slow.on("notifications/roots/list_changed", |_| Reply::Hang);
    let mut client = Client::at(&base(&slow), None, None);
    let hello = client.ask(&initialize("2025-11-25", "{}")).await;
    assert!(hello.contains("protocolVersion"), "{hello}");
    client.write(INITIALIZED).await;
    let note = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
    client.write(note).await;
    slow.arrived("notifications/roots/list_changed", 1).await;
    let answer = client.ask(&call("1", "echo")).await;
    assert!(answer.contains("done"), "{answer}");
    let (rest, ended) = tokio::time::timeout(PATIENCE, client.leave())
        .await
        .unwrap();
    assert!(rest.is_empty() && ended.is_ok(), "{rest:?} {ended:?}");

    let mut client = Client::at(&base(&slow), None, None);
    client.ask(&initialize("2025-11-25", "{}")).await;
    client.write(INITIALIZED).await;
    client.write(note).await;
    slow.arrived("notifications/roots/list_changed", 2).await;
    client.stop.cancel();
    let ended = tokio::time::timeout(PATIENCE, client.ended).await.unwrap();
    assert!(ended.unwrap().is_ok());
}

#[tokio::test]
async fn notifications_keep_their_order_and_the_handshake_is_completed_first() {
    let upstream = FakeUpstream::legacy().await;
    let mut client = Client::at(&base(&upstream), None, None);
    client.ask(&initialize("2025-11-25", "{}")).await;
    client.write(INITIALIZED).await;
    for number in 0..20 {
        client
            .write(&format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{number},"progress":1}}}}"#
            ))
            .await;
    }
    client.ask(&call("1", "echo")).await;
    upstream.arrived("notifications/progress", 20).await;
    let order: Vec<String> = upstream
        .seen("notifications/progress")
        .iter()
        .map(|note| note.raw(&["params", "progressToken"]).unwrap())
        .collect();
    let expected: Vec<String> = (0..20).map(|number: u8| number.to_string()).collect();
    assert_eq!(order, expected);
    let kinds: Vec<String> = upstream
        .requests()
        .iter()
        .map(|request| request.kind.clone())
        .collect();
    let at = |kind: &str| kinds.iter().position(|other| other == kind).unwrap();
    assert!(
        at("notifications/initialized") < at("tools/call"),
        "{kinds:?}"
    );
    let (_, ended) = client.leave().await;
    assert!(ended.is_ok(), "{ended:?}");
}
