//! Who can reach the gateway, under which names, and what keeps them out.

use super::*;

#[test]
fn a_weak_master_key_stays_on_this_machine() {
    for key in [
        "sk-1234",
        "changeme-changeme-changeme",
        "short",
        "aaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        let here = loaded(&format!("general_settings: {{master_key: {key}}}"));
        assert_eq!(here.config.insecure_choices.len(), 1, "{key}");
        let there = format!("server: {{host: 0.0.0.0}}\ngeneral_settings: {{master_key: {key}}}");
        refused(
            &there,
            "general_settings.master_key: the master key is weak",
        );
        assert!(!errors(&there).to_string().contains(key));
    }
    for key in ["sk-1234", "short"] {
        refused(
            &format!(
                "server: {{admin_listen: '0.0.0.0:4001'}}\ngeneral_settings: {{master_key: {key}}}"
            ),
            "general_settings.master_key: the master key is weak",
        );
    }
    let strong = format!("server: {{host: 0.0.0.0}}\ngeneral_settings: {{master_key: {STRONG}}}");
    let strong = loaded(&strong).config.insecure_choices;
    assert!(!strong.iter().any(|choice| choice.contains("weak")));
    refused(
        "server: {host: '::'}\nidentity: {keys: [{id: a, key: sk-1234}]}",
        "identity.keys[0].key: the key `a` is weak",
    );
    let from_env = World::with_env(&[("LITELLM_MASTER_KEY", "sk-1234")]);
    let text = from_env
        .load("server: {host: 0.0.0.0}")
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("LITELLM_MASTER_KEY: the master key is weak"),
        "{text}"
    );
}

#[test]
fn beyond_loopback_somebody_must_be_able_to_authenticate() {
    for host in ["0.0.0.0", "'::'", "192.0.2.1", "gateway.example.com"] {
        refused(&format!("server: {{host: {host}}}"), "without any key");
    }
    for host in ["127.0.0.1", "localhost", "'::1'", "127.9.9.9"] {
        loaded(&format!("server: {{host: {host}}}"));
    }
    for admin in ["0.0.0.0:4001", "'[::]:4001'", "10.0.0.5:4001"] {
        refused(
            &format!("server: {{admin_listen: {admin}}}"),
            "without any key",
        );
    }
    loaded("server: {admin_listen: 127.0.0.1:4001}");
    // One mistake, one error: the key is there.
    for identity in ["keys: [{id: a, sha256: x}]", "master_key: ${ABSENT}"] {
        let errors = errors(&format!(
            "server: {{host: 0.0.0.0}}\nidentity: {{{identity}}}"
        ));
        assert_eq!(errors.errors.len(), 1, "{errors}");
    }
    let by_command_line = World {
        command_line: CommandLine {
            host: Some("0.0.0.0"),
            port: Some(1),
        },
        ..World::default()
    };
    let text = by_command_line
        .load("server: {host: 127.0.0.1}")
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("listening on 0.0.0.0 without any key"),
        "{text}"
    );
}

#[test]
fn the_public_url_is_an_origin() {
    for bad in [
        "https://x.example.com/",
        "https://x.example.com/a",
        "x.example.com",
        "ftp://x",
        "https://u@x.example.com",
        "'https://x?y'",
    ] {
        refused(
            &format!("server: {{public_url: {bad}}}"),
            "server.public_url: ",
        );
    }
    let ours = loaded("server: {public_url: 'https://X.example.com:443'}");
    assert_eq!(
        ours.config.server.public_url.unwrap().as_str(),
        "https://x.example.com/"
    );
    let theirs = World::with_env(&[("PROXY_BASE_URL", "https://x.example.com/path")]);
    let loaded = theirs.load("").unwrap();
    assert!(loaded.config.server.public_url.is_none());
    noticed(&loaded, "PROXY_BASE_URL", "it is ignored");
    let valid = World::with_env(&[("PROXY_BASE_URL", "https://x.example.com:8443")]);
    let url = valid.load("").unwrap().config.server.public_url.unwrap();
    assert_eq!(url.port(), Some(8443));
}

