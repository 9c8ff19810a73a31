//! `portcullis revoke` beside a running gateway, and without one.

#[cfg(test)]
mod revoke_cli {
    use std::path::Path;

    use portcullis_testkit::eventually;
    use portcullis_testkit::gateway::{Actor, Ask, Finished, MockServer, Process, run};
    use serde_json::Value;

    const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");
    const MASTER: &str = "sk-master-canary-Zp7Qm2vT9dKx4RzL";

    fn cli(folder: &Path, args: &[&str]) -> Finished {
        let mut line = vec!["--config", "c.yaml"];
        line.extend(args);
        run(PORTCULLIS, folder, &line, &[])
    }

    fn json(folder: &Path, args: &[&str]) -> Value {
        let mut line = args.to_vec();
        line.extend(["--output", "json"]);
        let finished = cli(folder, &line);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        finished.json()
    }

    fn write(folder: &Path, mock: &MockServer) {
        let text = format!(
            "general_settings:\n  master_key: \"{MASTER}\"\nmcp_servers:\n{}identity:\n  \
             issuers:\n  - {{issuer: 'https://idp.example', audience: us}}\n",
            mock.entry("support")
        );
        std::fs::write(folder.join("c.yaml"), text).unwrap();
    }

    async fn status(gateway: &Process, key: &str) -> u16 {
        gateway.ask_as(key, Actor::echo_ask("hi")).await.status
    }

    /// The command writes into the store; the gateway that runs on it hears of it by itself.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_key_that_is_revoked_in_the_store_is_refused_by_the_gateway_that_runs() {
        let folder = tempfile::tempdir().unwrap();
        let mock = MockServer::start().await;
        write(folder.path(), &mock);
        let path = folder.path();
        let made = json(path, &["keys", "create", "--servers", "support"]);
        let (key, id) = (
            made["key"].as_str().unwrap(),
            made["key_id"].as_str().unwrap(),
        );
        let args = ["--config", "c.yaml", "--port", "0"];
        let gateway = Process::serve(PORTCULLIS, path, &args, &[]);
        assert_eq!(status(&gateway, key).await, 200);
        let entry = json(path, &["revoke", "--key", id, "--reason", "left in a bus"]);
        eventually("the key is refused", async || {
            status(&gateway, key).await == 401
        })
        .await;

        let listed = json(path, &["revoke", "list"]);
        assert_eq!(listed["revocations"][0], entry);
        assert_eq!(entry["reason"], "left in a bus");
        let table = cli(path, &["revoke", "list"]);
        assert!(table.stdout.contains(id), "{table:?}");
        // Through the gateway it is the same list.
        let url = format!("http://{}", gateway.address());
        let remote = ["revoke", "list", "--url", &url, "--api-key", MASTER];
        assert_eq!(json(path, &remote), listed);

        let entry = entry["id"].as_str().unwrap();
        let lift = ["revoke", "lift", entry, "--url", &url, "--api-key", MASTER];
        assert_eq!(json(path, &lift)["id"], entry);
        assert_eq!(status(&gateway, key).await, 200);
        let again = cli(path, &["revoke", "lift", entry]);
        assert_eq!(again.code, Some(1), "{again:?}");
        let empty = cli(path, &["revoke", "list"]);
        assert!(empty.stdout.contains("nothing is revoked"), "{empty:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_subject_is_revoked_with_a_cut_off_and_what_would_refuse_nobody_is_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let mock = MockServer::start().await;
        write(folder.path(), &mock);
        let path = folder.path();
        let idp = "https://idp.example";
        let entry = json(
            path,
            &[
                "revoke",
                "--issuer",
                idp,
                "--sub",
                "alice",
                "--before",
                "2026-01-02T03:04:05Z",
                "--until",
                "2099-01-01T00:00:00Z",
            ],
        );
        assert_eq!(entry["before"], "2026-01-02T03:04:05.000Z");
        assert_eq!(entry["until"], "2099-01-01T00:00:00.000Z");
        assert_eq!(entry["created_by"], "master");
        for wrong in [
            &["revoke"][..],
            &["revoke", "--issuer", idp],
            &["revoke", "--sub", "alice"],
            &["revoke", "--key", "nosuchkey"],
            &["revoke", "--key", "sk-secret"],
            &[
                "revoke",
                "--issuer",
                "https://idp.example/",
                "--sub",
                "alice",
            ],
            &[
                "revoke",
                "--issuer",
                idp,
                "--sub",
                "alice",
                "--before",
                "yesterday",
            ],
            &["revoke", "--issuer", idp, "--jti", "a", "--sub", "b"],
        ] {
            let refused = cli(path, wrong);
            assert_eq!(refused.code, Some(2), "{wrong:?}: {refused:?}");
            assert!(!refused.said().contains("sk-secret"), "{refused:?}");
        }
        let listed = json(path, &["revoke", "list"]);
        assert_eq!(listed["revocations"].as_array().unwrap().len(), 1);
    }

    /// Whoever did it past the gateway did it on record: in the same trail, and told apart by the rule.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_done_in_the_store_itself_is_on_record() {
        let folder = tempfile::tempdir().unwrap();
        let mock = MockServer::start().await;
        write(folder.path(), &mock);
        let path = folder.path();
        let made = json(path, &["keys", "create", "--servers", "support"]);
        let id = made["key_id"].as_str().unwrap();
        let entry = json(path, &["revoke", "--key", id]);
        let entry = entry["id"].as_str().unwrap();
        assert_eq!(cli(path, &["revoke", "--key", "nosuchkey"]).code, Some(2));
        json(path, &["revoke", "lift", entry]);
        assert_eq!(cli(path, &["revoke", "lift", "rv-nosuch"]).code, Some(1));

        let args = ["--config", "c.yaml", "--port", "0"];
        let gateway = Process::serve(PORTCULLIS, path, &args, &[]);
        let over_http = Ask::new("DELETE", "/v1/revocations/rv-nosuch");
        assert_eq!(gateway.ask_as(MASTER, over_http).await.status, 404);
        eventually("the deletion is on record", async || {
            let asked = Ask::get("/v1/audit?limit=100");
            let told = gateway.ask_as(MASTER, asked).await.json();
            let acts: Vec<[String; 4]> = told["events"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|event| event["target"].is_string() || event["target"].is_object())
                .map(|event| {
                    assert_eq!(event["principal"], "master", "{event}");
                    ["method", "rule", "target", "outcome"].map(|name| match &event[name] {
                        Value::String(text) => text.clone(),
                        other => other.to_string(),
                    })
                })
                .collect();
            let all = format!("{acts:?}");
            acts.len() == 6
                && [id, entry, "nosuchkey", "rv-nosuch"]
                    .iter()
                    .all(|name| all.contains(name))
                && acts
                    .iter()
                    .filter(|[_, rule, ..]| rule == "command_line")
                    .count()
                    == 5
        })
        .await;
        let proof = cli(path, &["audit", "verify"]);
        assert_eq!(proof.code, Some(0), "{proof:?}");
    }
}
