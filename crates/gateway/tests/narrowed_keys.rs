//! Keys of the file that keep their secret and lose rights.

#[cfg(test)]
mod narrowed_keys {
    use std::path::Path;

    use portcullis_testkit::gateway::{Ask, Connection, MockServer, Process};

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
}
