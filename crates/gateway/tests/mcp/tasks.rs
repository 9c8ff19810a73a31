//! Task handles of 2026-07-28: they belong to whom they were given, on every way by which a server
//! tells of a task.

use portcullis_testkit::upstream::{FakeUpstream, Live, Reply, event};
use serde_json::{Value, json};

use super::support::{Client, House, Opened, server};

const TASKS: &str = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;

/// A server on which every call starts the task that its arguments name.
async fn starts_tasks() -> FakeUpstream {
    let upstream = FakeUpstream::modern().await;
    upstream.on("tools/call", |request| {
        let task = request.raw(&["params", "arguments", "task"]).unwrap();
        Reply::result(
            request,
            &format!(r#"{{"resultType":"task","taskId":{task},"status":"working"}}"#),
        )
    });
    upstream
}

async fn start(who: &Client, tool: &str, task: &str) -> String {
    let members = format!(r#""name":"{tool}","arguments":{{"task":"{task}"}}"#);
    let opened = who.modern_open("tools/call", &members, TASKS).await;
    let handle = &opened.whole().await.json()["result"]["taskId"];
    handle.as_str().unwrap().to_owned()
}

fn watching(handles: &[&str]) -> String {
    format!(r#""notifications":{}"#, json!({"taskIds": handles}))
}

fn acknowledgement(tasks: &[&str]) -> String {
    let notifications = json!({"taskIds": tasks});
    event(&format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":1}},"notifications":{notifications}}}}}"#
    ))
}

fn status(task: &str, more: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/tasks","params":{{"taskId":"{task}","status":"working"{more}}}}}"#
    )
}

/// Opens the subscription while each server in turn acknowledges what it is given here.
async fn listen(who: &Client, handles: &[&str], servers: &[(&Live, usize, &[&str])]) -> Opened {
    let wanted = watching(handles);
    let (opened, ()) = tokio::join!(
        who.modern_open("subscriptions/listen", &wanted, TASKS),
        async {
            for (live, times, tasks) in servers {
                live.opened(*times).await;
                live.bytes(&acknowledgement(tasks));
            }
        }
    );
    opened
}

fn asked_for(upstream: &FakeUpstream) -> Value {
    let seen = upstream.last("subscriptions/listen");
    let wanted = seen.raw(&["params", "notifications", "taskIds"]).unwrap();
    serde_json::from_str(&wanted).unwrap()
}

#[tokio::test]
async fn a_subscription_tells_of_own_tasks_only() {
    let first = starts_tasks().await;
    let second = starts_tasks().await;
    let house = House::of(&[server("a", &first, &[]), server("b", &second, &[])]).await;
    let alice = house.caller("alice").await;
    let bob = house.caller("bob").await;
    let at_first = start(&alice, "a-echo", "t:1").await;
    let at_second = start(&alice, "b-echo", "t:2").await;
    let bobs = start(&bob, "a-echo", "t:3").await;

    // Neither a stranger's handle nor the server's own reaches any server, in whatever spelling.
    let twice = format!(r#""notifications":{{"taskIds":["{at_first}"],"taskIds":["t:3"]}}"#);
    for path in ["/mcp", "/mcp/a"] {
        let alice = alice.at(path);
        for wanted in [
            watching(&[&bobs]),
            watching(&["t:1"]),
            watching(&[&at_first, "t:3"]),
            twice.clone(),
            r#""notifications":{"taskIds":"t:3"}"#.to_owned(),
            r#""notifications":[]"#.to_owned(),
        ] {
            let refused = alice
                .modern_open("subscriptions/listen", &wanted, TASKS)
                .await
                .whole()
                .await;
            assert_eq!(refused.code(), -32602, "{path} {wanted}");
        }
    }
    let of_second = watching(&[&at_second]);
    let elsewhere = alice
        .at("/mcp/a")
        .modern_open("subscriptions/listen", &of_second, TASKS)
        .await;
    assert_eq!(elsewhere.whole().await.code(), -32602);
    assert_eq!(first.count("subscriptions/listen"), 0);
    assert_eq!(second.count("subscriptions/listen"), 0);

    // Each server is asked for its own tasks, and what it acknowledges comes back as handles.
    let (of_first, of_second) = (
        first.live("subscriptions/listen"),
        second.live("subscriptions/listen"),
    );
    let mut opened = listen(
        &alice,
        &[&at_first, &at_second],
        &[(&of_first, 1, &["t:1", "t:3"]), (&of_second, 1, &["t:2"])],
    )
    .await;
    assert_eq!(asked_for(&first), json!(["t:1"]));
    assert_eq!(asked_for(&second), json!(["t:2"]));
    let told: Value = serde_json::from_str(&opened.data().await).unwrap();
    let mut both = [at_first.as_str(), &at_second];
    both.sort_unstable();
    assert_eq!(told["params"]["notifications"]["taskIds"], json!(both));

    // A server that tells everybody everything tells us nothing of Bob's task.
    of_first.message(&status("t:3", ""));
    of_first.message(
        r#"{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"t:1","taskId":"t:3"}}"#,
    );
    of_first.message(&status("t:1", ""));
    let told: Value = serde_json::from_str(&opened.data().await).unwrap();
    assert_eq!(told["params"]["taskId"], at_first.as_str());
    of_second.message(&status("t:2", ""));
    let told: Value = serde_json::from_str(&opened.data().await).unwrap();
    assert_eq!(told["params"]["taskId"], at_second.as_str());
    drop(opened);
    of_first.abandoned().await;

    let mut opened = listen(
        &alice.at("/mcp/a"),
        &[&at_first],
        &[(&of_first, 2, &["t:3", "t:1"])],
    )
    .await;
    assert_eq!(asked_for(&first), json!(["t:1"]));
    let told: Value = serde_json::from_str(&opened.data().await).unwrap();
    assert_eq!(
        told["params"]["notifications"]["taskIds"],
        json!([at_first])
    );
    of_first.message(&status("t:3", ""));
    of_first.message(&status("t:1", ""));
    let told: Value = serde_json::from_str(&opened.data().await).unwrap();
    assert_eq!(told["params"]["taskId"], at_first.as_str());
    drop(opened);
    house.end().await;
}

#[tokio::test]
async fn a_task_asks_only_for_what_the_operator_allows() {
    let upstream = starts_tasks().await;
    let question = |method: &str| {
        format!(r#","inputRequests":{{"k":{{"method":"{method}","params":{{"message":"?"}}}}}}"#)
    };
    upstream.on("tasks/get", move |request| {
        let id = request.raw(&["params", "taskId"]).unwrap();
        let asks = question("elicitation/create");
        let result =
            format!(r#"{{"resultType":"complete","taskId":{id},"status":"input_required"{asks}}}"#);
        Reply::result(request, &result)
    });
    let house = House::of(&[server("a", &upstream, &["allow_sampling: true"])]).await;
    let alice = house.caller("alice").await.at("/mcp/a");
    let handle = start(&alice, "echo", "t:1").await;
    let able =
        r#"{"sampling":{},"elicitation":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
    let member = format!(r#""taskId":"{handle}""#);
    let refused = alice.modern_open("tasks/get", &member, able).await;
    let refused = refused.whole().await;
    assert_eq!(refused.code(), -32603, "{refused:?}");

    // The same on the way by which a server tells of it unasked.
    let live = upstream.live("subscriptions/listen");
    let wanted = watching(&[&handle]);
    for path in ["/mcp/a", "/mcp"] {
        let times = live.count() + 1;
        let (mut opened, ()) = tokio::join!(
            async {
                let alice = alice.at(path);
                alice
                    .modern_open("subscriptions/listen", &wanted, able)
                    .await
            },
            async {
                live.opened(times).await;
                live.bytes(&acknowledgement(&["t:1"]));
            }
        );
        assert!(opened.data().await.contains("acknowledged"));
        live.message(&status("t:1", &question("elicitation/create")));
        live.message(&status("t:1", &question("sampling/createMessage")));
        let told: Value = serde_json::from_str(&opened.data().await).unwrap();
        assert_eq!(
            told["params"]["inputRequests"]["k"]["method"],
            "sampling/createMessage"
        );
        drop(opened);
        live.abandoned().await;
    }
    house.end().await;
}
