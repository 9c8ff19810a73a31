//! The process while many want something of it: reloads between calls, streams that only listen.

#[cfg(test)]
mod under_load {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use portcullis_testkit::eventually;
    use portcullis_testkit::gateway::{Actor, Ask, Connection, MockServer, Process};
    use serde_json::json;
    use tokio_util::task::TaskTracker;

    const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");
    const MASTER: &str = "sk-master-canary-Zp7Qm2vT9dKx4RzL";

    fn write(folder: &Path, servers: &str, more: &str) {
        let text =
            format!("general_settings:\n  master_key: \"{MASTER}\"\nmcp_servers:\n{servers}{more}");
        std::fs::write(folder.join("c.yaml.new"), text).unwrap();
        std::fs::rename(folder.join("c.yaml.new"), folder.join("c.yaml")).unwrap();
    }

    fn serve(folder: &Path) -> Process {
        let args = ["--config", "c.yaml", "--port", "0"];
        Process::serve(PORTCULLIS, folder, &args, &[])
    }

    fn open_files(process: &Process) -> usize {
        let folder = format!("/proc/{}/fd", process.id());
        std::fs::read_dir(folder).unwrap().count()
    }

    ///
    #[tokio::test(flavor = "multi_thread")]
    async fn reloads_cost_no_caller_a_call_and_each_is_in_force_when_it_is_answered() {
        let folder = tempfile::tempdir().unwrap();
        let mock = MockServer::start().await;
        let open = mock.entry("support");
        let closed = format!("{open}    disallowed_tools: [get_customer_info]\n");
        write(folder.path(), &open, "");
        let mut gateway = serve(folder.path());
        let address = gateway.address();
        let (over, served) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let tasks = TaskTracker::new();
        let callers: Vec<_> = (0..6)
            .map(|_| {
                let (over, served) = (Arc::clone(&over), Arc::clone(&served));
                tasks.spawn(async move {
                    let mut connection = Connection::open(address).await;
                    while !over.load(Ordering::SeqCst) {
                        let ask = Actor::echo_ask("load").bearer(MASTER);
                        let reply = connection.ask(&ask).await;
                        assert_eq!(reply.status, 200, "{reply:?}");
                        served.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let secret = json!({"name": "get_customer_info", "arguments": {"customer_id": "1"}, "server_id": "support"});
        for round in 0..20 {
            let is_closed = round % 2 == 0;
            write(folder.path(), if is_closed { &closed } else { &open }, "");
            let reload = Ask::post("/v1/config/reload", &json!({}));
            let reloaded = gateway.ask_as(MASTER, reload).await;
            assert_eq!(reloaded.status, 200, "{reloaded:?}");
            let ask = Ask::post("/mcp-rest/tools/call", &secret);
            let called = gateway.ask_as(MASTER, ask).await;
            assert_eq!(called.status == 200, !is_closed, "{round}: {called:?}");
            // Callers got on meanwhile.
            let so_far = served.load(Ordering::SeqCst);
            eventually("more calls", async || {
                served.load(Ordering::SeqCst) > so_far
            })
            .await;
        }
        over.store(true, Ordering::SeqCst);
        for caller in callers {
            caller.await.unwrap();
        }
        assert_eq!(gateway.end().code(), Some(0));
    }

    /// R-22, in small.
    #[tokio::test(flavor = "multi_thread")]
    async fn streams_that_only_listen_are_held_by_the_hundred_and_leave_nothing_behind() {
        const EACH: usize = 200;
        let folder = tempfile::tempdir().unwrap();
        let mock = MockServer::start().await;
        let keys: Vec<String> = ["Aa", "Bb", "Cc"]
            .iter()
            .map(|who| format!("sk-file-canary-{who}83bQ71kkPwLm20"))
            .collect();
        let entries = keys.iter().enumerate().map(|(number, key)| {
            format!("  - {{id: k{number}, key: {key}, servers: [support]}}\n")
        });
        let identity = format!("identity:\n  keys:\n{}", entries.collect::<String>());
        write(folder.path(), &mock.entry("support"), &identity);
        let mut gateway = serve(folder.path());
        for _ in 0..3 {
            let reply = gateway.ask_as(MASTER, Actor::echo_ask("warm")).await;
            assert_eq!(reply.status, 200, "{reply:?}");
        }
        let before = open_files(&gateway);
        let mut streams = Vec::new();
        for key in &keys {
            for _ in 0..EACH {
                let hello = gateway.ask_as(key, Ask::initialize("/mcp")).await;
                assert_eq!(hello.status, 200, "{hello:?}");
                let session = hello.header("mcp-session-id").unwrap().to_owned();
                let listen = Ask::listen("/mcp", &session).bearer(key);
                let mut connection = Connection::begin(gateway.address(), &listen).await;
                assert!(connection.until("text/event-stream").await, "no stream");
                streams.push(connection);
            }
        }
        let held = open_files(&gateway);
        assert!(held >= keys.len() * EACH, "{before} before, {held} now");
        for _ in 0..20 {
            let reply = gateway.ask_as(MASTER, Actor::echo_ask("meanwhile")).await;
            assert_eq!(reply.status, 200, "{reply:?}");
        }
        drop(streams);
        // A few of the upstream's connections may stay in the pool.
        eventually("the descriptors to be given back", async || {
            open_files(&gateway) <= before + 8
        })
        .await;
        assert_eq!(gateway.end().code(), Some(0));
    }
}
