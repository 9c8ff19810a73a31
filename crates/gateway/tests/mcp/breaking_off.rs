//! The connection to a server breaks while it answers.

use portcullis_testkit::upstream::{FakeUpstream, Recorded, Reply, Step, event};

use super::support::{Answer, House, server};

/// An answer whose beginning says something else than the whole.
fn answer(request: &Recorded) -> String {
    let id = request.id();
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","content":[{{"type":"text","text":"PAID 100000"}}]}}}}"#
    )
}

/// Where it breaks off: nowhere in it, at its edges, in the middle.
const PLACES: &[fn(usize) -> usize] = &[
    |_| 0,
    |_| 1,
    |_| 20,
    |whole| whole / 2,
    |whole| whole - 5,
    |whole| whole - 1,
];

fn is_no_answer(what: &str, answer: &Answer) {
    let json = answer.json();
    assert!(json["result"].is_null(), "{what}: {answer:?}");
    assert!(!json["error"].is_null(), "{what}: {answer:?}");
    assert!(!answer.text.contains("PAID"), "{what}: {answer:?}");
}

/// R-03: never a shorter answer, and never a second call.
#[tokio::test]
async fn an_answer_that_breaks_off_anywhere_is_none_and_the_tool_ran_once() {
    for modern in [false, true] {
        let upstream = if modern {
            FakeUpstream::modern().await
        } else {
            FakeUpstream::legacy().await
        };
        let house = House::of(&[server("a", &upstream, &[])]).await;
        let mut alice = house.caller("alice").await.at("/mcp/a");
        let stateless = alice.clone();
        alice.initialize("{}").await;
        assert!(alice.call("echo", "{}").await.json()["result"].is_object());
        for streamed in [false, true] {
            for (number, place) in PLACES.iter().enumerate() {
                let what = format!("modern {modern}, streamed {streamed}, place {number}");
                let breaks = move |request: &Recorded| {
                    let whole = answer(request);
                    let (whole, content_type) = if streamed {
                        (event(&whole), "text/event-stream")
                    } else {
                        (whole, "application/json")
                    };
                    let begun = whole[..place(whole.len())].to_owned();
                    Reply::Steps {
                        content_type,
                        steps: vec![Step::Bytes(begun), Step::Reset],
                    }
                };
                let before = upstream.count("tools/call");
                upstream.once("tools/call", breaks);
                is_no_answer(&what, &alice.call("echo", "{}").await);
                upstream.once("tools/call", breaks);
                is_no_answer(&what, &stateless.modern_call("echo", "{}").await);
                upstream.once("tools/call", breaks);
                let rest = stateless.at("/mcp-rest/tools/call");
                let body = r#"{"server_id":"a","name":"echo","arguments":{}}"#;
                let by_rest = rest.post(body).await;
                assert!(by_rest.status >= 500, "{what}: {by_rest:?}");
                assert!(!by_rest.text.contains("PAID"), "{what}: {by_rest:?}");
                assert_eq!(upstream.count("tools/call"), before + 3, "{what}");
            }
        }
        assert!(alice.call("echo", "{}").await.json()["result"].is_object());
        house.end().await;
    }
}
