//! `auth_type: aws_sigv4`: who signs, and for what.

use super::*;
use crate::{Auth, AwsIdentity, AwsSigV4, AwsSource};

const ROLE: &str = "arn:aws:iam::123456789012:role/mcp";

fn server(keys: &str) -> String {
    format!(
        "mcp_servers: {{a: {{url: 'https://mcp.example.com/mcp', auth_type: aws_sigv4, {keys}}}}}"
    )
}

fn signature(loaded: &Loaded) -> AwsSigV4 {
    match &loaded.config.mcp_servers[0].auth {
        Auth::AwsSigV4(signature) => (**signature).clone(),
        other => panic!("{other:?}"),
    }
}

fn read(world: &World, keys: &str) -> AwsSigV4 {
    let text = server(keys);
    signature(
        &world
            .load(&text)
            .unwrap_or_else(|errors| panic!("{errors}")),
    )
}

fn own_keys(more: &str) -> String {
    format!("aws_access_key_id: AKIDEXAMPLE, aws_secret_access_key: 'canary-s', {more}")
}

fn key_id(identity: &AwsIdentity) -> &str {
    match &identity.source {
        AwsSource::Keys { id, .. } => id,
        AwsSource::WebIdentity { role, .. } => &role.arn,
    }
}

#[test]
fn what_litellms_files_say_is_understood_with_its_defaults() {
    let signature = read(&World::default(), &own_keys(""));
    assert_eq!(signature.service, "bedrock-agentcore");
    assert_eq!(signature.identity.region, "us-east-1");
    assert_eq!(
        signature.identity.sts_endpoint.as_str(),
        "https://sts.us-east-1.amazonaws.com/"
    );
    assert_eq!(signature.identity.role, None);
    let signature = read(
        &World::default(),
        &own_keys(&format!(
            "aws_session_token: t, aws_region_name: cn-north-1, aws_service_name: execute-api, aws_role_name: '{ROLE}', aws_session_name: me, aws_external_id: 'tenant:7'"
        )),
    );
    let role = signature.identity.role.unwrap();
    assert_eq!(
        (role.arn.as_str(), role.session_name.as_str()),
        (ROLE, "me")
    );
    assert_eq!(role.external_id.as_deref(), Some("tenant:7"));
    assert_eq!(
        signature.identity.sts_endpoint.as_str(),
        "https://sts.cn-north-1.amazonaws.com.cn/"
    );
}

#[test]
fn a_region_is_inferred_only_where_nothing_else_can_be_meant() {
    let world = World::with_env(&[("AWS_REGION", "eu-central-1")]);
    for (host, region) in [
        ("bedrock-agentcore.eu-west-1.amazonaws.com", "eu-west-1"),
        (
            "gw-1.gateway.bedrock-agentcore.us-west-2.amazonaws.com",
            "us-west-2",
        ),
        (
            "bedrock-agentcore.eu-west-1.amazonaws.com.evil.example",
            "eu-central-1",
        ),
        ("bedrock-agentcore.eu-west-1.example.com", "eu-central-1"),
        ("bedrock-agentcore.cn-north-1.amazonaws.com", "eu-central-1"),
        ("mcp.example.com", "eu-central-1"),
    ] {
        let text = server(&own_keys("")).replace("mcp.example.com", host);
        let loaded = world
            .load(&text)
            .unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(signature(&loaded).identity.region, region, "{host}");
    }
    let text = server(&own_keys("aws_region_name: us-east-2")).replace(
        "mcp.example.com",
        "bedrock-agentcore.eu-west-1.amazonaws.com",
    );
    let loaded = world.load(&text).unwrap();
    noticed(
        &loaded,
        "mcp_servers.a.aws_region_name",
        "names another region",
    );
    assert_eq!(signature(&loaded).identity.region, "us-east-2");
}

/// The order of AWS's own SDKs, so that a deployment does not change who it is.
#[test]
fn the_environment_is_asked_only_where_the_file_says_nothing() {
    let all = [
        ("AWS_ACCESS_KEY_ID", "AKIDENV"),
        ("AWS_SECRET_ACCESS_KEY", "canary-env"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/token"),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/pod"),
    ];
    let both = World::with_env(&all);
    assert_eq!(key_id(&read(&both, &own_keys("")).identity), "AKIDEXAMPLE");
    assert_eq!(key_id(&read(&both, "").identity), "AKIDENV");
    let pod = World::with_env(&all[2..]);
    assert_eq!(key_id(&read(&pod, "").identity), "arn:aws:iam::1:role/pod");
    // The pod's own role is not assumed out of itself; another one is.
    let own = read(&pod, "aws_role_name: 'arn:aws:iam::1:role/pod'").identity;
    assert_eq!(own.role, None);
    let other = read(&pod, &format!("aws_role_name: '{ROLE}'")).identity;
    assert_eq!(other.role.unwrap().arn, ROLE);
    let text = server("");
    noticed(
        &pod.load(&text).unwrap(),
        "mcp_servers.a.auth_type",
        "AWS_ROLE_ARN",
    );
}

