use portcullis_identity::authorization_server::Refusal;
use portcullis_oauth::authorization_server::OAuthFault;
use portcullis_testkit::gateway::Ask;
use url::Url;

use super::stage::{CALLBACK, CHALLENGE, ORIGIN, Stage, encoded, parameters, query};

/// The error of a refusal that sends the browser nowhere.
async fn page(stage: &Stage, query: &str) -> OAuthFault {
    match stage.begin(query).await.unwrap_err() {
        Refusal::Page { fault, .. } => fault,
        other => panic!("{query}: {other:?}"),
    }
}

async fn redirected(stage: &Stage, query: &str) -> Url {
    match stage.begin(query).await.unwrap_err() {
        Refusal::Redirect { to, .. } => to,
        other => panic!("{query}: {other:?}"),
    }
}

/// RFC 9207: a client that knows us by one of our endpoints is answered in that name, and nobody in
/// anybody else's.
#[tokio::test]
async fn a_client_is_answered_by_the_issuer_that_it_asked() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let anonymous = stage.gateway.anonymous();
    let document = Ask::get("/.well-known/oauth-authorization-server/mcp/support");
    let document = anonymous.ask(document).await.json();
    let asks = Url::parse(document["authorization_endpoint"].as_str().unwrap()).unwrap();
    let issuer = parameters(&asks)["issuer"].clone();
    assert_eq!(document["issuer"], issuer);
    let asked = query(&client, &[("issuer", &issuer)]);
    let to = stage.approved(&stage.alice, &asked).await;
    assert_eq!(parameters(&to)["iss"], issuer);
    let given = stage.exchange(&client, &parameters(&to)["code"]).await;
    assert_eq!(given.status, 200, "{given:?}");
    let refused = stage.begin(&query(&client, &[("issuer", &issuer)])).await;
    let denied = stage.server().deny(&refused.unwrap(), ORIGIN).await;
    assert_eq!(parameters(&denied.unwrap())["iss"], issuer);
    for other in [
        "https://evil.example",
        "http://localhost.evil/mcp",
        "http://localhost/login",
        "http://localhost/mcp/support/..",
        "http://localhost/mcp#x",
    ] {
        let fault = page(&stage, &query(&client, &[("issuer", other)])).await;
        assert_eq!(fault.code, "invalid_request", "{other}");
    }
}

/// RED-02, RED-04, RED-05, RED-09: nobody is sent where no known client asked to be.
#[tokio::test]
async fn a_browser_is_sent_only_where_its_client_is_registered() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let with = |client: &str, redirect: &str| {
        encoded(&[
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", redirect),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ])
    };
    for redirect in [
        "https://app.test/cb",
        CALLBACK,
        "http://localhost:1/cb",
        "http://localhost/cb",
    ] {
        assert!(
            stage.begin(&with(&client, redirect)).await.is_ok(),
            "{redirect}"
        );
    }
    for redirect in [
        "",
        "https://app.test.evil/cb",
        "https://evil/app.test/cb",
        "https://xapp.test/cb",
        "https://app.test./cb",
        "https://app.test%2eevil/cb",
        "https://app.test:8443/cb",
        "https://app.test/cb/",
        "https://app.test/cb?x=1",
        "https://app.test/cb#x",
        "http://app.test/cb",
        "http://localhost.evil:7777/cb",
        "http://localhost:7777@evil/cb",
        "http://127.0.0.1:7777/cb",
        "http://127.1:7777/cb",
        "http://[::1]:7777/cb",
        "javascript:alert(1)",
    ] {
        let fault = page(&stage, &with(&client, redirect)).await;
        assert_eq!(fault.code, "invalid_request", "{redirect}");
    }
    for unknown in [
        "",
        "nobody",
        "pc_client_AAAAAAAAAAAAAAAAAAAAAA",
        &"x".repeat(5000),
    ] {
        let fault = page(&stage, &with(unknown, CALLBACK)).await;
        assert_eq!(fault.code, "invalid_client", "RED-09 {unknown}");
    }
}

/// RED-07.
#[tokio::test]
async fn a_parameter_that_is_there_twice_is_read_by_nobody() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    for (name, value) in [
        ("redirect_uri", CALLBACK),
        ("redirect_uri", "https://evil.test/"),
        ("client_id", client.as_str()),
        ("state", "other"),
        ("resource", "http://localhost/mcp"),
        ("code_challenge", CHALLENGE),
        ("scope", "read"),
    ] {
        let first = [(name, value)];
        let twice = query(&client, &[(name, value), (name, value)]);
        let fault = page(&stage, &twice).await;
        assert_eq!(fault.code, "invalid_request", "{name}");
        let before = format!("{}&{}", encoded(&first), query(&client, &first));
        assert_eq!(
            page(&stage, &before).await.code,
            "invalid_request",
            "{name}"
        );
    }
    let odd = format!("{}&redirect_uri[]=https://evil.test/", query(&client, &[]));
    assert!(stage.begin(&odd).await.is_ok(), "no such parameter");
}

