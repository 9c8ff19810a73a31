//! Without a server: what is left to do before others may come.

use super::*;

async fn checklist(text: &str, more: &[&str]) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("c.yaml"), text).unwrap();
    let nobody = Nobody::there();
    let url = format!("http://{}", nobody.address());
    let mut args = vec!["doctor", "-c", "c.yaml"];
    if more.is_empty() {
        args.extend(["--url", &url]);
    }
    args.extend(more);
    let told = portcullis(folder.path(), &args).await;
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "{told:?}"
    );
    Finished {
        stdout: told.stdout.replace(&url, "http://NOBODY"),
        ..told
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_fit_for_others_is_told_so() {
    let (upstream, issuer) = (FakeUpstream::legacy().await, TestIssuer::start().await);
    let entry = issuer.entry("    max_token_lifetime: 1h\n    servers: [it]\n");
    let text = format!(
        "{}    tool_scopes: {{'it/*': [read]}}\nidentity:\n  issuers:\n{entry}audit: {{log_requests: true}}\n",
        bearer(&upstream.url())
    );
    let told = checklist(&text, &[]).await;
    let golden = "\
✓ configuration  c.yaml loads without errors
✓ server_auth    1 server, each called with a credential
✓ credentials    had for 1 server
✓ servers        asked 1 server: each answers and lists its tools
✓ tls            listens on loopback only
✓ issuers        asked 1 issuer: each can be believed, and tokens are short-lived
✓ mapping        every grant names what it grants
✓ logging        each request is on record, also as a line of the log
! limits         connections, bodies and guesses are bounded; how often one caller asks is not
                 → write `limits: {defaults: {key: {rpm_limit: 600}}}`, or what your callers need
✓ secrets        the file refers to its secrets and holds none
✓ relaxations    nothing is relaxed
– end_to_end     no gateway answers at http://NOBODY
                 → start it and ask again, with --url if it is elsewhere
nothing is broken; what is marked ! is advice
";
    assert_eq!(told.stdout, golden, "{told:?}");
    assert_eq!(told.code, Some(0));
}

/// A token of the gateway's own, and what callers bring, are credentials too.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_signed_for_or_gets_the_callers_headers_is_not_called_bare() {
    let nobody = Nobody::there();
    let bare = "! server_auth    `it` is called without any credential";
    let signer = "guardrails:\n  - guardrail_name: s\n    litellm_params: {guardrail: mcp_jwt_signer, mode: pre_mcp_call, default_on: true, issuer: 'https://gateway.example'}\n";
    for (entry, more, said) in [
        ("", "", bare),
        (
            ", extra_headers: [x-user-token]",
            "",
            "✓ server_auth    1 server, each called with a credential or what its callers bring",
        ),
        (
            "",
            signer,
            "✓ server_auth    1 server, each called with a credential\n",
        ),
    ] {
        let text = format!(
            "general_settings: {{master_key: sk-{SECRET}}}\nmcp_servers:\n  it: {{url: '{}'{entry}}}\n{more}",
            nobody.url(),
        );
        let told = checklist(&text, &[]).await;
        assert!(told.stdout.contains(said), "{said}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_stay_so_is_told_with_what_to_do() {
    let nobody = Nobody::there();
    let issuer = TestIssuer::start().await;
    issuer.answers(500, "broken");
    let text = format!(
        "server: {{host: 0.0.0.0}}\ngeneral_settings: {{master_key: sk-{SECRET}}}\nmcp_servers:\n  it: {{url: '{}'}}\nidentity:\n  issuers:\n{}",
        nobody.url(),
        issuer.entry("    all_servers: true\n")
    );
    let told = checklist(&text, &[]).await;
    assert_eq!(told.code, Some(1), "{told:?}");
    for line in [
        "! configuration  c.yaml loads without errors, with ",
        "! server_auth    `it` is called without any credential",
        "✗ servers        server `it`: is unreachable",
        "✗ tls            listens on 0.0.0.0 in the clear",
        "[server.tls, c.yaml:1]",
        "✗ issuers        http://",
        "status 500",
        "! mapping        every bearer of http://",
        "! logging        ",
        "! secrets        1 secret in the file",
        "[general_settings.master_key, c.yaml:2]",
        "! relaxations    ",
        "not ready: mend what is marked ✗",
    ] {
        assert!(told.stdout.contains(line), "{line}: {}", told.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_gateway_is_asked_what_its_callers_see() {
    let upstream = FakeUpstream::legacy().await;
    let text = format!(
        "general_settings: {{master_key: os.environ/KEY}}\n{}",
        bearer(&upstream.url())
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("c.yaml"), &text).unwrap();
    let key = "sk-doctor-0123456789abcdef";
    let env = [("SECRET", SECRET), ("KEY", key)];
    let args = ["--config", "c.yaml", "--port", "0"];
    let gateway = Process::serve(PORTCULLIS, folder.path(), &args, &env);
    let url = format!("http://{}", gateway.address());
    let told = checklist(&text, &["--url", &url]).await;
    assert!(
        told.stdout.contains("! end_to_end     the gateway at"),
        "{told:?}"
    );
    let told = checklist(&text, &["--url", &url, "--key", key]).await;
    assert!(
        told.stdout.contains("lists 2 tools to the caller"),
        "{told:?}"
    );
    assert!(!told.said().contains(key), "{told:?}");
    let told = checklist(&text, &["--url", &url, "--key", "sk-nobodys-key"]).await;
    assert!(told.stdout.contains("✗ end_to_end"), "{told:?}");
    assert_eq!(told.code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_online_asks_issuers_for_keys_and_introspection() {
    let (keys, opaque) = (TestIssuer::start().await, TestIssuer::start().await);
    let asks = format!(
        "    introspection: {{url: '{}/introspect', client_id: gateway, client_secret: os.environ/SECRET}}\n",
        opaque.url()
    );
    let text = format!(
        "identity:\n  issuers:\n{}{}",
        keys.entry(""),
        opaque.entry(&asks)
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("c.yaml"), text).unwrap();
    let args = ["check", "c.yaml", "--online"];
    let told = portcullis(folder.path(), &args).await;
    assert_eq!(told.code, Some(0), "{told:?}");
    for issuer in [&keys, &opaque] {
        let line = format!("issuer `{}`: answers", issuer.url());
        assert!(told.stdout.contains(&line), "{told:?}");
    }
    assert_eq!(keys.key_requests(), 1);
    assert_eq!(opaque.introspections().len(), 1);

    keys.calls_itself("https://somebody.else");
    opaque.answers(401, "who are you");
    let json = ["check", "c.yaml", "--online", "--output", "json"];
    let told = portcullis(folder.path(), &json).await;
    assert_eq!(told.code, Some(2), "{told:?}");
    let asked = &told.json()["online_issuers"];
    assert_eq!(
        (&asked[0]["ok"], &asked[1]["ok"]),
        (&false.into(), &false.into())
    );
    let problem = |at: usize| asked[at]["problem"].as_str().unwrap().to_owned();
    assert!(problem(0).contains("not this issuer's"), "{asked}");
    assert!(problem(1).contains("status 401"), "{asked}");
}
