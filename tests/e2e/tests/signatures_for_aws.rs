//! What the real binary signs for AWS is what AWS's own library would have signed.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeSet;

use portcullis_e2e::{
    Driver, Fixture, Gateway, Judges, KEY, KeyProxy, Keys, Moto, Recorded, Rules, Target,
    call_tool, signed,
};

const REGION: &str = "eu-west-1";
const SERVICE: &str = "bedrock-agentcore";
const TOOL: &str = "test_simple_text";
/// As AgentCore's addresses are: what is escaped in the path is escaped again before it is signed.
const PATH: &str = "/runtimes/arn%3Aaws%3Abedrock-agentcore%3Aeu-west-1%3A123456789012%3Aruntime%2Fmcp\
    /invocations?qualifier=DEFAULT&empty";

/// A server that writes down what arrives, and the gateway in front of it.
struct Street {
    recorder: KeyProxy,
    gateway: Gateway,
    _fixture: Fixture,
}

impl Street {
    async fn open(lines: &[String], environment: &[(&str, &str)]) -> Self {
        let fixture = Fixture::start().await.unwrap();
        let recorder = KeyProxy::recording(fixture.port(), "/mcp").await.unwrap();
        let file = format!(
            "general_settings: {{master_key: {KEY}}}
mcp_servers:
  conf:
    url: 'http://127.0.0.1:{}{PATH}'
    transport: http
    allow_all_keys: true
    allow_sampling: true
    allow_elicitation: true
    static_headers: {{x-tenant: 'seven  of  nine'}}
    auth_type: aws_sigv4
    aws_region_name: {REGION}
    {}
",
            recorder.port(),
            lines.join("\n    ")
        );
        let gateway = Gateway::start_with(&file, environment).await.unwrap();
        Self {
            recorder,
            gateway,
            _fixture: fixture,
        }
    }

    /// An official client says and does all that it can.
    async fn drive(&self, judges: &Judges, mode: &str) {
        let url = format!("http://127.0.0.1:{}/mcp/conf", self.gateway.port());
        let target = Target {
            url: &url,
            key: KEY,
            prefix: "",
            mode,
        };
        let driven = Driver::Python.run(judges, target).await;
        assert!(
            driven.is_ok(),
            "{driven:?}\n{}",
            self.gateway.process().said()
        );
    }
}

/// HTTP methods, and methods of MCP.
fn kinds(seen: &[Recorded]) -> BTreeSet<String> {
    let kind = |request: &Recorded| {
        let message: serde_json::Value = serde_json::from_str(&request.body).unwrap_or_default();
        let method = message.get("method").and_then(|method| method.as_str());
        let method = method.unwrap_or("an answer");
        match request.method.as_str() {
            "POST" => method.to_owned(),
            other => other.to_owned(),
        }
    };
    seen.iter().map(kind).collect()
}

async fn verified(judges: &Judges, keys: &Keys, seen: &[Recorded]) {
    let known = std::slice::from_ref(keys);
    let signers = signed(judges, REGION, SERVICE, known, seen).await;
    assert_eq!(signers.unwrap(), vec![keys.id.clone(); seen.len()]);
    assert!(seen.iter().all(|request| request.target == PATH));
}

#[tokio::test]
async fn a_session_is_signed_from_its_first_request_to_its_end_with_the_keys_of_the_file() {
    let judges = Judges::ready().unwrap();
    let keys = Keys {
        id: "AKIDLASTING".to_owned(),
        secret: "a/secret+of/the=file".to_owned(),
        token: None,
    };
    let lines = [
        "protocol_version: 2025-11-25".to_owned(),
        format!("aws_access_key_id: {}", keys.id),
        format!("aws_secret_access_key: {}", keys.secret),
    ];
    // What the file says wins over the environment, whole.
    let environment = [
        ("AWS_ACCESS_KEY_ID", "AKIDOFNOBODY"),
        ("AWS_SECRET_ACCESS_KEY", "nobody"),
        ("AWS_SESSION_TOKEN", "nobody"),
    ];
    let street = Street::open(&lines, &environment).await;
    street.drive(&judges, "legacy").await;
    // Sessions that are kept for the next caller end with the gateway.
    street.gateway.process().terminate().await.unwrap();
    let ended = |seen: &[Recorded]| seen.iter().any(|request| request.method == "DELETE");
    let seen = street.recorder.until(ended).await.unwrap();
    let kinds = kinds(&seen);
    for kind in [
        "initialize",
        "notifications/initialized",
        "tools/list",
        "tools/call",
        "an answer",
        "GET",
        "DELETE",
    ] {
        assert!(kinds.contains(kind), "no {kind} in {kinds:?}");
    }
    verified(&judges, &keys, &seen).await;
    // The judge believes nothing that was changed on the way.
    let mut forged = seen.last().unwrap().clone();
    forged.body.push(' ');
    let judged = signed(&judges, REGION, SERVICE, &[keys], &[forged]).await;
    assert!(judged.unwrap_err().to_string().contains("another body"));
}

