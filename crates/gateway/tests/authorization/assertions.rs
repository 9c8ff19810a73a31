use portcullis_testkit::gateway::{MockServer, Reply, TestGateway, TestIssuer};
use serde_json::{Value, json};
use std::sync::Arc;

use portcullis_core::ManualClock;

use super::stage::{error_of, form_ask, read};

const SECRET: &str = "a-secret-of-the-agent-client";
const NOW: i64 = 1_800_000_000;

/// A gateway whose issuer decides for its people, and a client with a secret.
struct Desk {
    gateway: TestGateway,
    issuer: TestIssuer,
    _mock: MockServer,
}

impl Desk {
    async fn new(rest: &str) -> Self {
        Self::with_login(rest, |_| String::new()).await
    }

    /// The same, with `private` for callers in 10.0.0.0/8 alone.
    async fn with_a_side(rest: &str) -> Self {
        const SIDES: &str = "general_settings:\n  use_x_forwarded_for: true\n  \
            mcp_trusted_proxy_ranges: ['127.0.0.0/8']\n  mcp_internal_ip_ranges: ['10.0.0.0/8']\n";
        let hidden = "    available_on_public_internet: false\n    allow_all_keys: true\n";
        Self::of(SIDES, hidden, rest, |_| String::new()).await
    }

    /// The same, with lines of `identity.login`.
    async fn with_login(rest: &str, login: fn(&TestIssuer) -> String) -> Self {
        Self::of("", "", rest, login).await
    }

    async fn of(top: &str, hidden: &str, rest: &str, login: fn(&TestIssuer) -> String) -> Self {
        let (issuer, mock) = (TestIssuer::start().await, MockServer::start().await);
        let entry = issuer.entry(&format!(
            "{rest}    groups: {{staff: {{servers: [support]}}}}\n"
        ));
        let login = login(&issuer);
        let yaml = format!(
            "{top}mcp_servers:\n{}{}{hidden}identity:\n{login}  scopes_supported: [read, write]\n  issuers:\n{entry}  \
             authorization_server:\n    clients:\n      - client_id: agent\n        client_secret: {SECRET}\n        \
             redirect_uris: [\"https://agent.test/cb\"]\n      - client_id: public\n        \
             redirect_uris: [\"https://public.test/cb\"]\n",
            mock.entry("support"),
            mock.entry("private"),
        );
        let clock = Arc::new(ManualClock::at_millis(NOW * 1000));
        let gateway = TestGateway::by_clock(&yaml, clock).await;
        gateway.keep_secret("the client's secret", SECRET);
        gateway.keep_secret("the mock's client secret", mock.client_secret());
        Self {
            gateway,
            issuer,
            _mock: mock,
        }
    }

    fn claims(&self, jti: &str) -> Value {
        json!({
            "iss": self.issuer.url(), "sub": "alice", "aud": "http://localhost", "jti": jti,
            "client_id": "agent", "iat": NOW, "exp": NOW + 300, "groups": ["staff"],
            "scope": "read admin", "resource": "http://localhost/mcp/support",
        })
    }

    fn signed(&self, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "typ": "oauth-id-jag+jwt", "kid": "k1"});
        self.issuer.sign("k1", &header, claims)
    }

    async fn ask(&self, assertion: &str, more: &[(&str, &str)]) -> Reply {
        let mut form = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion),
        ];
        form.extend(more);
        let ask = form_ask("/token", &form);
        self.gateway.anonymous().ask(ask).await
    }
}

const AGENT: [(&str, &str); 2] = [("client_id", "agent"), ("client_secret", SECRET)];

/// ID-JAG: the organisation decided, so nobody is asked.
#[tokio::test]
async fn an_organisations_assertion_is_worth_an_access_token_once() {
    let desk = Desk::new("    id_jag: true\n").await;
    let assertion = desk.signed(&desk.claims("a1"));
    desk.gateway.keep_secret("an assertion", &assertion);
    let given = desk.ask(&assertion, &AGENT).await;
    assert_eq!(given.status, 200, "{given:?}");
    let body = given.json();
    assert_eq!(
        body["scope"], "read",
        "of what was asserted what is known here"
    );
    assert_eq!(
        body["refresh_token"],
        Value::Null,
        "another one needs another assertion"
    );
    let bearer = desk.gateway.bearer(&read(&given).access);
    let met = async |path: &str| {
        let ask = portcullis_testkit::gateway::Ask::initialize(path);
        bearer.ask(ask).await.status
    };
    assert_eq!(met("/mcp/support").await, 200);
    assert_eq!(met("/mcp").await, 401, "it is for one endpoint");
    // JWT-28: whoever brings it again, at whatever replica.
    let again = desk.ask(&assertion, &AGENT).await;
    assert_eq!(error_of(&again), "invalid_grant");
    let event = desk.gateway.event_of(&given).await;
    assert_eq!(event["target"]["name"], "agent");
    desk.gateway.stands().await;
}

