//! LiteLLM's clients: their own paths for one server, its redirect rules, and tokens of ours.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_testkit::authorization_server::FakeAuthorizationServer;
use portcullis_testkit::gateway::{Actor, Ask, Browser, Reply, TestGateway, form_token};
use portcullis_testkit::upstream::FakeUpstream;
use serde_json::{Value, json};
use url::Url;

use crate::support::{refused, sent};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const LOOPBACK: &str = "http://127.0.0.1:33418/cb";

struct Stage {
    gateway: TestGateway,
    upstream: FakeUpstream,
    authorization: FakeAuthorizationServer,
}

impl Stage {
    async fn set() -> Self {
        let upstream = FakeUpstream::legacy().await;
        let authorization = FakeAuthorizationServer::start().await;
        authorization.protects(&upstream);
        let entry = |name: &str| {
            format!(
                "  {name}: {{url: \"{}\", auth_type: oauth2, oauth2_flow: authorization_code}}\n",
                upstream.url()
            )
        };
        let yaml = format!(
            "server: {{trusted_redirect_origins: [app.test, '*.tools.test']}}\nidentity: {{authorization_server: {{}}}}\nmcp_servers:\n{}{}",
            entry("files"),
            entry("other")
        );
        let gateway = TestGateway::start(&yaml).await;
        Self {
            gateway,
            upstream,
            authorization,
        }
    }

    async fn person(&self) -> (Actor, Browser) {
        let actor = self.gateway.key("alice", &["files", "other"]).await;
        let mut browser = self.gateway.browser();
        browser.signs_in_with(actor.credential(), "/connect").await;
        (actor, browser)
    }

    async fn registers(&self, at: &str, redirect_uris: &[&str]) -> Reply {
        let body = json!({"client_name": "Client", "redirect_uris": redirect_uris, "token_endpoint_auth_method": "none"});
        let ask = Ask::post(at, &body).host(Some("localhost"));
        self.gateway.anonymous().ask(ask).await
    }

    async fn client(&self, redirect_uri: &str) -> String {
        let reply = self.registers("/files/register", &[redirect_uri]).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()["client_id"].as_str().unwrap().to_owned()
    }

    async fn token(&self, at: &str, fields: &[(&str, &str)]) -> Reply {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let ask = Ask::new("POST", at)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.finish())
            .host(Some("localhost"));
        self.gateway.anonymous().ask(ask).await
    }

    /// From the connect page upstream and back to where the flow goes on.
    async fn connects(&self, browser: &mut Browser, place: &str) -> Reply {
        let page = browser.get(place).await;
        let token = form_token(&page, "/connect/files");
        let text = page.text();
        let (_, back) = text.split_once("name=\"return_to\" value=\"").unwrap();
        let back = back.split('"').next().unwrap();
        let fields = [("token", &*token), ("act", "connect"), ("return_to", back)];
        let reply = browser.post("/connect/files", &fields).await;
        let url = Url::parse(sent(&reply)).unwrap();
        browser.get(&self.authorization.sends_back(&url)).await
    }
}

