//! Starts that do not happen, and what nobody waits for.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_fails_before_anything_is_written() {
    let folder = folder();
    let mock = MockServer::start().await;
    write(folder.path(), &config(&mock.entry("support"), ""));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let args = ["--config", "c.yaml", "--port", &port];
    let refused = run(PORTCULLIS, folder.path(), &args, &[]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("cannot listen"), "{refused:?}");
    assert!(!folder.path().join("portcullis.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_opened_is_a_start_that_does_not_happen() {
    let folder = folder();
    let mock = MockServer::start().await;
    write(folder.path(), &config(&mock.entry("support"), ""));
    std::fs::write(
        folder.path().join("portcullis.db"),
        "this is not a database at all",
    )
    .unwrap();
    let refused = run(
        PORTCULLIS,
        folder.path(),
        &["--config", "c.yaml", "--port", "0"],
        &[],
    );
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("store"), "{refused:?}");
    assert!(!refused.said().contains("canary"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_does_not_stop_the_gateway() {
    let folder = folder();
    let mock = MockServer::start().await;
    write(folder.path(), &config(&mock.entry("support"), ""));
    let args = ["--config", "c.yaml", "--port", "0", "--log", "trace"];
    let gateway = Unread::serve(PORTCULLIS, folder.path(), &args);
    for _ in 0..200 {
        let ask = Actor::echo_ask("hi").bearer(MASTER);
        assert_eq!(ask.send(gateway.address()).await.status, 200);
    }
    let (status, unread) = gateway.end();
    assert_eq!(status.code(), Some(0));
    // A pipe that is full holds 64 KiB; a line that did not fit any more leaves some of it.
    assert!(unread > 48 * 1024, "{unread} bytes do not fill a pipe");
    verified(folder.path());
}