#[tokio::test]
async fn stateless_requests_are_signed_with_the_session_token_of_the_environment() {
    let judges = Judges::ready().unwrap();
    let keys = Keys {
        id: "ASIATEMPORARY".to_owned(),
        secret: "a/secret+of/the=environment".to_owned(),
        token: Some("a/session+token==".to_owned()),
    };
    let environment = [
        ("AWS_ACCESS_KEY_ID", keys.id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", keys.secret.as_str()),
        ("AWS_SESSION_TOKEN", keys.token.as_deref().unwrap()),
    ];
    let street = Street::open(&[], &environment).await;
    street.drive(&judges, "2026-07-28").await;
    let seen = street.recorder.seen();
    let kinds = kinds(&seen);
    assert!(kinds.contains("tools/call"), "{kinds:?}");
    assert!(!kinds.contains("initialize"), "{kinds:?}");
    assert!(
        seen.iter()
            .any(|request| request.header("mcp-name") == Some(TOOL)),
        "{seen:#?}"
    );
    verified(&judges, &keys, &seen).await;
}

/// The keys that the Security Token Service gave, and no others.
#[tokio::test]
async fn an_assumed_role_signs_and_its_external_id_was_said() {
    let judges = Judges::ready().unwrap();
    let moto = Moto::start(&judges, Rules::Kept).await.unwrap();
    let lines = [
        "aws_role_name: arn:aws:iam::123456789012:role/mcp".to_owned(),
        "aws_external_id: tenant-7".to_owned(),
        "aws_session_name: e2e".to_owned(),
        format!("aws_sts_endpoint: {}", moto.url()),
    ];
    let environment = [
        ("AWS_ACCESS_KEY_ID", moto.assumer().id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", moto.assumer().secret.as_str()),
    ];
    let street = Street::open(&lines, &environment).await;
    street.drive(&judges, "2026-07-28").await;
    let seen = street.recorder.seen();
    assert!(kinds(&seen).contains("tools/call"), "{seen:#?}");
    let roles = moto.roles().await.unwrap();
    let [role] = roles.as_slice() else {
        panic!("asked for once, not {roles:?}");
    };
    assert_eq!(role.external_id.as_deref(), Some("tenant-7"));
    assert_eq!(role.role_arn, "arn:aws:iam::123456789012:role/mcp");
    assert_eq!(role.session_name, "e2e");
    verified(&judges, &role.keys(), &seen).await;
}

/// The role's owner lets in whom it knows by another id: nothing is sent, with whatever keys.
#[tokio::test]
async fn a_role_that_does_not_let_us_in_is_not_replaced_by_the_keys_that_asked() {
    let judges = Judges::ready().unwrap();
    let moto = Moto::start(&judges, Rules::Kept).await.unwrap();
    let lines = [
        "protocol_version: 2026-07-28".to_owned(),
        "aws_role_name: arn:aws:iam::123456789012:role/mcp".to_owned(),
        "aws_external_id: tenant-8".to_owned(),
        format!("aws_sts_endpoint: {}", moto.url()),
    ];
    let environment = [
        ("AWS_ACCESS_KEY_ID", moto.assumer().id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", moto.assumer().secret.as_str()),
    ];
    let street = Street::open(&lines, &environment).await;
    let port = street.gateway.port();
    let bearer = format!("Bearer {KEY}");
    let headers = [("authorization", bearer.as_str())];
    let answer = call_tool(port, "/mcp/conf", "2026-07-28", TOOL, &headers).await;
    let answer = answer.unwrap();
    assert!(answer.text.contains("-32603"), "{answer:?}");
    assert!(street.recorder.seen().is_empty());
    assert!(moto.roles().await.unwrap().is_empty());
    let said = street.gateway.process().said();
    assert!(said.contains("(HTTP 403)"), "{said}");
    assert!(!said.contains(&moto.assumer().secret), "{said}");
}

/// Exchanged for keys of a role; nothing but the token is shown for it.
#[tokio::test]
async fn a_web_identity_signs_with_the_keys_that_it_was_exchanged_for() {
    let judges = Judges::ready().unwrap();
    // moto asks every request for a signature where rules are kept, and this one has none.
    let moto = Moto::start(&judges, Rules::None).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "a-token-of-the-cluster\n").unwrap();
    let lines = [format!("aws_sts_endpoint: {}", moto.url())];
    let environment = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/cluster"),
    ];
    let street = Street::open(&lines, &environment).await;
    street.drive(&judges, "2026-07-28").await;
    let roles = moto.roles().await.unwrap();
    let [role] = roles.as_slice() else {
        panic!("asked for once, not {roles:?}");
    };
    assert_eq!(role.role_arn, "arn:aws:iam::123456789012:role/cluster");
    let seen = street.recorder.seen();
    assert!(kinds(&seen).contains("tools/call"), "{seen:#?}");
    verified(&judges, &role.keys(), &seen).await;
}