fn request(at: &str, client: &str, redirect_uri: &str, more: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs([
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", redirect_uri),
        ("state", "s-1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    query.extend_pairs(more);
    format!("{at}?{}", query.finish())
}

async fn allows(browser: &mut Browser, path: &str) -> Reply {
    let page = browser.get(path).await;
    let token = form_token(&page, path);
    browser
        .post(path, &[("token", &*token), ("decision", "allow")])
        .await
}

fn parameter(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).unwrap();
    url.query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

fn payload(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

async fn call(stage: &Stage, token: &str) -> u16 {
    let ask = Ask::rpc(
        "/files/mcp",
        "tools/call",
        &json!({"name": "echo", "arguments": {}}),
    );
    stage
        .gateway
        .bearer(token)
        .ask(ask.host(Some("localhost")))
        .await
        .status
}

#[tokio::test]
async fn a_client_of_the_relay_gets_tokens_of_ours_after_its_person_connected() {
    let stage = Stage::set().await;
    let (_, mut browser) = stage.person().await;
    let client = stage.client(LOOPBACK).await;
    let begun = browser
        .get(&request("/files/authorize", &client, LOOPBACK, &[]))
        .await;
    let path = sent(&begun).to_owned();
    let page = browser.get(&path).await;
    assert!(
        page.text().contains("<strong><bdi>files</bdi></strong>"),
        "{page:?}"
    );
    // Consent first, then the redirect to somebody else, then the code.
    assert!(stage.authorization.asked().is_empty());
    let agreed = allows(&mut browser, &path).await;
    let place = sent(&agreed).to_owned();
    assert!(place.starts_with("/connect/files?return_to="), "{place}");
    let back = stage.connects(&mut browser, &place).await;
    let back = sent(&back).to_owned();
    assert!(back.starts_with(&format!("{path}?agreed=")), "{back}");
    // In another browser of another person what was agreed to says nothing.
    let mallory = stage.gateway.key("mallory", &["files"]).await;
    let mut other = stage.gateway.browser();
    other.signs_in_with(mallory.credential(), "/connect").await;
    assert!(other.get(&back).await.text().contains("name=\"decision\""));
    let done = browser.get(&back).await;
    let done = sent(&done).to_owned();
    assert!(done.starts_with(LOOPBACK), "{done}");
    assert_eq!(parameter(&done, "state").as_deref(), Some("s-1"));
    let code = parameter(&done, "code").unwrap();

    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", &*client),
        ("code", &*code),
        ("redirect_uri", LOOPBACK),
        ("code_verifier", VERIFIER),
    ];
    let given = stage.token("/files/token", &fields).await;
    assert_eq!(given.status, 200, "{given:?}");
    let token = given.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(payload(&token)["aud"], "http://localhost/files/mcp");
    assert_eq!(call(&stage, &token).await, 200);
    let seen = stage.upstream.last("tools/call");
    let theirs = seen
        .header("authorization")
        .unwrap()
        .strip_prefix("Bearer ")
        .unwrap();
    assert_ne!(theirs, token);
    stage.gateway.keep_secret("the upstream's token", theirs);
    // Connected once, the next flow goes straight to the code.
    let begun = browser
        .get(&request("/files/authorize", &client, LOOPBACK, &[]))
        .await;
    let path = sent(&begun).to_owned();
    let straight = allows(&mut browser, &path).await;
    assert!(sent(&straight).starts_with(LOOPBACK), "{straight:?}");
    stage.gateway.stands().await;
}

#[tokio::test]
async fn a_code_goes_to_the_own_origin_loopback_and_trusted_origins_and_nowhere_else() {
    let stage = Stage::set().await;
    let (_, mut browser) = stage.person().await;
    for good in [
        "http://localhost/ui/mcp/oauth/callback",
        "http://localhost:9999/cb",
        "http://127.0.0.1:1234/cb",
        "http://127.8.9.10/cb",
        "http://[::1]:1234/cb",
        "https://app.test/cb",
        "https://a.tools.test/cb",
    ] {
        let client = stage.client(good).await;
        let begun = browser
            .get(&request("/files/authorize", &client, good, &[]))
            .await;
        assert!(sent(&begun).starts_with("/authorize/"), "{good}: {begun:?}");
    }
    for evil in [
        "https://evil.test/cb",
        "https://localhost.evil/cb",
        "http://localhost@evil.test/cb",
        "http://app.test/cb",
        "https://app.test:8443/cb",
        "https://app.test.evil/cb",
        "https://tools.test/cb",
        "https://eviltools.test/cb",
        "https://a.tools.test.evil/cb",
        "http://127.0.0.1.evil/cb",
        "http://0.0.0.0/cb",
        "http://127.1/cb",
        "http://2130706433/cb",
        "https://app.test/cb#x",
        "javascript:alert(1)",
        "cursor://anysphere/cb",
        "//app.test/cb",
    ] {
        let reply = stage.registers("/files/register", &[LOOPBACK, evil]).await;
        assert_eq!(reply.status, 400, "{evil}: {reply:?}");
        assert_eq!(reply.json()["error"], "invalid_redirect_uri", "{evil}");
        // Registered at the front door, where other rules hold, it is still not the relay's.
        let anywhere = stage.registers("/register", &[evil]).await;
        let client = match anywhere.status {
            201 => anywhere.json()["client_id"].as_str().unwrap().to_owned(),
            _ => "nobody".to_owned(),
        };
        let page = browser
            .get(&request("/files/authorize", &client, evil, &[]))
            .await;
        assert_eq!(
            (page.status, page.header("location")),
            (400, None),
            "{evil}: {page:?}"
        );
        assert_eq!(
            stage.gateway.event_of(&page).await["rule"],
            "redirect_rejected",
            "{evil}"
        );
    }
    stage.gateway.stands().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_request_leads_nowhere() {
    let stage = Stage::set().await;
    let (_, mut browser) = stage.person().await;
    let client = stage.client(LOOPBACK).await;
    // RED-07, RED-09: two of a kind, an unknown client, an address that it did not register.
    let twice = request(
        "/files/authorize",
        &client,
        LOOPBACK,
        &[("redirect_uri", "https://app.test/cb")],
    );
    let unknown = request("/files/authorize", "nobody", LOOPBACK, &[]);
    let unregistered = request("/files/authorize", &client, "https://app.test/cb", &[]);
    let elsewhere = request(
        "/files/authorize",
        &client,
        LOOPBACK,
        &[("resource", "http://localhost/other/mcp")],
    );
    let without = "/files/authorize?response_type=code";
    // PKCE is required, and whoever registered itself is sent nothing before a person has decided.
    let plain = request("/files/authorize", &client, LOOPBACK, &[]).replace("S256", "plain");
    for path in [
        &*twice,
        &*unknown,
        &*unregistered,
        &*elsewhere,
        without,
        &*plain,
    ] {
        let page = browser.get(path).await;
        refused(&page, 400, "This application cannot be let in");
    }
    stage.gateway.stands().await;
}

#[tokio::test]
async fn a_code_of_one_server_is_not_redeemed_at_another() {
    let stage = Stage::set().await;
    let (_, mut browser) = stage.person().await;
    let client = stage.client(LOOPBACK).await;
    let at = "/v1/mcp/server/oauth/files/authorize";
    let begun = browser.get(&request(at, &client, LOOPBACK, &[])).await;
    let path = sent(&begun).to_owned();
    let place = sent(&allows(&mut browser, &path).await).to_owned();
    let back = sent(&stage.connects(&mut browser, &place).await).to_owned();
    let done = sent(&browser.get(&back).await).to_owned();
    let code = parameter(&done, "code").unwrap();
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", &*client),
        ("code", &*code),
        ("redirect_uri", LOOPBACK),
        ("code_verifier", VERIFIER),
    ];
    let refused = stage.token("/other/token", &fields).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert_eq!(refused.json()["error"], "invalid_target", "{refused:?}");
    let with = [&fields[..], &[("resource", "http://localhost/other/mcp")]].concat();
    let refused = stage.token("/files/token", &with).await;
    assert_eq!(refused.json()["error"], "invalid_target", "{refused:?}");
    stage.gateway.stands().await;
}

#[tokio::test]
async fn litellms_credential_endpoints_are_about_the_callers_own_and_nobody_elses() {
    let stage = Stage::set().await;
    let (alice, mut browser) = stage.person().await;
    let bob = stage.gateway.key("bob", &["files"]).await;
    let path = "/v1/mcp/server/files/oauth-user-credential";
    let status = format!("{path}/status");
    let of = async |actor: &Actor| {
        let reply = actor.ask(Ask::get(&status)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    };
    let none = json!({"server_id": "files", "has_credential": false, "expires_at": null, "is_expired": false, "connected_at": null});
    assert_eq!(of(&alice).await, none);
    let page = browser.get("/connect/files").await;
    let token = form_token(&page, "/connect/files");
    let reply = browser
        .post("/connect/files", &[("token", &*token), ("act", "connect")])
        .await;
    let url = Url::parse(sent(&reply)).unwrap();
    browser.get(&stage.authorization.sends_back(&url)).await;
    let connected = of(&alice).await;
    assert_eq!(
        (&connected["has_credential"], &connected["is_expired"]),
        (&json!(true), &json!(false))
    );
    assert!(connected["connected_at"].is_string() && connected["expires_at"].is_string());
    assert_eq!(of(&bob).await, none);
    assert_eq!(
        of(&stage.gateway.admin().await).await,
        none,
        "an administrator's own, too"
    );

    // There is no client of ours in the file: a token is nobody's here, and nothing is kept.
    let body = json!({"access_token": "theirs", "expires_in": 60});
    let kept = bob.ask(Ask::post(path, &body)).await;
    assert_eq!(kept.status, 403, "{kept:?}");
    assert_eq!(
        kept.json()["detail"]["error"],
        "oauth_identity_binding_enforced"
    );
    assert_eq!(of(&bob).await, none);
    for unseen in ["nothing", "other"] {
        let path = format!("/v1/mcp/server/{unseen}/oauth-user-credential/status");
        assert_eq!(bob.ask(Ask::get(&path)).await.status, 404);
    }
    assert_eq!(
        stage
            .gateway
            .anonymous()
            .ask(Ask::get(&status))
            .await
            .status,
        401
    );

    let gone = bob.ask(Ask::new("DELETE", path)).await;
    assert_eq!((gone.status, gone.json()), (200, none.clone()));
    assert_eq!(of(&alice).await["has_credential"], true);
    let gone = alice.ask(Ask::new("DELETE", path)).await;
    assert_eq!((gone.status, gone.json()), (200, none));
    assert!(!stage.authorization.at("/revoke").is_empty());
    stage.gateway.stands().await;
}

#[tokio::test]
async fn a_grant_to_the_operators_own_client_may_be_brought_if_it_keeps_the_rules() {
    let upstream = FakeUpstream::legacy().await;
    let authorization = FakeAuthorizationServer::start().await;
    authorization.knows("ours", Some("the-client-secret"), "client_secret_post");
    let origin = authorization.origin();
    let yaml = format!(
        "mcp_servers:\n  files: {{url: \"{}\", auth_type: oauth2, oauth2_flow: authorization_code, client_id: ours, client_secret: the-client-secret, authorization_url: \"{origin}/authorize\", token_url: \"{origin}/token\", token_validation: {{team.id: T1}}}}\n",
        upstream.url()
    );
    let gateway = TestGateway::start(&yaml).await;
    gateway.keep_secret("the grant", "brought-by-alice");
    let alice = gateway.key("alice", &["files"]).await;
    let path = "/v1/mcp/server/files/oauth-user-credential";
    let refused = async |body: Value, field: &str| {
        let refused = alice.ask(Ask::post(path, &body)).await;
        assert_eq!(refused.status, 403, "{refused:?}");
        let detail = refused.json()["detail"].clone();
        assert_eq!(
            (&detail["error"], &detail["field"]),
            (&json!("token_validation_failed"), &json!(field))
        );
        assert!(!refused.text().contains("T2-of-another"), "{refused:?}");
        let none = alice.ask(Ask::get(path)).await;
        assert_eq!(none.json()["has_credential"], false);
    };
    // What the caller says of the grant proves nothing, so there has to be somebody to ask.
    let claimed = |refresh: Option<&str>| json!({"access_token": "brought-by-alice", "refresh_token": refresh, "expires_in": 3600, "scopes": ["read"], "team": {"id": "T1"}});
    refused(claimed(None), "refresh_token").await;
    assert!(authorization.token_forms().is_empty());
    refused(claimed(Some("made-up")), "refresh_token").await;
    let of_others = authorization.grants("another-client", &upstream.url());
    refused(claimed(Some(&of_others)), "refresh_token").await;
    for team in [json!({"id": "T2-of-another"}), json!({}), json!(null)] {
        authorization.manners(|manners| manners.also = json!({"team": team}));
        let refresh = authorization.grants("ours", &upstream.url());
        refused(claimed(Some(&refresh)), "team.id").await;
    }
    for nonsense in [
        json!({}),
        json!({"access_token": ""}),
        json!({"access_token": "a b"}),
        json!({"access_token": 1}),
    ] {
        assert_eq!(
            alice.ask(Ask::post(path, &nonsense)).await.status,
            400,
            "{nonsense}"
        );
    }
    let none = alice.ask(Ask::get(path)).await;
    assert_eq!(none.json()["has_credential"], false);
    // What the authorization server says counts, and nothing else is kept.
    authorization.manners(|manners| manners.also = json!({"team": {"id": "T1"}}));
    let refresh = authorization.grants("ours", &upstream.url());
    let mut body = claimed(Some(&refresh));
    body["team"] = json!({"id": "T2-of-another"});
    let kept = alice.ask(Ask::post(path, &body)).await;
    assert_eq!(
        (kept.status, &kept.json()["has_credential"]),
        (200, &json!(true)),
        "{kept:?}"
    );
    let ask = json!({"server_id": "files", "name": "echo", "arguments": {}});
    assert_eq!(
        alice
            .ask(Ask::post("/mcp-rest/tools/call", &ask))
            .await
            .status,
        200
    );
    let seen = upstream.last("tools/call");
    let presented = seen.header("authorization").unwrap();
    let token = presented.strip_prefix("Bearer ").unwrap();
    assert!(authorization.stands_behind(token), "{token}");
    gateway.stands().await;
}