/// PKCE-01, PKCE-19, PKCE-26: the client is told what is wrong, with its state and our name.
#[tokio::test]
async fn a_known_client_is_told_what_is_wrong_with_its_request() {
    let stage = Stage::with(
        "  authorization_server:\n    clients:\n      \
         - {client_id: listed, redirect_uris: [\"http://localhost:7777/cb\"]}\n",
    )
    .await;
    let client = "listed";
    let registered = stage.client().await;
    let base = [
        ("client_id", client),
        ("redirect_uri", CALLBACK),
        ("state", "xyz"),
    ];
    let good = [
        ("response_type", "code"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let without = |name: &str| -> Vec<(&str, &str)> {
        let kept = good.iter().filter(|(other, _)| *other != name);
        base.iter().chain(kept).copied().collect()
    };
    let with = |name: &'static str, value: &'static str| {
        let mut all = without(name);
        all.push((name, value));
        all
    };
    for (pairs, error) in [
        (without("code_challenge"), "invalid_request"),
        (without("code_challenge_method"), "invalid_request"),
        (without("response_type"), "invalid_request"),
        (with("code_challenge_method", "plain"), "invalid_request"),
        (with("code_challenge_method", "s256"), "invalid_request"),
        (with("code_challenge", "short"), "invalid_request"),
        (with("response_type", "token"), "unsupported_response_type"),
        (
            with("response_type", "id_token"),
            "unsupported_response_type",
        ),
        (with("request", "e30.e30."), "request_not_supported"),
        (
            with("request_uri", "http://127.0.0.1:9/sink"),
            "request_uri_not_supported",
        ),
        (with("resource", "https://other.test/mcp"), "invalid_target"),
        (with("resource", "http://localhost/mcp#f"), "invalid_target"),
        (
            with("resource", "http://localhost/v1/audit"),
            "invalid_target",
        ),
        (with("prompt", "none"), "interaction_required"),
        (with("scope", "a\"b"), "invalid_scope"),
    ] {
        let to = redirected(&stage, &encoded(&pairs)).await;
        assert!(to.as_str().starts_with(CALLBACK), "{to}");
        let back = parameters(&to);
        assert_eq!(back["error"], error, "{pairs:?}");
        assert_eq!(back["state"], "xyz");
        assert_eq!(back["iss"], ORIGIN);
        assert!(!back.contains_key("code"));
        // RFC 9700 §4.11.2: a client that nobody wrote down sends no browser anywhere by our name.
        let mut theirs = pairs.clone();
        theirs[0].1 = &registered;
        assert_eq!(page(&stage, &encoded(&theirs)).await.code, error);
        let ask = Ask::get(&format!("/authorize?{}", encoded(&theirs)));
        let reply = stage.gateway.anonymous().ask(ask).await;
        assert_eq!((reply.status, reply.header("location")), (400, None));
    }
    let long = "x".repeat(2049);
    let fault = page(&stage, &query(client, &[]).replace("af0ifjsldkj", &long)).await;
    assert_eq!(fault.code, "invalid_request", "a state that is too long");
}

/// PKCE-29: which names there are is told whoever signed in, and nobody before.
#[tokio::test]
async fn an_endpoint_that_leads_nowhere_is_told_after_the_sign_in_only() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let bob = stage.gateway.key("bob", &["support"]).await;
    for (resource, granted) in [
        ("http://localhost/mcp/support", true),
        ("http://localhost/support/mcp/", true),
        ("http://localhost", true),
        ("http://localhost/mcp/private", false),
        ("http://localhost/mcp/nowhere", false),
        ("http://localhost/mcp/support,private", false),
    ] {
        let to = stage
            .approved(&bob, &query(&client, &[("resource", resource)]))
            .await;
        let back = parameters(&to);
        assert_eq!(back.contains_key("code"), granted, "{resource}");
        if !granted {
            assert_eq!(back["error"], "invalid_target", "{resource}");
        }
    }
}
