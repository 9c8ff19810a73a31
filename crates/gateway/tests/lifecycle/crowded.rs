//! More than the process has room for: descriptors, servers, streams.

use super::*;

/// nobody new comes in while there are none, what runs goes on, and nothing is left of it afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn without_descriptors_nobody_comes_in_and_with_them_everybody_does() {
    let folder = folder();
    let mock = MockServer::start().await;
    write(folder.path(), &config(&mock.entry("support"), ""));
    let script = format!("ulimit -n 80; exec {PORTCULLIS} \"$@\"");
    let args = ["-c", &script, "sh", "--config", "c.yaml", "--port", "0"];
    let path = [("PATH", "/usr/bin:/bin")];
    let mut gateway = Process::serve("/bin/sh", folder.path(), &args, &path);
    let address = gateway.address();
    for _ in 0..3 {
        let reply = gateway.ask_as(MASTER, Actor::echo_ask("before")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    // Somebody who is inside already.
    let mut inside = Connection::open(address).await;
    let ask = Ask::get("/health/live");
    assert_eq!(inside.ask(&ask).await.status, 200);
    for _ in 0..3 {
        let mut crowd = Vec::new();
        for _ in 0..120 {
            // The system takes them for the process, which does not.
            crowd.push(TcpStream::connect(address).await.unwrap());
        }
        let descriptors = format!("/proc/{}/fd", gateway.id());
        let full = async || std::fs::read_dir(&descriptors).unwrap().count() >= 79;
        eventually("there are none left", full).await;
        assert_eq!(inside.ask(&ask).await.status, 200);
        drop(crowd);
        let served = async || {
            let ask = Actor::echo_ask("after").bearer(MASTER);
            ask.send(address).await.status == 200
        };
        eventually("calls are served", served).await;
    }
    assert_eq!(gateway.end().code(), Some(0));
    let log = gateway.log();
    assert!(!log.contains("panicked"), "{log}");
    // It is said, and not with every attempt.
    assert!(log.lines().count() < 2000, "{}", log.lines().count());
    verified(folder.path());
}

/// servers that say nothing hold up neither the start nor those that do.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_silent_servers_holds_up_neither_the_start_nor_the_others() {
    let folder = folder();
    let mock = MockServer::start().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let tasks = TaskTracker::new();
    tasks.spawn(async move {
        let mut kept = Vec::new();
        while let Ok((connection, _)) = silent.accept().await {
            kept.push(connection);
        }
    });
    let entry =
        |number| format!("  silent{number}:\n    url: \"http://{address}/mcp\"\n    timeout: 2s\n");
    let entries = (0..150).map(entry).collect::<Vec<String>>().concat();
    let servers = format!("{entries}{}", mock.entry("support"));
    write(folder.path(), &config(&servers, ""));
    let mut gateway = serve(folder.path());
    assert_eq!(ready(&gateway).await["status"], "ready");
    let reply = gateway.ask_as(MASTER, Actor::echo_ask("hi")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let listed = Ask::rpc("/mcp", "tools/list", &json!({}));
    let listed = gateway.ask_as(MASTER, listed).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    assert!(listed.text().contains("support-echo"), "{listed:?}");
    assert_eq!(gateway.end().code(), Some(0));
    verified(folder.path());
}

/// a stop does not wait for those who only listen; their streams end as streams do, and each is on record.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_streams_in_order() {
    let folder = folder();
    let mock = MockServer::start().await;
    write(folder.path(), &config(&mock.entry("support"), ""));
    let mut gateway = serve(folder.path());
    let mut streams = Vec::new();
    for _ in 0..20 {
        let hello = gateway.ask_as(MASTER, Ask::initialize("/mcp")).await;
        let session = hello.header("mcp-session-id").unwrap().to_owned();
        let ask = Ask::listen("/mcp", &session).bearer(MASTER);
        let mut stream = Connection::begin(gateway.address(), &ask).await;
        assert!(stream.until("text/event-stream").await, "no stream");
        streams.push(stream);
    }
    gateway.signal("TERM");
    for mut stream in streams {
        stream.ends().await;
    }
    assert_eq!(gateway.wait().code(), Some(0));
    assert_eq!(recorded(folder.path()).await.len(), 40);
    verified(folder.path());
}
