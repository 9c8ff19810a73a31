//! Clients that do not read what they asked to hear.

use portcullis_testkit::upstream::{FakeUpstream, event};

use super::support::{House, server};

#[tokio::test]
async fn a_reader_that_is_behind_by_megabytes_is_cut_off_and_others_read_on() {
    let upstream = FakeUpstream::legacy().await;
    let live = upstream.live("GET");
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let mut alice = house.caller("alice").await.at("/mcp/a");
    alice.initialize("{}").await;
    let mut asleep = alice.clone();
    asleep.initialize("{}").await;
    let mut reads = alice.get(&[]).await;
    live.opened(1).await;
    let mut unread = asleep.get(&[]).await;
    let many = 12;
    let megabyte = "x".repeat(1024 * 1024);
    for number in 0..many {
        let params = format!(r#"{{"level":"info","data":"{number}:{megabyte}"}}"#);
        live.bytes(&event(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{params}}}"#
        )));
        let data = reads.data().await;
        assert!(data.contains(&format!("\"{number}:x")));
    }
    let mut kept = 0;
    while kept < many && unread.event().await.is_some() {
        kept += 1;
    }
    assert!(kept < many, "all {kept} were kept");
    drop(reads);
    live.abandoned().await;
    house.end().await;
}
