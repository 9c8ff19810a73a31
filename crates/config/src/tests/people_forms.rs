//! Forms of servers that know people: interactive OAuth.

use super::*;
use crate::Auth;

fn authorization_code(text: &str) -> crate::AuthorizationCode {
    match &loaded(text).config.mcp_servers[0].auth {
        Auth::AuthorizationCode(terms) => (**terms).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_of_people_is_recognised_by_what_is_written() {
    let by_discovery = r#"
mcp_servers:
  github_mcp:
    url: "https://api.githubcopilot.com/mcp"
    auth_type: oauth2
    client_id: the-id
    client_secret: canary-secret
"#;
    let by_url = r"
mcp_servers:
  a: {url: https://a.example.com/mcp, auth_type: oauth2, client_id: c, client_secret: s, token_url: https://a.example.com/t, authorization_url: https://a.example.com/a}
";
    let explicit = r"
mcp_servers:
  a: {url: https://a.example.com/mcp, auth_type: oauth2, oauth2_flow: authorization_code}
";
    let other_spelling = r"
mcp_servers:
  a: {url: https://a.example.com/mcp, auth_type: oauth2, oauth_flow: authorization_code}
";
    for (text, said) in [
        (by_discovery, true),
        (by_url, true),
        (explicit, false),
        (other_spelling, false),
    ] {
        authorization_code(text);
        let notices = loaded(text).notices;
        let inferred = notices
            .iter()
            .any(|notice| notice.text.contains("taken for interactive"));
        assert_eq!(inferred, said, "{text}");
    }
    let terms = authorization_code(by_discovery);
    let client = terms.client.unwrap();
    assert_eq!(client.client_id, "the-id");
    assert!(!client.method_is_written);
    let page = crate::explain(&loaded(by_discovery).config, &[]);
    assert!(page.contains("oauth2_flow: authorization_code"), "{page}");
    assert!(!page.contains("canary"), "{page}");
    let terms = authorization_code(explicit);
    assert_eq!((terms.client, terms.resource), (None, crate::Resource::Own));
}

#[test]
fn what_a_server_of_people_may_say() {
    let terms = |more: &str| {
        authorization_code(&format!(
            "mcp_servers:\n  a: {{url: https://a.example.com/mcp, auth_type: oauth2, oauth2_flow: authorization_code, {more}}}\n"
        ))
    };
    let all = terms(
        "issuer: https://as.example.com, authorization_url: https://as.example.com/a, \
         token_url: https://as.example.com/t, registration_url: https://as.example.com/r, \
         scopes: [b, a], audience: api, resource: 'https://a.example.com', \
         token_validation: {team.id: T1}, token_storage_ttl_seconds: 600",
    );
    let written = all.registration_url.as_ref().map(url::Url::as_str);
    assert_eq!(written, Some("https://as.example.com/r"));
    assert_eq!(all.scopes.to_string(), "a b");
    let exactly = crate::Resource::Exactly("https://a.example.com".to_owned());
    assert_eq!(all.resource, exactly);
    assert_eq!(all.storage_ttl, Some(std::time::Duration::from_mins(10)));
    assert_eq!(all.token_validation["team.id"], "T1");
    assert_eq!(terms("resource: none").resource, crate::Resource::Unsaid);
    assert_eq!(terms("resource: auto").resource, crate::Resource::Own);
    for public in [
        "client_id: c",
        "client_id: c, token_endpoint_auth_method: none",
    ] {
        let client = terms(public).client.unwrap();
        assert!(
            client.proof.is_none() && client.method_is_written,
            "{public}"
        );
    }
    let basic =
        terms("client_id: c, client_secret: s, token_endpoint_auth_method: client_secret_basic");
    assert!(basic.client.unwrap().method_is_written);
}

#[test]
fn what_a_server_of_people_may_not_say() {
    let server = |more: &str| {
        format!(
            "mcp_servers:\n  a: {{url: https://a.example.com/mcp, auth_type: oauth2, oauth2_flow: authorization_code, {more}}}\n"
        )
    };
    for (more, problem) in [
        ("client_secret: s", "`client_secret` without `client_id`"),
        (
            "client_id: c, token_endpoint_auth_method: client_secret_basic",
            "`client_secret_basic` without `client_secret`",
        ),
        (
            "client_id: c, client_secret: s, token_endpoint_auth_method: none",
            "has no secret",
        ),
        (
            "authorization_url: 'http://as.example.com/a'",
            "authorization_url",
        ),
        ("token_url: 'https://169.254.169.254/t'", "token_url"),
        ("token_storage_ttl_seconds: 0", "token_storage_ttl_seconds"),
        ("oauth_flow: authorization_code", "two names of one thing"),
        ("token_validation: {}", "no rule is written"),
    ] {
        refused(&server(more), problem);
    }
    let m2m = "mcp_servers:\n  a: {url: https://a.example.com/mcp, auth_type: oauth2, oauth2_flow: client_credentials, \
         client_id: c, client_secret: s, token_endpoint_auth_method: none}\n";
    refused(m2m, "proves nothing");
    let bad = [
        "http://gw.example/x",
        "https://gw.example",
        "https://gw.example/a/../b",
        "x",
    ];
    for url in bad {
        let text = format!("server: {{client_metadata_url: '{url}'}}");
        refused(&text, "not the URL of a client document");
    }
}
