//! Values that live in AWS Secrets Manager, as `moto` is it, at the real binary. Every request to it is
//! verified by botocore, which is what `moto` verifies with.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::time::Duration;

use portcullis_e2e::{
    Answer, Fixture, Gateway, Judges, KEY, KeyProxy, Keys, Moto, Rules, call_tool,
};
use serde_json::json;

const PATIENCE: Duration = Duration::from_mins(1);

struct Street {
    judges: Judges,
    moto: Moto,
    recorder: KeyProxy,
    _fixture: Fixture,
}

impl Street {
    async fn open() -> Self {
        let judges = Judges::ready().unwrap();
        let moto = Moto::start(&judges, Rules::Kept).await.unwrap();
        let fixture = Fixture::start().await.unwrap();
        let recorder = KeyProxy::recording(fixture.port(), "/mcp").await.unwrap();
        Self {
            judges,
            moto,
            recorder,
            _fixture: fixture,
        }
    }

    fn file(&self, store: &[String], reference: &str) -> String {
        format!(
            "general_settings: {{master_key: {KEY}}}
secrets:
  refresh: 1s
  aws:
    aws_region_name: eu-west-1
    aws_endpoint: {}
    {}
mcp_servers:
  conf:
    url: http://127.0.0.1:{}/mcp
    allow_all_keys: true
    auth_type: bearer_token
    auth_value: {reference}
",
            self.moto.url(),
            store.join("\n    "),
            self.recorder.port(),
        )
    }

    async fn start(&self, file: &str, keys: &Keys) -> anyhow::Result<Gateway> {
        let environment = [
            ("AWS_ACCESS_KEY_ID", keys.id.as_str()),
            ("AWS_SECRET_ACCESS_KEY", keys.secret.as_str()),
        ];
        Gateway::start_with(file, &environment).await
    }

    /// What a gateway says that does not start.
    async fn refused(&self, file: &str, keys: &Keys) -> String {
        let refused = self.start(file, keys).await.unwrap_err();
        let said = format!("{refused:#}");
        assert!(said.contains("it ended with"), "{said}");
        for secret in [keys.secret.as_str(), "the-first-token"] {
            assert!(!said.contains(secret), "{said}");
        }
        assert!(self.recorder.seen().is_empty());
        said
    }
}

async fn call(gateway: &Gateway) -> Answer {
    let bearer = format!("Bearer {KEY}");
    let headers = [("authorization", bearer.as_str())];
    let tool = "test_simple_text";
    let answer = call_tool(gateway.port(), "/mcp/conf", "2026-07-28", tool, &headers).await;
    let answer = answer.unwrap();
    let said = || gateway.process().said();
    assert_eq!(answer.status, 200, "{answer:?}\n{}", said());
    let good = answer.text.contains("This is a simple text response");
    assert!(good, "{answer:?}\n{}", said());
    answer
}

#[tokio::test]
async fn a_secret_is_presented_and_its_rotation_taken_up_without_a_restart() {
    let street = Street::open().await;
    let file = street.file(&[], "aws-sm:prod/app#token");
    let gateway = street.start(&file, street.moto.reader()).await.unwrap();
    call(&gateway).await;
    let presented = street.recorder.bearers();
    assert!(!presented.is_empty());
    assert!(presented.iter().all(|token| token == "the-first-token"));

    let fields = json!({"token": "the-second-token", "note": "as the console writes it"});
    let put = street.moto.put(&street.judges, "prod/app", &fields).await;
    put.unwrap();
    let process = gateway.process().id();
    // No call fails while the value changes, and once it has changed it stays so.
    let changed = async {
        while street.recorder.bearers().last().unwrap() != "the-second-token" {
            call(&gateway).await;
        }
    };
    let changed = tokio::time::timeout(PATIENCE, changed).await;
    changed.unwrap_or_else(|_| panic!("{}", gateway.process().said()));
    let before = street.recorder.bearers().len();
    call(&gateway).await;
    let presented = street.recorder.bearers();
    assert!(presented.len() > before);
    let after = &presented[before..];
    assert!(after.iter().all(|token| token == "the-second-token"));
    assert_eq!(gateway.process().id(), process);
    let said = gateway.process().said();
    assert!(!said.contains("the-first-token") && !said.contains("the-second-token"));
}

#[tokio::test]
async fn what_is_missing_refuses_the_start_with_its_line() {
    let street = Street::open().await;
    for (reference, expected) in [
        ("aws-sm:prod/other#token", "there is no such secret"),
        ("aws-sm:prod/app#tokens", "the secret has no such field"),
    ] {
        let file = street.file(&[], reference);
        let said = street.refused(&file, street.moto.reader()).await;
        let expected = format!("mcp_servers.conf.auth_value: `{reference}`: {expected}");
        assert!(said.contains(&expected), "{said}");
        let line = file.lines().position(|line| line.contains(reference));
        let line = format!("portcullis.yaml:{}:", line.unwrap() + 1);
        assert!(said.contains(&line), "no {line} in {said}");
    }
}

#[tokio::test]
async fn who_may_not_read_a_secret_does_not_start() {
    let street = Street::open().await;
    let wrong = Keys {
        secret: format!("{}x", street.moto.reader().secret),
        ..street.moto.reader().clone()
    };
    let file = street.file(&[], "aws-sm:prod/app#token");
    for keys in [&wrong, street.moto.assumer()] {
        let said = street.refused(&file, keys).await;
        assert!(said.contains("(HTTP 403"), "{said}");
    }
}

/// The environment's keys may do nothing but assume the role, and the role alone may read.
#[tokio::test]
async fn an_assumed_role_reads_the_secret_where_its_external_id_is_right() {
    let street = Street::open().await;
    let assumes = |external_id: &str| {
        [
            "aws_role_name: arn:aws:iam::123456789012:role/mcp".to_owned(),
            format!("aws_external_id: {external_id}"),
            format!("aws_sts_endpoint: {}", street.moto.url()),
        ]
    };
    let reference = "aws-sm:prod/app#token";
    let file = street.file(&assumes("tenant-8"), reference);
    let said = street.refused(&file, street.moto.assumer()).await;
    assert!(said.contains("(HTTP 403)"), "{said}");
    assert!(street.moto.roles().await.unwrap().is_empty());

    let file = street.file(&assumes("tenant-7"), reference);
    let gateway = street.start(&file, street.moto.assumer()).await.unwrap();
    call(&gateway).await;
    let presented = street.recorder.bearers();
    assert!(!presented.is_empty());
    assert!(presented.iter().all(|token| token == "the-first-token"));
    let roles = street.moto.roles().await.unwrap();
    assert_eq!(roles.len(), 1, "{roles:?}");
    assert_eq!(roles[0].external_id.as_deref(), Some("tenant-7"));
}
