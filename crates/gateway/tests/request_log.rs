//! What the log says of requests that end in an error: one line each, as loud as its kind.

#[cfg(test)]
mod request_log {
    use portcullis_testkit::gateway::{Ask, MockServer, Process, Reply};
    use serde_json::{Value, json};

    const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");
    const MASTER: &str = "sk-master-Zp7Qm2vT9dKx4RzLw8Hn";

    struct House {
        gateway: Process,
        _folder: tempfile::TempDir,
    }

    impl House {
        fn serving(servers: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let text = format!("identity: {{master_key: {MASTER}}}\nmcp_servers:\n{servers}");
            std::fs::write(folder.path().join("c.yaml"), text).unwrap();
            let args = ["--config", "c.yaml", "--port", "0"];
            Self {
                gateway: Process::serve(PORTCULLIS, folder.path(), &args, &[]),
                _folder: folder,
            }
        }

        async fn ask(&self, ask: Ask) -> Reply {
            let ask = ask.header("authorization", &format!("Bearer {MASTER}"));
            ask.send(self.gateway.address()).await
        }

        async fn call(&self, body: Value) -> Reply {
            self.ask(Ask::post("/mcp-rest/tools/call", &body)).await
        }

        /// The levels of all log lines about this answer's request, when everything is written.
        fn levels(mut self, reply: &Reply) -> Vec<String> {
            let id = reply.header("x-request-id").unwrap().to_owned();
            self.gateway.end();
            let log = self.gateway.log();
            let lines = log.lines().filter(|line| line.contains(&id));
            let level = |line: &str| serde_json::from_str::<Value>(line).unwrap()["level"].clone();
            lines
                .map(|line| level(line).as_str().unwrap().to_owned())
                .collect()
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_caller_did_wrong_is_one_line_of_information() {
        let mock = MockServer::start().await;
        let house = House::serving(&mock.entry("support"));
        let reply = house.call(json!({"name": "no-such-tool"})).await;
        assert_eq!(reply.status, 404, "{reply:?}");
        assert_eq!(house.levels(&reply), ["INFO"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_broken_on_our_side_is_one_line_of_error() {
        // Nobody listens on port 1: no credential can be obtained.
        let house = House::serving(
            "  a: {url: 'http://127.0.0.1:1/mcp', auth_type: oauth2, oauth2_flow: client_credentials, client_id: c, client_secret: s, token_url: 'http://127.0.0.1:1/token'}\n",
        );
        let reply = house.call(json!({"name": "x", "server_id": "a"})).await;
        assert_eq!(reply.status, 503, "{reply:?}");
        assert_eq!(house.levels(&reply), ["ERROR"]);
    }
}