#[test]
fn origins_that_codes_may_be_sent_to_are_named_one_by_one() {
    let ours =
        loaded("server: {trusted_redirect_origins: [App.test, '*.tools.test', 'x.test:8443']}");
    let trusted = ours.config.server.trusted_redirect_origins;
    let covers = |host: &str, port| trusted.iter().any(|origin| origin.covers(host, port));
    assert!(covers("app.test", 443) && covers("a.tools.test", 443) && covers("x.test", 8443));
    assert!(!covers("tools.test", 443) && !covers("x.test", 443) && !covers("b.app.test", 443));
    for bad in [
        "'https://app.test'",
        "'*'",
        "'*.test'",
        "'app.test/cb'",
        "'u@app.test'",
    ] {
        refused(
            &format!("server: {{trusted_redirect_origins: [{bad}]}}"),
            "write `host`, `host:port` or `*.example.com`",
        );
    }
    let list = "app.test, https://evil.test,*.tools.test,";
    let theirs = World::with_env(&[("MCP_TRUSTED_REDIRECT_ORIGINS", list)]);
    let loaded = theirs.load("").unwrap();
    assert_eq!(loaded.config.server.trusted_redirect_origins.len(), 2);
    noticed(
        &loaded,
        "MCP_TRUSTED_REDIRECT_ORIGINS",
        "`https://evil.test` is",
    );
    let both = theirs
        .load("server: {trusted_redirect_origins: []}")
        .unwrap();
    assert!(
        both.config.server.trusted_redirect_origins.is_empty(),
        "the file's word counts"
    );
}

#[test]
fn hosts_and_origins_are_exact() {
    refused(
        "server: {allowed_origins: ['*']}",
        "`*` would let every web page call",
    );
    refused(
        "server: {allowed_origins: ['https://a.b/x']}",
        "an origin has no path",
    );
    refused(
        "server: {allowed_hosts: ['https://a.b']}",
        "not a host name",
    );
    refused("server: {allowed_hosts: ['*.a.b']}", "not a host name");
    let loaded =
        loaded("server: {allowed_origins: ['https://A.b:443'], allowed_hosts: [A.b, 'c.d:8443']}");
    assert_eq!(loaded.config.server.allowed_origins, ["https://a.b"]);
    assert_eq!(loaded.config.server.allowed_hosts, ["a.b", "c.d:8443"]);
}

#[test]
fn a_public_listener_that_answers_to_any_name_is_an_insecure_choice() {
    let with = |server: &str| {
        let keys = format!("identity: {{keys: [{{id: a, key: {STRONG}}}]}}");
        loaded(&format!("server: {{{server}}}\n{keys}"))
            .config
            .insecure_choices
    };
    let open = with("host: 0.0.0.0");
    assert_eq!(open.len(), 1);
    assert!(
        open[0].starts_with("server.host: any Host is answered"),
        "{open:?}"
    );
    for named in [
        "host: 0.0.0.0, public_url: 'https://mcp.example.com'",
        "host: 0.0.0.0, allowed_hosts: [mcp.example.com]",
        "host: 127.0.0.1",
    ] {
        assert!(with(named).is_empty(), "{named}");
    }
    let answers_to_any = |server: &str| {
        with(server)
            .iter()
            .any(|choice| choice.starts_with("server.admin_listen: any Host is answered"))
    };
    for every in ["0.0.0.0:4001", "'[::]:4001'"] {
        assert!(answers_to_any(&format!("admin_listen: {every}")), "{every}");
        assert!(
            answers_to_any(&format!(
                "admin_listen: {every}, public_url: 'https://mcp.example.com'"
            )),
            "the name of the data is none of the administration"
        );
    }
    for named in [
        "admin_listen: 0.0.0.0:4001, allowed_hosts: [admin.internal]",
        "admin_listen: 10.0.0.5:4001",
        "admin_listen: 127.0.0.1:4001",
    ] {
        assert!(!answers_to_any(named), "{named}");
    }
}
