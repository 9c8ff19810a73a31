//! A server that is called as whoever signed in: what the provider said of them is what their
//! organisation is shown, and nothing else ever is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::ManualClock;
use portcullis_testkit::gateway::{Ask, Browser, Reply, TestGateway, TestProvider, form_token};
use portcullis_testkit::upstream::{FakeUpstream, Recorded, Reply as Answer};
use serde_json::{Value, json};
use url::Url;

use crate::support::{clock, sent};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const RESOURCE_ISSUER: &str = "https://as.example";

struct Stage {
    gateway: TestGateway,
    provider: TestProvider,
    clock: Arc<ManualClock>,
    organisation: FakeUpstream,
    upstream: FakeUpstream,
}

fn form(request: &Recorded) -> HashMap<String, String> {
    let pairs = url::form_urlencoded::parse(request.body.as_bytes());
    pairs.into_owned().collect()
}

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

impl Stage {
    async fn set() -> Self {
        let clock = clock();
        let provider = TestProvider::start(clock.clone()).await;
        let organisation = FakeUpstream::modern().await;
        let upstream = FakeUpstream::legacy().await;
        organisation.on("TOKEN", |request: &Recorded| {
            // It knows nobody but by an ID token.
            let who = claims(&form(request)["subject_token"])["sub"].clone();
            let head = json!({"alg": "ES256", "typ": "oauth-id-jag+jwt"}).to_string();
            let said = json!({"sub": who, "aud": RESOURCE_ISSUER, "exp": 4_000_000_000_u64});
            let [head, said] = [head, said.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part));
            let answer = json!({"access_token": format!("{head}.{said}.c2ln"), "token_type": "N_A",
                "expires_in": 300, "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag"});
            Answer::json(200, answer.to_string())
        });
        upstream.on("TOKEN", |request: &Recorded| {
            let who = claims(&form(request)["assertion"])["sub"].clone();
            let token = format!("for-{}", who.as_str().unwrap());
            let answer = json!({"access_token": token, "token_type": "Bearer"});
            Answer::json(200, answer.to_string())
        });
        let yaml = format!(
            "identity:\n{}mcp_servers:\n  files: {{url: \"{}\", auth_type: oauth2_id_jag, \
             id_jag_subject_source: login_assertion, token_exchange_endpoint: \"{}\", client_id: o, \
             client_secret: \"the-secret-of-the-organisation\", audience: \"{RESOURCE_ISSUER}\", \
             id_jag_resource_token_endpoint: \"{}\", id_jag_resource_client_id: r, \
             id_jag_resource_client_secret: \"the-secret-of-the-resource\"}}\n",
            provider.login("    groups: {staff: {servers: [files]}}\n"),
            upstream.url(),
            organisation.token_url(),
            upstream.token_url(),
        );
        let gateway = TestGateway::by_clock(&yaml, clock.clone()).await;
        gateway.keep_secret("of the organisation", "the-secret-of-the-organisation");
        gateway.keep_secret("of the resource", "the-secret-of-the-resource");
        Self {
            gateway,
            provider,
            clock,
            organisation,
            upstream,
        }
    }

    /// Signs in with the provider; where the browser goes on.
    async fn signs_in(&self, browser: &mut Browser, return_to: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("return_to", return_to);
        let place = format!("/login/provider?{}", query.finish());
        let away = sent(&browser.get(&place).await).to_owned();
        sent(&browser.get(&self.provider.signs_in(&away)).await).to_owned()
    }

    /// A client of this browser's person asks to be let in; the page where that waits.
    async fn client_asks(&self, browser: &mut Browser) -> (String, String, Reply) {
        let metadata =
            json!({"redirect_uris": ["https://app.test/cb"], "token_endpoint_auth_method": "none"});
        let ask = Ask::post("/register", &metadata).host(Some("localhost"));
        let client = self.gateway.anonymous().ask(ask).await.json()["client_id"]
            .as_str()
            .unwrap()
            .to_owned();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs([
            ("response_type", "code"),
            ("client_id", &client),
            ("redirect_uri", "https://app.test/cb"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("resource", "http://localhost/mcp/files"),
        ]);
        let request = format!("/authorize?{}", query.finish());
        let path = sent(&browser.get(&request).await).to_owned();
        let page = browser.get(&path).await;
        (client, path, page)
    }

    /// It is let in; its access token.
    async fn lets_in(
        &self,
        browser: &mut Browser,
        client: &str,
        path: &str,
        page: &Reply,
    ) -> String {
        let token = form_token(page, path);
        let fields = [("token", &*token), ("decision", "allow")];
        let back = browser.post(path, &fields).await;
        let back = Url::parse(sent(&back)).unwrap();
        let code = back.query_pairs().find(|(name, _)| name == "code").unwrap();
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs([
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("code", &code.1),
            ("redirect_uri", "https://app.test/cb"),
            ("code_verifier", VERIFIER),
        ]);
        let ask = Ask::new("POST", "/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.finish())
            .host(Some("localhost"));
        let reply = self.gateway.anonymous().ask(ask).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["access_token"].as_str().unwrap().to_owned()
    }

    async fn calls(&self, token: &str) -> Reply {
        let params = json!({"name": "echo", "arguments": {}});
        let ask = Ask::rpc("/mcp/files", "tools/call", &params);
        let ask = ask.bearer(token).host(Some("localhost"));
        self.gateway.anonymous().ask(ask).await
    }
}

#[tokio::test]
async fn whoever_signed_in_is_who_the_organisation_is_shown() {
    let stage = Stage::set().await;
    let mut browser = stage.gateway.browser();
    stage.signs_in(&mut browser, "/connect").await;
    let (client, path, page) = stage.client_asks(&mut browser).await;
    let token = stage.lets_in(&mut browser, &client, &path, &page).await;

    let answer = stage.calls(&token).await;
    assert!(answer.json()["result"].is_object(), "{answer:?}");
    let seen = stage.upstream.last("tools/call");
    assert_eq!(seen.all("authorization"), ["Bearer for-alice"]);
    assert_eq!(
        stage.gateway.event_of(&answer).await["credential"],
        "id-jag"
    );
    let shown = form(&stage.organisation.last("TOKEN"));
    assert_eq!(
        shown["subject_token_type"],
        "urn:ietf:params:oauth:token-type:id_token"
    );
    let id_token = shown["subject_token"].clone();
    assert_eq!(claims(&id_token)["iss"], stage.provider.url());
    // Neither the client's token nor the person's goes further than the first leg.
    for request in stage.upstream.requests() {
        let text = format!("{request:?}");
        assert!(
            !text.contains(&token) && !text.contains(&id_token),
            "{text}"
        );
    }

    // What the provider said is over: nobody is acted for, and nothing stands in for it.
    stage.clock.advance(Duration::from_secs(301));
    let asked = stage.organisation.count("TOKEN");
    let called = stage.upstream.count("tools/call");
    let late = stage.calls(&token).await;
    assert!(late.text().contains("your sign-in is too old"), "{late:?}");
    assert_eq!(
        stage.gateway.event_of(&late).await["outcome"],
        "unauthenticated"
    );
    assert_eq!(stage.organisation.count("TOKEN"), asked);
    assert_eq!(stage.upstream.count("tools/call"), called);

    // The next client is let in after a new sign-in, though the browser's session stands.
    let (client, path, login) = stage.client_asks(&mut browser).await;
    assert!(sent(&login).starts_with("/login?"), "{login:?}");
    assert_eq!(stage.signs_in(&mut browser, &path).await, path);
    let page = browser.get(&path).await;
    let token = stage.lets_in(&mut browser, &client, &path, &page).await;
    let answer = stage.calls(&token).await;
    assert!(answer.json()["result"].is_object(), "{answer:?}");
}

#[tokio::test]
async fn nobody_else_is_acted_for_and_a_sign_in_that_ended_is_over() {
    let stage = Stage::set().await;
    let mut browser = stage.gateway.browser();
    stage.signs_in(&mut browser, "/connect").await;
    let (client, path, page) = stage.client_asks(&mut browser).await;
    let token = stage.lets_in(&mut browser, &client, &path, &page).await;

    // A key is nobody who signed in, also with a token of somebody's beside it.
    let key = stage.gateway.key("bob", &["files"]).await;
    let params = json!({"name": "echo", "arguments": {}});
    for beside in [None, Some(format!("Bearer {}", stage.provider.url()))] {
        let ask = Ask::rpc("/mcp/files", "tools/call", &params);
        let ask = match &beside {
            None => ask.bearer(key.credential()),
            Some(value) => ask
                .header("x-litellm-api-key", key.credential())
                .header("authorization", value),
        };
        let refused = stage.gateway.anonymous().ask(ask).await;
        let event = stage.gateway.event_of(&refused).await;
        assert_eq!(event["outcome"], "unauthenticated", "{event}");
    }
    // Signing out ends what could be said of the sign-in.
    let page = browser.get("/connect").await;
    let out = form_token(&page, "/logout");
    browser.post("/logout", &[("token", &out)]).await;
    let late = stage.calls(&token).await;
    assert_eq!(
        stage.gateway.event_of(&late).await["outcome"],
        "unauthenticated"
    );
    assert_eq!(stage.organisation.count("TOKEN"), 0);
    assert_eq!(stage.upstream.count("tools/call"), 0);
}