#[test]
fn an_identity_that_is_not_whole_is_an_error_and_no_other_one_takes_its_place() {
    let env = [
        ("AWS_ACCESS_KEY_ID", "AKIDENV"),
        ("AWS_SECRET_ACCESS_KEY", "canary-env"),
    ];
    let world = World::with_env(&env);
    let file = "aws_web_identity_token_file: /t";
    for (keys, expected) in [
        (
            "aws_access_key_id: AKIDEXAMPLE".to_owned(),
            "`aws_secret_access_key` is missing",
        ),
        (
            "aws_secret_access_key: canary-s".to_owned(),
            "`aws_access_key_id` is missing",
        ),
        (
            "aws_session_token: canary-s".to_owned(),
            "`aws_access_key_id` is missing",
        ),
        (
            "aws_access_key_id: 'a b', aws_secret_access_key: canary-s".to_owned(),
            "not an access key id",
        ),
        (file.to_owned(), "without `aws_role_name`"),
        (
            format!("{file}, aws_role_name: '{ROLE}', aws_external_id: e7"),
            "knows no external id",
        ),
        (
            own_keys(&format!("{file}, aws_role_name: '{ROLE}'")),
            "two identities",
        ),
        (own_keys("aws_external_id: e7"), "and none is"),
        (own_keys("aws_role_name: mcp"), "not a role's ARN"),
        (own_keys("aws_region_name: 'eu/west'"), "not a region"),
        (own_keys("aws_service_name: 'a b'"), "not a signing name"),
        (own_keys("aws_session_name: x"), "not a session's name"),
        (
            own_keys("aws_sts_endpoint: 'http://sts.example.com'"),
            "plain http beyond loopback",
        ),
        (
            own_keys("aws_sts_endpoint: 'http://169.254.169.254/'"),
            "never called",
        ),
        (
            own_keys("static_headers: {X-Amz-Date: x}"),
            "written by the signature itself",
        ),
        (
            own_keys("static_headers: {Authorization: x}"),
            "is also what `auth_type: aws_sigv4` sends",
        ),
    ] {
        let errors = world.load(&server(&keys)).expect_err(&keys).to_string();
        assert!(errors.contains(expected), "{keys}: {errors}");
        assert!(!errors.contains("canary"), "{errors}");
    }
    for half in [&env[..1], &env[1..], &[("AWS_ROLE_ARN", ROLE)], &[]] {
        let errors = World::with_env(half)
            .load(&server(""))
            .unwrap_err()
            .to_string();
        let expected = if half.is_empty() {
            "nobody to sign as"
        } else {
            "are not both set"
        };
        assert!(errors.contains(expected), "{errors}");
    }
}

#[test]
fn keys_of_a_signature_are_refused_where_nothing_is_signed() {
    refused(
        "mcp_servers: {a: {url: 'https://a.b/mcp', aws_region_name: eu-west-1}}",
        "is for `auth_type: aws_sigv4` only",
    );
    refused(
        "mcp_servers: {a: {url: 'https://a.b/mcp', auth_type: bearer_token, auth_value: x, aws_role_name: r}}",
        "is for `auth_type: aws_sigv4` only",
    );
}

#[test]
fn an_explanation_names_who_signs_and_no_secret() {
    let text = server(&own_keys(&format!(
        "aws_session_token: canary-t, aws_role_name: '{ROLE}', aws_external_id: e7"
    )));
    let loaded = loaded(&text);
    let page = crate::explain(&loaded.config, &loaded.notices);
    assert!(!page.contains("canary"), "{page}");
    for line in [
        "aws_access_key_id: \"AKIDEXAMPLE\"",
        "aws_secret_access_key: (set)",
        "aws_session_token: (set)",
        "aws_external_id: \"e7\"",
        "aws_sts_endpoint: \"https://sts.us-east-1.amazonaws.com/\"",
    ] {
        assert!(page.contains(line), "{line} in\n{page}");
    }
}
