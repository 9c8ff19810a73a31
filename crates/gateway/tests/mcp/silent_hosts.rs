//! Hosts that take connections and say nothing, not even to the handshake of TLS.

use std::net::SocketAddr;

use portcullis_testkit::upstream::FakeUpstream;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use super::support::{House, server};

/// A port that takes every connection, and keeps it.
async fn mute() -> (SocketAddr, TaskTracker) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = TaskTracker::new();
    tasks.spawn(async move {
        let mut kept = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            kept.push(connection);
        }
    });
    (address, tasks)
}

///
#[tokio::test]
async fn a_host_that_says_nothing_is_given_up_in_time_and_hinders_nobody() {
    let (address, _keeping) = mute().await;
    let healthy = FakeUpstream::legacy().await;
    let silent = |name: &str, scheme: &str| {
        format!("  {name}:\n    url: \"{scheme}://{address}/mcp\"\n    timeout: 1s\n")
    };
    let house = House::of(&[
        silent("plain", "http"),
        silent("shaking", "https"),
        server("good", &healthy, &[]),
    ])
    .await;
    let alice = house.caller("alice").await;
    for name in ["plain", "shaking"] {
        let path = format!("/mcp/{name}");
        let waiting = (0..30).map(|_| {
            let alice = alice.at(&path);
            async move { alice.call("echo", "{}").await }
        });
        let beside = async { alice.at("/mcp/good").call("echo", "{}").await };
        let (given_up, beside) = tokio::join!(futures_util::future::join_all(waiting), beside);
        assert!(beside.json()["result"].is_object(), "{beside:?}");
        for answer in &given_up {
            let kind = &answer.json()["error"]["data"]["kind"];
            assert!(
                kind == "timeout" || kind == "upstream_unreachable",
                "{name}: {answer:?}"
            );
        }
    }
    let listed = alice.rpc("tools/list", "{}").await;
    assert_eq!(listed.names(), ["good-echo", "good-delete_user"]);
    house.end().await;
}
