//! The process over time: reloads, stops, crashes, a disk that is full, a certificate that changes.

#[cfg(test)]
mod lifecycle {
    mod crowded;
    mod starts;
    mod tls;

    use std::collections::BTreeSet;
    use std::path::Path;
    use std::sync::Arc;

    use portcullis_testkit::eventually;
    use portcullis_testkit::gateway::{Actor, Ask, Connection, MockServer, Process, Unread, run};
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, RootCertStore};
    use serde_json::{Value, json};
    use tempfile::TempDir;
    use tokio::net::TcpStream;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream;
    use tokio_util::task::TaskTracker;

    const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");
    const MASTER: &str = "sk-master-canary-Zp7Qm2vT9dKx4RzL";
    const CI: &str = "sk-file-canary-Yx83bQ71kkPwLm20";

    fn folder() -> TempDir {
        tempfile::tempdir().unwrap()
    }

    fn write(folder: &Path, text: &str) {
        // As editors do: beside, then over it.
        std::fs::write(folder.join("c.yaml.new"), text).unwrap();
        std::fs::rename(folder.join("c.yaml.new"), folder.join("c.yaml")).unwrap();
    }

    fn config(servers: &str, more: &str) -> String {
        format!("general_settings:\n  master_key: \"{MASTER}\"\nmcp_servers:\n{servers}{more}")
    }

    fn keys(servers: &str) -> String {
        format!("identity:\n  keys:\n  - {{id: ci, key: {CI}, servers: [{servers}]}}\n")
    }

    fn serve(folder: &Path) -> Process {
        Process::serve(
            PORTCULLIS,
            folder,
            &["--config", "c.yaml", "--port", "0"],
            &[],
        )
    }

    async fn ready(process: &Process) -> Value {
        Ask::get("/health/ready")
            .send(process.address())
            .await
            .json()
    }

    fn verified(folder: &Path) {
        let args = ["--config", "c.yaml", "audit", "verify"];
        let verified = run(PORTCULLIS, folder, &args, &[]);
        assert_eq!(verified.code, Some(0), "{verified:?}");
    }

    /// The request ids of every stored event, in the order of the store.
    async fn recorded(folder: &Path) -> Vec<String> {
        let location = portcullis_store_sql::Location::File(folder.join("portcullis.db"));
        let settings = portcullis_store_sql::Settings::default();
        let store = portcullis_store_sql::SqliteStores::open(&location, &settings)
            .await
            .unwrap();
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let page = portcullis_store::PageRequest { after, limit: 1000 };
            let filter = portcullis_store::AuditFilter::default();
            let page = store.stores().audit.list(&filter, &page).await.unwrap();
            ids.extend(
                page.items
                    .into_iter()
                    .map(|row| row.request_id)
                    .filter(|id| !id.is_empty()),
            );
            after = page.next;
            if after.is_none() {
                store.close().await;
                return ids;
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_server_added_to_the_file_appears_and_a_bad_file_keeps_the_old_one_in_force() {
        // R-17
        let folder = folder();
        let mock = MockServer::start().await;
        write(folder.path(), &config(&mock.entry("support"), ""));
        let mut gateway = serve(folder.path());
        assert_eq!(
            gateway.ask_as(MASTER, Actor::echo_ask("hi")).await.status,
            200
        );
        let absent = Ask::get("/mcp-rest/tools/list?server_id=second");
        assert_eq!(gateway.ask_as(MASTER, absent.clone()).await.status, 404);
        assert_eq!(ready(&gateway).await["generation"], 1);

        let two = format!("{}{}", mock.entry("support"), mock.entry("second"));
        write(folder.path(), &config(&two, ""));
        gateway.wait_for("configuration reloaded");
        assert_eq!(gateway.ask_as(MASTER, absent.clone()).await.status, 200);
        assert_eq!(ready(&gateway).await["generation"], 2);

        let bad = config(&two, "serverr: {port: 1}\n")
            .replace(MASTER, "sk-other-canary-that-never-works-1");
        write(folder.path(), &bad);
        let refused = gateway.wait_for("configuration refused");
        assert!(refused.contains("serverr"), "{refused}");
        let state = ready(&gateway).await;
        assert_eq!(
            (&state["status"], &state["config"]),
            (&json!("ready"), &json!("last_reload_refused"))
        );
        assert_eq!(state["generation"], 2);
        assert_eq!(gateway.ask_as(MASTER, absent.clone()).await.status, 200);
        assert_eq!(
            gateway
                .ask_as("sk-other-canary-that-never-works-1", absent.clone())
                .await
                .status,
            401
        );

        // A file that is gone is no reason to stop either.
        std::fs::remove_file(folder.path().join("c.yaml")).unwrap();
        gateway.wait_for("configuration refused");
        assert_eq!(gateway.ask_as(MASTER, absent.clone()).await.status, 200);

        write(folder.path(), &config(&mock.entry("support"), ""));
        gateway.wait_for("configuration reloaded");
        assert_eq!(ready(&gateway).await["config"], "ok");
        assert_eq!(gateway.ask_as(MASTER, absent).await.status, 404);
        gateway.signal("HUP");
        gateway.wait_for("configuration reloaded");
        assert_eq!(gateway.end().code(), Some(0));
        assert!(!gateway.log().contains("canary"), "{}", gateway.log());
        verified(folder.path());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_key_taken_out_of_the_file_is_refused_and_its_open_stream_ends() {
        let folder = folder();
        let mock = MockServer::start().await;
        write(
            folder.path(),
            &config(&mock.entry("support"), &keys("support")),
        );
        let mut gateway = serve(folder.path());
        assert_eq!(gateway.ask_as(CI, Actor::echo_ask("hi")).await.status, 200);

        let opened = gateway.ask_as(CI, Ask::initialize("/mcp/support")).await;
        let session = opened.header("mcp-session-id").unwrap();
        let listen = Ask::listen("/mcp/support", session).bearer(CI);
        let mut stream = Connection::begin(gateway.address(), &listen).await;
        assert!(stream.until("text/event-stream").await);

        write(folder.path(), &config(&mock.entry("support"), ""));
        gateway.wait_for("configuration reloaded");
        // It ends by itself.
        stream.ends().await;
        assert_eq!(gateway.ask_as(CI, Actor::echo_ask("hi")).await.status, 401);
        assert_eq!(
            gateway.ask_as(MASTER, Actor::echo_ask("hi")).await.status,
            200
        );
        gateway.end();
        assert!(!gateway.log().contains("canary"), "{}", gateway.log());
        verified(folder.path());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stop_lets_the_running_request_finish_and_writes_every_event() {
        // R-16
        let folder = folder();
        let mock = MockServer::start().await;
        write(folder.path(), &config(&mock.entry("support"), ""));
        let mut gateway = serve(folder.path());
        assert_eq!(
            gateway.ask_as(MASTER, Actor::echo_ask("hi")).await.status,
            200
        );
        let ask = Actor::echo_ask("to the end")
            .bearer(MASTER)
            .header("expect", "100-continue");
        let bytes = ask.bytes();
        let head = bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        let mut running = Connection::open(gateway.address()).await;
        running.write(&bytes[..head]).await;
        // The interim answer proves that the handler is waiting for the body.
        assert_eq!(running.reply().await.status, 100);
        gateway.signal("TERM");
        gateway.wait_for("stopping");
        running.write(&bytes[head..]).await;
        let reply = running.reply().await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(gateway.wait().code(), Some(0));
        let id = reply.header("x-request-id").unwrap().to_owned();
        assert!(recorded(folder.path()).await.contains(&id));
        verified(folder.path());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_second_signal_does_not_wait_for_a_caller_that_never_finishes() {
        // R-19, R-20
        let folder = folder();
        let mock = MockServer::start().await;
        write(folder.path(), &config(&mock.entry("support"), ""));
        let mut gateway = serve(folder.path());
        let ask = Actor::echo_ask("never")
            .bearer(MASTER)
            .header("expect", "100-continue");
        let bytes = ask.bytes();
        let head = bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        let mut endless = Connection::open(gateway.address()).await;
        endless.write(&bytes[..head]).await;
        assert_eq!(endless.reply().await.status, 100);
        gateway.signal("TERM");
        gateway.wait_for("stopping");
        // Nobody new is let in while the one request runs.
        let address = gateway.address();
        let shut = async || TcpStream::connect(address).await.is_err();
        eventually("the door is shut", shut).await;
        gateway.signal("TERM");
        assert_eq!(gateway.wait().code(), Some(0));
        assert_eq!(endless.reply().await.status, 0);
        verified(folder.path());
        let events = recorded(folder.path()).await;
        assert_eq!(events.len(), 1, "the request that was cut off is on record");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn killed_under_load_no_answered_call_is_missing_from_the_trail() {
        // LOG-10, LOG-07: with `audit.required` the event is durable before the answer.
        let folder = folder();
        let mock = MockServer::start().await;
        write(
            folder.path(),
            &config(&mock.entry("support"), "audit:\n  required: true\n"),
        );
        let mut answered = Vec::new();
        for round in 0..4 {
            let mut gateway = serve(folder.path());
            let tasks = TaskTracker::new();
            let address = gateway.address();
            let workers: Vec<_> = (0..6)
                .map(|_| {
                    tasks.spawn(async move {
                        let mut ids = Vec::new();
                        let mut connection = Connection::open(address).await;
                        loop {
                            let ask = Actor::echo_ask("load").bearer(MASTER);
                            let reply = connection.ask(&ask).await;
                            if reply.status == 0 {
                                return ids;
                            }
                            assert_eq!(reply.status, 200, "{reply:?}");
                            ids.push(reply.header("x-request-id").unwrap().to_owned());
                        }
                    })
                })
                .collect();
            // Killed at another point of the stream of answers each time.
            let seen = 20 + round * 17;
            let mut counted = 0;
            let mut counter = Connection::open(address).await;
            while counted < seen {
                let ask = Actor::echo_ask("count").bearer(MASTER);
                let reply = counter.ask(&ask).await;
                assert_eq!(reply.status, 200, "{reply:?}");
                answered.push(reply.header("x-request-id").unwrap().to_owned());
                counted += 1;
            }
            gateway.signal("KILL");
            gateway.wait();
            for worker in workers {
                answered.extend(worker.await.unwrap());
            }
        }
        let recorded = recorded(folder.path()).await;
        let distinct: BTreeSet<&String> = recorded.iter().collect();
        assert_eq!(
            distinct.len(),
            recorded.len(),
            "no request is on record twice"
        );
        let missing: Vec<_> = answered
            .iter()
            .filter(|id| !distinct.contains(id))
            .collect();
        assert!(
            missing.is_empty(),
            "{} of {} answers have no event",
            missing.len(),
            answered.len()
        );
        verified(folder.path());
        let mut gateway = serve(folder.path());
        assert_eq!(
            gateway.ask_as(MASTER, Actor::echo_ask("hi")).await.status,
            200
        );
        gateway.end();
        verified(folder.path());
    }

    /// Runs the gateway with a limit on the size of every file that it writes, as a full disk would.
    #[tokio::test(flavor = "multi_thread")]
    async fn on_a_full_disk_a_required_trail_denies_and_an_optional_one_does_not() {
        // R-14, LOG-09
        for required in [true, false] {
            let folder = folder();
            let mock = MockServer::start().await;
            let audit = format!("audit:\n  required: {required}\n");
            write(folder.path(), &config(&mock.entry("support"), &audit));
            // The store is made before the disk is small; then no file may grow by more than some
            // 120 KiB beyond what the migrations wrote: half of it is written at the start.
            let mut first = serve(folder.path());
            first.end();
            let files = std::fs::read_dir(folder.path()).unwrap();
            let sizes = files.map(|file| file.unwrap().metadata().unwrap().len());
            // `ulimit` counts blocks of 512 bytes.
            let most = sizes.max().unwrap().div_ceil(512) + 240;
            let script = format!("trap '' XFSZ; ulimit -f {most}; exec {PORTCULLIS} \"$@\"");
            let args = ["-c", &script, "sh", "--config", "c.yaml", "--port", "0"];
            let mut gateway = Process::serve(
                "/bin/sh",
                folder.path(),
                &args,
                &[("PATH", "/usr/bin:/bin")],
            );
            let (mut denied, mut served) = (0, 0);
            let before = mock.stats().await.calls;
            // Written in batches, a few hundred events fill what is left.
            for _ in 0..3000 {
                let reply = gateway.ask_as(MASTER, Actor::echo_ask("hi")).await;
                match reply.status {
                    200 => served += 1,
                    503 => {
                        assert_eq!(reply.text(), r#"{"error":"unavailable"}"#);
                        denied += 1;
                        if denied > 20 {
                            break;
                        }
                    }
                    _ => panic!("{reply:?}"),
                }
            }
            let calls = mock.stats().await.calls - before;
            let log = gateway.log();
            assert!(log.contains("the audit store does not take rows"), "{log}");
            let state = ready(&gateway).await;
            assert_eq!(state["audit"], "unavailable", "{state}");
            if required {
                assert!(
                    served > 0 && denied > 20,
                    "{served} served, {denied} denied"
                );
                assert_eq!(state["status"], "not_ready");
                // Only what was in hand when the disk filled up may have run without an answer.
                assert!(calls <= served + 1, "{calls} calls, {served} answers");
            } else {
                assert_eq!(denied, 0);
                assert_eq!(state["status"], "ready");
            }
            gateway.signal("KILL");
            gateway.wait();
            assert!(!gateway.log().contains("canary"), "{}", gateway.log());
            verified(folder.path());
        }
    }
}
