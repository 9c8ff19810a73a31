use portcullis_core::ServerId;
use portcullis_egress::Destination;
use portcullis_mcp::PushPolicy;

use super::*;
use crate::server::{Endpoint, ProtocolChoice};

const IDLE: Duration = Duration::from_mins(1);

/// A channel, and what it says of its own.
fn channel(sharing: Sharing) -> (Arc<Channel>, mpsc::Receiver<Bytes>) {
    let server = UpstreamServer {
        id: ServerId::from("a"),
        endpoint: Endpoint::Sse(http::Uri::from_static("https://a.example/sse")),
        destination: Destination::Operator {
            allow_insecure_http: false,
        },
        timeout: IDLE,
        stream_idle: IDLE,
        stream_total: Duration::from_mins(1),
        protocol: ProtocolChoice::Auto,
        push: PushPolicy::default(),
    };
    let (back, said) = mpsc::channel(16);
    (Channel::new(Arc::new(server), sharing, Some(back)), said)
}

fn send(channel: &Arc<Channel>, owner: Option<Owner>, text: &str) -> (String, Line) {
    let body = Bytes::from(text.to_owned());
    let admitted = channel.admit(owner, owner, &body).unwrap();
    let text = String::from_utf8(admitted.text.unwrap().to_vec()).unwrap();
    (text, admitted.line.unwrap())
}

fn call(channel: &Arc<Channel>) -> (i64, Line) {
    let (text, line) = send(
        channel,
        None,
        r#"{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"a","_meta":{"progressToken":"t"}}}"#,
    );
    (id_in(&text), line)
}

fn id_in(text: &str) -> i64 {
    let message: serde_json::Value = serde_json::from_str(text).unwrap();
    message["id"].as_i64().unwrap()
}

async fn heard(line: &mut Line) -> String {
    let message = line.next().await.unwrap().unwrap();
    String::from_utf8(message.to_vec()).unwrap()
}

