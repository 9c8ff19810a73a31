//! Values of a secret store at the real binary: rotated, through an outage, deleted.

#[cfg(test)]
mod secret_stores {
    use portcullis_testkit::gateway::{Ask, Process, Reply, run};
    use portcullis_testkit::upstream::FakeUpstream;
    use portcullis_testkit::vault::{FakeVault, ROOT_TOKEN};
    use serde_json::json;
    use tempfile::TempDir;

    const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");
    const MASTER: &str = "sk-master-canary-Zp7Qm2vT9dKx4RzL";
    const ARGS: [&str; 4] = ["--config", "c.yaml", "--port", "0"];

    struct Stage {
        vault: FakeVault,
        upstream: FakeUpstream,
        folder: TempDir,
    }

    impl Stage {
        async fn set(reference: &str) -> Self {
            let (vault, upstream) = (FakeVault::start().await, FakeUpstream::modern().await);
            vault.put("apps/a", json!({"token": "canary-token-1"}));
            let folder = tempfile::tempdir().unwrap();
            let text = format!(
                "general_settings: {{master_key: {MASTER}}}\nsecrets: {{refresh: 1s, vault: {{}}}}\n\
                 mcp_servers:\n  a:\n    url: {}\n    auth_type: bearer_token\n    \
                 auth_value: {reference}\n",
                upstream.url()
            );
            std::fs::write(folder.path().join("c.yaml"), text).unwrap();
            Self {
                vault,
                upstream,
                folder,
            }
        }

        /// As Vault's own client is told.
        fn environment(address: &str) -> [(&str, &str); 2] {
            [("VAULT_ADDR", address), ("VAULT_TOKEN", ROOT_TOKEN)]
        }

        /// Calls a tool; what was presented for it.
        async fn presented(&self, gateway: &Process) -> String {
            let body = json!({"server_id": "a", "name": "echo", "arguments": {"text": "hi"}});
            let ask = Ask::post("/mcp-rest/tools/call", &body);
            let reply: Reply = gateway.ask_as(MASTER, ask).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            let call = self.upstream.last("tools/call");
            call.header("authorization").unwrap().to_owned()
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_rotated_value_is_presented_without_a_restart_and_outlives_its_store() {
        let stage = Stage::set("vault:apps/a#token").await;
        let address = stage.vault.address();
        let environment = Stage::environment(&address);
        let mut gateway = Process::serve(PORTCULLIS, stage.folder.path(), &ARGS, &environment);
        assert_eq!(stage.presented(&gateway).await, "Bearer canary-token-1");

        stage
            .vault
            .put("apps/a", json!({"token": "canary-token-2"}));
        gateway.wait_for("configuration reloaded");
        assert_eq!(stage.presented(&gateway).await, "Bearer canary-token-2");

        stage.vault.seal(true);
        let told = gateway.wait_for("the last one stays in use");
        assert!(told.contains("vault:apps/a#token"), "{told}");
        assert_eq!(stage.presented(&gateway).await, "Bearer canary-token-2");
        // Rotated while nobody could ask.
        stage
            .vault
            .put("apps/a", json!({"token": "canary-token-3"}));
        stage.vault.seal(false);
        gateway.wait_for("configuration reloaded");
        assert_eq!(stage.presented(&gateway).await, "Bearer canary-token-3");

        stage.vault.delete("apps/a");
        gateway.wait_for("the last one stays in use");
        assert_eq!(stage.presented(&gateway).await, "Bearer canary-token-3");
        assert_eq!(gateway.end().code(), Some(0));
        assert!(!gateway.log().contains("canary"), "{}", gateway.log());
    }

    #[test]
    fn what_vault_does_not_have_refuses_the_start_with_its_line() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        for (reference, expected) in [
            ("vault:apps/b#token", "there is no such secret"),
            ("vault:apps/a#key", "the secret has no such field"),
        ] {
            let stage = runtime.block_on(Stage::set(reference));
            let address = stage.vault.address();
            let environment = Stage::environment(&address);
            let ended = run(PORTCULLIS, stage.folder.path(), &ARGS, &environment);
            assert_eq!(ended.code, Some(2), "{ended:?}");
            let expected = format!("mcp_servers.a.auth_value: `{reference}`: {expected}");
            for said in [expected.as_str(), "c.yaml:7:"] {
                assert!(ended.said().contains(said), "{said} in {ended:?}");
            }
            assert!(!ended.said().contains("canary"), "{ended:?}");
            assert!(stage.upstream.requests().is_empty());
        }
    }
}
