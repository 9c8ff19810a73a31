//! Keys of the file that keep their secret and lose rights.

#[cfg(test)]
mod narrowed_keys {
    use std::path::Path;

    use portcullis_testkit::gateway::{Ask, Connection, MockServer, Process};
    use serde_json::json;

    const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");
    const NARROWED: &str = "sk-narrowed-canary-Yx83bQ71kkPwLm20";

    /// Puts a file in force in which the key may see these servers.
    fn write(folder: &Path, mock: &MockServer, servers: &str) {
        let (one, two) = (mock.entry("one"), mock.entry("two"));
        let text = format!(
            "mcp_servers:\n{one}{two}identity:\n  keys:\n  \
             - {{id: narrowed, key: {NARROWED}, servers: [{servers}]}}\n"
        );
        // As editors do: beside, then over it.
        std::fs::write(folder.join("c.yaml.new"), text).unwrap();
        std::fs::rename(folder.join("c.yaml.new"), folder.join("c.yaml")).unwrap();
    }

    async fn listening(gateway: &Process, key: &str, path: &str) -> Connection {
        let opened = gateway.ask_as(key, Ask::initialize(path)).await;
        let session = opened.header("mcp-session-id").unwrap();
        let listen = Ask::listen(path, session).bearer(key);
        let mut stream = Connection::begin(gateway.address(), &listen).await;
        assert!(stream.until("text/event-stream").await);
        stream
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_key_that_may_see_less_than_before_hears_no_more_on_streams_of_before() {
        let folder = tempfile::tempdir().unwrap();
        let mock = MockServer::start().await;
        write(folder.path(), &mock, "one, two");
        let args = ["--config", "c.yaml", "--port", "0"];
        let mut gateway = Process::serve(PORTCULLIS, folder.path(), &args, &[]);
        let mut of_narrowed = Vec::new();
        for path in ["/mcp/two", "/mcp"] {
            of_narrowed.push(listening(&gateway, NARROWED, path).await);
        }

        write(folder.path(), &mock, "one");
        gateway.wait_for("configuration reloaded");
        for stream in &mut of_narrowed {
            stream.ends().await;
        }
        // It is no revocation: what is left is to be had.
        let again = gateway.ask_as(NARROWED, Ask::initialize("/mcp/one")).await;
        assert_eq!(again.status, 200, "{again:?}");
        let gone = gateway.ask_as(NARROWED, Ask::initialize("/mcp/two")).await;
        assert_eq!(gone.status, 404, "{gone:?}");
        gateway.end();
    }

    /// Sends a request up to its body, which its sender holds back.
    async fn holding_back(gateway: &Process, ask: Ask) -> (Connection, Vec<u8>) {
        let ask = ask
            .header("expect", "100-continue")
            .header("connection", "close");
        let bytes = ask.bytes();
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap()
            + 4;
        let (head, body) = bytes.split_at(end);
        let mut connection = Connection::open(gateway.address()).await;
        connection.write(head).await;
        // Only whoever was let in is asked for the body.
        assert!(connection.until("100 Continue").await);
        (connection, body.to_vec())
    }

    /// However long the body takes: who was let in by the former file does nothing under this one.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_body_that_ends_after_its_key_left_the_file_calls_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mock = MockServer::start().await;
        write(folder.path(), &mock, "one, two");
        let args = ["--config", "c.yaml", "--port", "0"];
        let mut gateway = Process::serve(PORTCULLIS, folder.path(), &args, &[]);
        let call = json!({"name": "echo", "arguments": {"message": "late"}});
        let asks = [
            Ask::rpc("/mcp/two", "tools/call", &call),
            Ask::post(
                "/mcp-rest/tools/call",
                &json!({"name": "two-echo", "arguments": {}}),
            ),
        ];
        let mut open = Vec::new();
        for ask in asks {
            open.push(holding_back(&gateway, ask.bearer(NARROWED)).await);
        }
        write(folder.path(), &mock, "one");
        gateway.wait_for("configuration reloaded");
        for (mut connection, body) in open {
            connection.write(&body).await;
            let answer = String::from_utf8(connection.rest().await).unwrap();
            assert!(answer.contains("HTTP/1.1 401"), "{answer}");
            assert!(answer.contains("www-authenticate: Bearer"), "{answer}");
        }
        assert_eq!(mock.stats().await.calls, 0);
        gateway.end();
    }

    /// A border that is drawn closer counts for streams that are open.
    #[tokio::test(flavor = "multi_thread")]
    async fn who_is_outside_after_a_reload_hears_no_more_of_a_server_for_the_inside() {
        let folder = tempfile::tempdir().unwrap();
        let mock = MockServer::start().await;
        let write = |inside: &str| {
            let text = format!(
                "general_settings: {{mcp_internal_ip_ranges: ['{inside}']}}\nmcp_servers:\n{}    \
                 available_on_public_internet: false\n{}identity:\n  keys:\n  \
                 - {{id: narrowed, key: {NARROWED}, servers: [hidden, open]}}\n",
                mock.entry("hidden"),
                mock.entry("open"),
            );
            std::fs::write(folder.path().join("c.yaml.new"), text).unwrap();
            std::fs::rename(
                folder.path().join("c.yaml.new"),
                folder.path().join("c.yaml"),
            )
            .unwrap();
        };
        write("127.0.0.0/8");
        let args = ["--config", "c.yaml", "--port", "0"];
        let mut gateway = Process::serve(PORTCULLIS, folder.path(), &args, &[]);
        let mut hidden = listening(&gateway, NARROWED, "/mcp/hidden").await;
        write("10.0.0.0/8");
        gateway.wait_for("configuration reloaded");
        hidden.ends().await;
        let gone = gateway
            .ask_as(NARROWED, Ask::initialize("/mcp/hidden"))
            .await;
        assert_eq!(gone.status, 404, "{gone:?}");
        let stays = gateway.ask_as(NARROWED, Ask::initialize("/mcp/open")).await;
        assert_eq!(stays.status, 200, "{stays:?}");
        gateway.end();
    }
}