#[tokio::test]
async fn two_requests_at_once_get_what_is_theirs_and_their_own_ids_back() {
    let (channel, _) = channel(Sharing::Own);
    let ((first, mut one), (second, mut other)) = (call(&channel), call(&channel));
    channel.arrived(&format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{second},"progress":1}}}}"#
    ));
    channel.arrived(&format!(
        r#"{{"jsonrpc":"2.0","id":{second},"result":{{"n":1e400}}}}"#
    ));
    channel.arrived(&format!(
        r#"{{"jsonrpc":"2.0","id":{first},"result":{{}}}}"#
    ));
    assert_eq!(
        heard(&mut one).await,
        r#"{"jsonrpc":"2.0","id":"x","result":{}}"#
    );
    assert!(heard(&mut other).await.contains(r#""progressToken":"t""#));
    assert_eq!(
        heard(&mut other).await,
        r#"{"jsonrpc":"2.0","id":"x","result":{"n":1e400}}"#
    );
    assert_eq!(other.next().await, Ok(None));
    assert_eq!(channel.under_way(), 0);
}

#[tokio::test]
async fn what_a_lone_request_provokes_is_its_own_and_the_rest_is_for_those_who_listen() {
    let (channel, mut said) = channel(Sharing::Own);
    let question = r#"{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage","params":{}}"#;
    let news = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    channel.arrived(question);
    assert!(
        std::str::from_utf8(&said.recv().await.unwrap())
            .unwrap()
            .contains("no client to ask")
    );
    let mut listening = channel.listen().unwrap();
    let (_, mut one) = call(&channel);
    channel.arrived(question);
    assert_eq!(heard(&mut one).await, question);
    channel.arrived(news);
    assert_eq!(listening.next_text().await.unwrap().unwrap(), news);
    let (_, _other) = call(&channel);
    channel.arrived(question);
    assert_eq!(listening.next_text().await.unwrap().unwrap(), question);
}

#[tokio::test]
async fn a_question_reaches_the_one_call_that_it_can_be_about_and_is_refused_where_there_are_two() {
    let (channel, mut said) = channel(Sharing::Own);
    let question = r#"{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage","params":{}}"#;
    let list = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;
    let tool = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#;
    let (_, mut alices) = send(&channel, Some([1; 32]), tool);
    let (_, mut listing) = send(&channel, Some([2; 32]), list);
    let mut listening = channel.listen().unwrap();
    // Lists are answered without a question, and the stream of news is about no call.
    channel.arrived(question);
    assert_eq!(heard(&mut alices).await, question);
    // Two calls of one client: whichever of them it is about, the same client is asked.
    let (_, mut again) = send(&channel, Some([1; 32]), tool);
    channel.arrived(question);
    assert_eq!(heard(&mut again).await, question);
    drop(listening);
    // Two clients.
    let (_, mut bobs) = send(&channel, Some([2; 32]), tool);
    channel.arrived(question);
    let refused = said.recv().await.unwrap();
    let refused = std::str::from_utf8(&refused).unwrap();
    assert!(
        refused.contains("-32601") && refused.contains("several calls are under way"),
        "{refused}"
    );
    // Unless somebody listens who tells them apart, or refuses.
    listening = channel.listen().unwrap();
    channel.arrived(question);
    assert_eq!(listening.next_text().await.unwrap().unwrap(), question);
    channel.end(UpstreamErrorKind::Broken);
    for line in [&mut alices, &mut again, &mut bobs, &mut listing] {
        assert_eq!(line.next().await, Err(UpstreamErrorKind::Broken));
    }
}

#[tokio::test]
async fn a_shared_channel_gives_nobody_what_may_be_anothers() {
    let (channel, mut said) = channel(Sharing::Shared);
    let mut listening = channel.listen().unwrap();
    let (ours, mut one) = call(&channel);
    channel.arrived(r#"{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{}}"#);
    channel.arrived(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"s"}}"#);
    channel.arrived(
        r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:b"}}"#,
    );
    let news = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    channel.arrived(news);
    channel.arrived(&format!(r#"{{"jsonrpc":"2.0","id":{ours},"result":{{}}}}"#));
    assert!(
        std::str::from_utf8(&said.recv().await.unwrap())
            .unwrap()
            .contains("no client to ask")
    );
    assert_eq!(listening.next_text().await.unwrap().unwrap(), news);
    assert!(heard(&mut one).await.contains("result"));
    assert_eq!(one.next().await, Ok(None));
}

#[tokio::test]
async fn a_party_of_a_shared_channel_cancels_its_own_request_and_no_other() {
    let (channel, _) = channel(Sharing::Shared);
    let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#;
    let (alices, _one) = send(&channel, Some([1; 32]), text);
    let (_, _other) = send(&channel, Some([2; 32]), text);
    let cancel = |owner| {
        let note =
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
        channel
            .admit(owner, owner, &Bytes::from(note))
            .unwrap()
            .text
    };
    let sent = cancel(Some([1; 32])).unwrap();
    let expected = format!(r#""requestId":{}"#, id_in(&alices));
    assert!(std::str::from_utf8(&sent).unwrap().contains(&expected));
    assert_eq!(cancel(Some([3; 32])), None);
    assert_eq!(channel.under_way(), 1);
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_is_cancelled_at_the_server() {
    let (channel, mut said) = channel(Sharing::Own);
    let (ours, line) = call(&channel);
    drop(line);
    let note = said.recv().await.unwrap();
    let expected = format!(r#""requestId":{ours},"#);
    let note = std::str::from_utf8(&note).unwrap();
    assert!(
        note.contains("notifications/cancelled") && note.contains(&expected),
        "{note}"
    );
    assert_eq!(channel.under_way(), 0);
}

#[tokio::test]
async fn a_subscription_is_known_by_the_callers_own_id() {
    let (channel, _) = channel(Sharing::Own);
    let listen = r#"{"jsonrpc":"2.0","id":"mine","method":"subscriptions/listen","params":{}}"#;
    let (text, mut one) = send(&channel, None, listen);
    let (ours, (_, mut other)) = (id_in(&text), send(&channel, None, listen));
    channel.arrived(&format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{{"_meta":{{"{SUBSCRIPTION}":{ours}}}}}}}"#
    ));
    channel.arrived(&format!(
        r#"{{"jsonrpc":"2.0","id":{ours},"result":{{"resultType":"complete","_meta":{{"{SUBSCRIPTION}":{ours}}}}}}}"#
    ));
    for _ in 0..2 {
        let text = heard(&mut one).await;
        assert!(
            text.contains(&format!(r#""{SUBSCRIPTION}":"mine""#)),
            "{text}"
        );
    }
    channel.end(UpstreamErrorKind::Broken);
    assert_eq!(other.next().await, Err(UpstreamErrorKind::Broken));
}

#[tokio::test]
async fn a_channel_that_broke_fails_what_waits_and_takes_nothing_more() {
    let (channel, _) = channel(Sharing::Own);
    let (_, mut line) = call(&channel);
    let mut listening = channel.listen().unwrap();
    channel.end(UpstreamErrorKind::Broken);
    assert_eq!(line.next().await, Err(UpstreamErrorKind::Broken));
    assert!(matches!(listening.next().await, Ok(None)));
    let again = Bytes::from_static(br#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#);
    assert_eq!(
        channel.admit(None, None, &again).unwrap_err(),
        UpstreamErrorKind::SessionLost
    );
    assert!(channel.listen().is_none());
}

#[tokio::test]
async fn what_is_withheld_is_said_to_whoever_waits_and_to_nobody_else() {
    let (channel, mut said) = channel(Sharing::Own);
    let ((asked, mut one), (_, mut other)) = (call(&channel), call(&channel));
    channel.withheld(&format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{asked},"message":"it"}}}}"#
    ));
    channel.withheld(
        r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"it"}}"#,
    );
    let answer = String::from_utf8(said.recv().await.unwrap().to_vec()).unwrap();
    assert!(
        answer.contains(r#""id":"q""#) && answer.contains("error"),
        "{answer}"
    );
    channel.withheld(&format!(
        r#"{{"jsonrpc":"2.0","id":{asked},"result":{{"text":"it"}}}}"#
    ));
    assert_eq!(one.next().await, Err(UpstreamErrorKind::Revealing));
    assert_eq!(channel.under_way(), 1);
    channel.end(UpstreamErrorKind::Broken);
    assert_eq!(other.next().await, Err(UpstreamErrorKind::Broken));
}
