//! Client certificates: whom the handshake takes, and whom a certificate stands for.

use std::path::Path;

use portcullis_core::CertificateName;

use super::*;

fn with(tls: &str, rules: &str) -> String {
    format!(
        "mcp_servers:\n  wiki: {{url: 'https://wiki.example.com/mcp'}}\n\
         server: {{tls: {{cert: a.pem, key: a.key{tls}}}}}\n\
         identity:\n  client_certificates: [{rules}]\n"
    )
}

#[test]
fn whoever_names_an_authority_keeps_out_those_without_unless_the_file_says_otherwise() {
    for (tls, required) in [
        (", client_ca: ca.pem", true),
        (", client_ca: [ca.pem], client_certificate: required", true),
        (", client_ca: ca.pem, client_certificate: optional", false),
    ] {
        let config = loaded(&with(tls, "")).config;
        let client_ca = config.server.tls.unwrap().client_ca.unwrap();
        assert_eq!(client_ca.required, required, "{tls}");
        assert_eq!(client_ca.files, [Path::new("ca.pem")]);
    }
    for (tls, expected) in [
        (", client_ca: []", "an empty list of authorities"),
        (", client_ca: ''", "a blank names nothing"),
        (", client_certificate: optional", "write `client_ca: FILE`"),
        (
            ", client_ca: a, client_certificate: maybe",
            "Known: required, optional",
        ),
    ] {
        let text = with(tls, "");
        let errors = errors(&text).to_string();
        assert!(
            errors.contains(expected) || errors.contains("not one of the known values"),
            "{tls}: {errors}"
        );
    }
}

#[test]
fn a_rule_names_an_authority_and_one_exact_name() {
    let config = loaded(&with(
        ", client_ca: ca.pem",
        "{san: 'dns:Agent.Example.com', user_id: agent, team: t, servers: wiki, scopes: read},\n     \
         {ca: ca.pem, san: 'uri:spiffe://example.com/agent', all_servers: true},\n     \
         {san: 'email:Agent@example.com'}",
    ))
    .config;
    let [dns, uri, email] = config.identity.client_certificates.as_slice() else {
        panic!("three rules");
    };
    assert_eq!(dns.ca, Path::new("ca.pem"));
    assert_eq!(
        dns.san,
        CertificateName::Dns("agent.example.com".to_owned())
    );
    assert_eq!(dns.user_id.as_deref(), Some("agent"));
    assert!(dns.grants.servers.contains("wiki") && !dns.scopes.is_empty());
    assert_eq!(uri.san.to_string(), "uri:spiffe://example.com/agent");
    assert!(uri.grants.all);
    assert_eq!(email.san.value(), "Agent@example.com");
    assert_eq!(email.grants, portcullis_core::ServerGrants::default());
}

#[test]
fn a_rule_that_could_never_fit_or_fit_too_much_is_refused() {
    let one = ", client_ca: ca.pem";
    let two = ", client_ca: [ca.pem, b.pem]";
    for (tls, rules, expected) in [
        (
            "",
            "{san: 'dns:a.b'}",
            "no connection is asked for a certificate",
        ),
        (
            one,
            "{ca: other.pem, san: 'dns:a.b'}",
            "not a file of `server.tls.client_ca`",
        ),
        (two, "{san: 'dns:a.b'}", "`ca` is missing"),
        (one, "{servers: wiki}", "`san` is missing"),
        (
            one,
            "{san: 'dns:*.example.com'}",
            "a `*` stands for nothing",
        ),
        (one, "{san: 'uri:spiffe://a/*'}", "a `*` stands for nothing"),
        (
            one,
            "{san: 'agent.example.com'}",
            "not a subject alternative name",
        ),
        (one, "{san: 'cn:agent'}", "not a subject alternative name"),
        (one, "{san: 'dns:'}", "not a subject alternative name"),
        (one, "{san: 'dns:a b'}", "not a subject alternative name"),
        (one, "{san: 'dns:a.b'}, {san: 'dns:A.b'}", "is in two rules"),
        (one, "{san: 'dns:a.b', role: admin}", "unknown key `role`"),
        (
            one,
            "{san: 'dns:a.b', servers: [wki]}",
            "there is no server `wki`",
        ),
    ] {
        refused(&with(tls, rules), expected);
    }
    // One mistake is one message.
    let errors = errors(&with(", client_ca: []", "{san: 'dns:a.b'}"));
    assert_eq!(errors.errors.len(), 1, "{errors}");
}
