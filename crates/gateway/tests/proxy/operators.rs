//! What its operator does with it: starts it, changes the map, revokes.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_map_in_a_file_is_read_again_and_a_bad_one_changes_nothing() {
    let secrets = tempfile::tempdir().unwrap();
    let file = secrets.path().join("map.json");
    std::fs::write(&file, map().to_string()).unwrap();
    let reference = format!("file:{}", file.display());
    let header = ["--key-header", "X-Internal-Key"];
    let mut stage = Stage::with(Era::Legacy, &reference, &header).await;
    let bob = stage.token(json!({"sub": "bob", "scope": "read:data"}));
    assert_eq!(stage.call(&bob, "echo").await.status, 200);
    let last = stage.upstream.last("tools/call");
    assert_eq!(last.header("x-internal-key"), Some(READ_KEY));
    assert_eq!(last.header("authorization"), None, "the token stays here");

    let next = json!({"bob": {"key": "internal-canary-next-9Jh4", "scopes": ["read:data"]}});
    stage.secrets.push("internal-canary-next-9Jh4".to_owned());
    std::fs::write(&file, next.to_string()).unwrap();
    stage.proxy.wait_for("keys reloaded");
    assert_eq!(stage.call(&bob, "echo").await.status, 200);
    let last = stage.upstream.last("tools/call");
    assert_eq!(
        last.header("x-internal-key"),
        Some("internal-canary-next-9Jh4")
    );
    let alice = stage.token(json!({"scope": "read:data write:data"}));
    is_refused(&stage.call(&alice, "echo").await, 403, "");

    std::fs::write(&file, "{}").unwrap();
    stage.proxy.wait_for("keys refused");
    assert_eq!(
        stage.call(&bob, "echo").await.status,
        200,
        "the old map stays"
    );
    stage.log();
}

/// What was stolen is refused by the proxy that runs, by its store alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_subject_is_revoked_in_the_store_of_the_proxy() {
    let mut stage = Stage::set().await;
    let (alice, bob) = (
        stage.token(json!({"scope": "read:data write:data"})),
        stage.token(json!({"sub": "bob", "scope": "read:data"})),
    );
    assert_eq!(stage.call(&alice, "echo").await.status, 200);
    let issuer = stage.issuer.url();
    let folder = stage.folder.path().to_owned();
    let revoke = |args: &[&str]| {
        let line = [&["revoke"], args, &["--store", "portcullis-proxy.db"]].concat();
        run(PORTCULLIS, &folder, &line, &[])
    };
    let made = revoke(&["--issuer", &issuer, "--sub", "alice"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    eventually("alice is refused", async || {
        stage.call(&alice, "echo").await.status == 401
    })
    .await;
    assert_eq!(stage.call(&bob, "echo").await.status, 200);
    assert!(revoke(&["list"]).stdout.contains("alice"));
    let nowhere = ["revoke", "list", "--store", "nowhere.db"];
    let nowhere = run(PORTCULLIS, &folder, &nowhere, &[]);
    assert_eq!(nowhere.code, Some(2), "{nowhere:?}");
    assert!(!folder.join("nowhere.db").exists());
    stage.log();
}

fn refused(upstream: &str, map: Option<&str>, more: &[&str]) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let mut args = vec!["proxy", "--upstream", upstream, "--issuer"];
    args.extend(["https://idp.example", "--audience", AUDIENCE, "--port", "0"]);
    args.extend(more);
    let env: Vec<(&str, &str)> = map
        .map(|map| ("MCP_PROXY_KEY_MAP", map))
        .into_iter()
        .collect();
    let finished = run(PORTCULLIS, folder.path(), &args, &env);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "nothing was done: {finished:?}");
    finished
}

#[test]
fn what_is_wrong_is_told_before_the_start_by_the_option_that_says_it() {
    let good = map().to_string();
    let typo = r#"{"alice": {"key": "internal-canary-x", "scope": []}}"#;
    let unbound =
        r#"{"client_id:batch": {"key": "internal-canary-x", "scopes": ["r"], "requires": []}}"#;
    for (map, more, said) in [
        (None, &[][..], "MCP_PROXY_KEY_MAP is not set"),
        (Some("{}"), &[], "the map is empty"),
        (Some("file:/no/such/file"), &[], "cannot read /no/such/file"),
        (Some(typo), &[], "did you mean `scopes`?"),
        (
            Some(unbound),
            &[],
            "`client_id:batch`: tokens without r would call every tool",
        ),
        (
            Some(&good),
            &["--tool-scope", "echo"],
            "--tool-scope \"echo\"",
        ),
        (
            Some(&good),
            &["--jwks-uri", "nonsense"],
            "error: --jwks-uri: ",
        ),
        (
            Some(&good),
            &["--algorithm", "HS256"],
            "error: --algorithm: ",
        ),
        (
            Some(&good),
            &["--key-header", "Host"],
            "--key-header \"Host\"",
        ),
    ] {
        let told = refused("http://127.0.0.1:1/mcp", map, more);
        assert!(told.stderr.contains(said), "{said}: {told:?}");
        assert!(!told.said().contains("internal-canary"), "{told:?}");
    }
    let told = refused("http://upstream.example/mcp", Some(&good), &[]);
    assert!(
        told.stderr.contains("error: --upstream: plain http"),
        "{told:?}"
    );
    assert!(told.stderr.contains("--allow-insecure-http"), "{told:?}");
}