/// JWT-28.
#[tokio::test]
async fn an_assertion_that_is_not_exactly_for_this_is_worth_nothing() {
    let desk = Desk::new("    id_jag: true\n").await;
    for (name, value) in [
        ("aud", json!("http://localhost/token")),
        ("aud", json!("https://gateway.example/mcp")),
        ("aud", json!(["http://localhost", "https://other.test"])),
        ("client_id", json!("public")),
        ("client_id", Value::Null),
        ("iss", json!("https://evil.test")),
        ("exp", json!(NOW - 60)),
        ("exp", json!(NOW + 3600)),
        ("exp", Value::Null),
        ("iat", json!(NOW + 600)),
        ("jti", Value::Null),
        ("sub", json!("")),
        ("cnf", json!({"jkt": "x"})),
    ] {
        let mut claims = desk.claims("b1");
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
        let refused = desk.ask(&desk.signed(&claims), &AGENT).await;
        assert_eq!(error_of(&refused), "invalid_grant", "{name}: {value}");
    }
    for header in [
        json!({"alg": "ES256", "typ": "at+jwt", "kid": "k1"}),
        json!({"alg": "ES256", "typ": "JWT", "kid": "k1"}),
        json!({"alg": "ES256", "kid": "k1"}),
        json!({"alg": "none", "typ": "oauth-id-jag+jwt"}),
    ] {
        let assertion = desk.issuer.sign("k1", &header, &desk.claims("b2"));
        let refused = desk.ask(&assertion, &AGENT).await;
        assert_eq!(error_of(&refused), "invalid_grant", "{header}");
    }
    for (name, value) in [
        ("resource", json!("http://localhost/mcp/private")),
        ("resource", json!("https://other.test/mcp")),
    ] {
        let mut claims = desk.claims("b3");
        claims[name] = value;
        let refused = desk.ask(&desk.signed(&claims), &AGENT).await;
        assert_eq!(error_of(&refused), "invalid_target");
    }
    let good = desk.signed(&desk.claims("b4"));
    let public = desk.ask(&good, &[("client_id", "public")]).await;
    assert_eq!(error_of(&public), "unauthorized_client", "without a secret");
    let guess = desk
        .ask(&good, &[("client_id", "agent"), ("client_secret", "x")])
        .await;
    assert_eq!(error_of(&guess), "invalid_client");
    let wider = [AGENT[0], AGENT[1], ("scope", "read write")];
    assert_eq!(error_of(&desk.ask(&good, &wider).await), "invalid_scope");
    let other = [AGENT[0], AGENT[1], ("resource", "http://localhost/mcp")];
    assert_eq!(error_of(&desk.ask(&good, &other).await), "invalid_target");
    assert_eq!(
        desk.ask(&good, &AGENT).await.status,
        200,
        "none of these used it up"
    );
    desk.gateway.stands().await;
}

#[tokio::test]
async fn an_issuer_that_is_not_trusted_with_it_asserts_nothing() {
    let desk = Desk::new("").await;
    let refused = desk.ask(&desk.signed(&desk.claims("c1")), &AGENT).await;
    assert_eq!(error_of(&refused), "invalid_grant");
}

/// Somebody who is named by an assertion sees what its issuer's tokens grant, also where people sign in
/// with the same issuer and see something else then.
#[tokio::test]
async fn people_who_sign_in_with_the_same_issuer_change_nothing() {
    let desk = Desk::with_login("    id_jag: true\n", |issuer| {
        format!(
            "  login:\n    issuer: \"{}\"\n    client_id: us\n    groups: {{staff: {{servers: [private]}}}}\n",
            issuer.url()
        )
    })
    .await;
    let given = desk.ask(&desk.signed(&desk.claims("d1")), &AGENT).await;
    assert_eq!(given.status, 200, "{given:?}");
    let mut claims = desk.claims("d2");
    claims["resource"] = json!("http://localhost/mcp/private");
    let refused = desk.ask(&desk.signed(&claims), &AGENT).await;
    assert_eq!(error_of(&refused), "invalid_target");
    let bearer = desk.gateway.bearer(&read(&given).access);
    let met = portcullis_testkit::gateway::Ask::initialize("/mcp/support");
    assert_eq!(bearer.ask(met).await.status, 200);
    desk.gateway.stands().await;
}

/// Whoever asks from outside is told the same of a server that only the inside sees as of none.
#[tokio::test]
async fn a_server_of_the_inside_is_nothing_to_the_outside() {
    let desk = Desk::with_a_side("    id_jag: true\n").await;
    let asks = async |jti: &str, name: &str, from: &str| {
        let mut claims = desk.claims(jti);
        claims["resource"] = format!("http://localhost/mcp/{name}").into();
        let assertion = desk.signed(&claims);
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", &*assertion),
            AGENT[0],
            AGENT[1],
        ];
        let ask = form_ask("/token", &form).header("x-forwarded-for", from);
        desk.gateway.anonymous().ask(ask).await
    };
    let hidden = asks("e1", "private", "203.0.113.7").await;
    let nothing = asks("e2", "nothing", "203.0.113.7").await;
    assert_eq!(error_of(&hidden), "invalid_target");
    assert_eq!(hidden.text(), nothing.text());
    let inside = asks("e3", "private", "10.0.0.5").await;
    assert_eq!(inside.status, 200, "{inside:?}");
    desk.gateway.stands().await;
}
