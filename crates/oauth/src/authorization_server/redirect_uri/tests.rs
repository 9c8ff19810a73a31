use super::*;

fn natives() -> NativeRedirects {
    NativeRedirects::new(vec!["cursor://anysphere.cursor-mcp".to_owned()]).unwrap()
}

fn register(text: &str) -> Result<RedirectUri, InvalidRedirectUri> {
    RedirectUri::register(text, None, &natives())
}

#[test]
fn https_anywhere_loopback_and_schemes_of_clients_own_are_registered() {
    for good in [
        "https://app.test/cb",
        "https://app.test",
        "https://App.Test:8443/cb?tenant=1",
        "https://xn--bcher-kva.example/cb",
        "https://app.test:443/cb",
        "http://localhost:33418/cb",
        "http://localhost",
        "http://127.0.0.1:1/cb",
        "http://127.9.9.9/",
        "http://[::1]:7777/cb",
        "https://localhost/cb",
        "com.example.app:/callback",
        "com.example.app://callback",
        "cursor://anysphere.cursor-mcp/oauth/callback",
    ] {
        assert!(register(good).is_ok(), "{good}");
    }
}

/// RED-02, RED-04, RED-05 and DCR-02.
#[test]
fn what_could_be_read_as_another_place_is_not_registered() {
    for bad in [
        "",
        "/cb",
        "app.test/cb",
        "http://app.test/cb",
        "http://gw.test/cb",
        "https://gw.test./cb",
        "https://gw.test%2eevil/cb",
        "https://gw..test/cb",
        "https://b\u{fc}cher.example/cb",
        "https://g\u{43e}ogle.test/cb",
        "https://*.tools.test/cb",
        "https://app.test/*",
        "https://app.test/cb#",
        "https://app.test/cb#x",
        "https://user@app.test/cb",
        "https://user:pw@app.test/cb",
        "https://app.test\\@evil.test/cb",
        "https:/app.test/cb",
        "https:app.test",
        "HTTPS://app.test/cb",
        "https://app.test:0/cb",
        "https://app.test:/cb",
        "https://app.test:+443/cb",
        "https://2130706433/cb",
        "ws://app.test/cb",
        "javascript:alert(1)",
        "jAvAsCrIpT:alert(1)",
        "\u{1}javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "intent://x#Intent;end",
        "http://127.0.0.1.evil/cb",
        "http://localhost.evil/cb",
        "http://localhost@evil/cb",
        "http://0.0.0.0/cb",
        "http://127.1/cb",
        "http://2130706433/cb",
        "http://0x7f.1/cb",
        "http://0177.0.0.1/cb",
        "http://[::ffff:127.0.0.1]/cb",
        "http://[::]/cb",
        "https://[fe80::1%25lo]/cb",
        "http://128.0.0.1/cb",
        "http://\u{ff11}27.0.0.1/cb",
        "cursor://evil/oauth/callback",
        "cursor://anysphere.cursor-mcp.evil/oauth/callback",
        "myapp://callback",
        "urn:ietf:wg:oauth:2.0:oob",
        "https://app.test/c b",
    ] {
        assert!(register(bad).is_err(), "{bad}");
    }
    let long = format!("https://app.test/{}", "x".repeat(240));
    assert_eq!(register(&long), Err(InvalidRedirectUri::TooLong));
}

#[test]
fn a_web_client_receives_https_only() {
    let web = |text| RedirectUri::register(text, Some(ApplicationType::Web), &natives());
    assert!(web("https://app.test/cb").is_ok());
    for native in ["http://localhost/cb", "com.example.app:/cb"] {
        assert_eq!(web(native), Err(InvalidRedirectUri::NotOfWeb), "{native}");
    }
}

/// RFC 8252 §7.3, RED-02, RED-04, RED-05.
#[test]
fn a_request_names_the_registered_text_but_for_a_loopback_port() {
    for (registered, asked) in [
        ("https://app.test/cb", "https://app.test/cb"),
        ("http://localhost/cb", "http://localhost:9999/cb"),
        ("http://localhost:1/cb", "http://localhost/cb"),
        ("http://127.0.0.1:1/cb?x=1", "http://127.0.0.1:2/cb?x=1"),
        ("http://[::1]/cb", "http://[::1]:5/cb"),
        ("http://localhost", "http://localhost:4"),
    ] {
        assert!(register(registered).unwrap().admits(asked), "{asked}");
    }
    for (registered, asked) in [
        ("https://app.test/cb", "https://app.test/cb/"),
        ("https://app.test/cb", "https://app.test/CB"),
        ("https://app.test/cb", "https://app.test/cb?x"),
        ("https://app.test/cb", "https://app.test:443/cb"),
        ("https://app.test/cb", "https://app.test:8443/cb"),
        ("https://app.test/cb", "http://app.test/cb"),
        ("https://app.test/cb", "https://app.test.evil/cb"),
        ("https://app.test/cb", "https://evil/app.test/cb"),
        ("https://app.test/cb", "https://apptest/cb"),
        ("https://app.test/cb", "https://xapp.test/cb"),
        ("https://app.test/cb", "https://APP.test/cb"),
        ("https://localhost/cb", "https://localhost:8443/cb"),
        ("http://localhost/cb", "http://127.0.0.1/cb"),
        ("http://localhost/cb", "http://localhost/other"),
        ("http://localhost/cb", "http://localhost/cb?x"),
        ("http://localhost/cb", "https://localhost:1/cb"),
        ("http://localhost/cb", "http://localhost:1@evil/cb"),
        ("http://localhost/cb", "http://localhost.evil:1/cb"),
        ("http://localhost/cb", "http://localhost:99999/cb"),
        ("http://localhost/cb", "http://localhost:1/cb#x"),
        ("http://localhost/cb", "http://localhost:/cb"),
        ("http://127.0.0.1/cb", "http://127.1:80/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.2:80/cb"),
        ("com.example.app:/cb", "com.example.app:/cb2"),
        (
            "cursor://anysphere.cursor-mcp/cb",
            "cursor://anysphere.cursor-mcp:1/cb",
        ),
    ] {
        assert!(!register(registered).unwrap().admits(asked), "{asked}");
    }
}

#[test]
fn people_are_shown_where_they_will_be_sent() {
    for (text, shown) in [
        ("https://app.test:8443/cb", "app.test"),
        ("http://127.0.0.1:1/cb", "127.0.0.1"),
        ("com.example.app:/cb", "com.example.app:"),
    ] {
        assert_eq!(RedirectUri::shown_host(text), shown);
    }
    assert!(register("http://[::1]/cb").unwrap().is_on_loopback());
    assert!(!register("https://app.test/cb").unwrap().is_on_loopback());
}

#[test]
fn an_operator_cannot_list_what_browsers_act_upon() {
    for bad in [
        "javascript",
        "https",
        "Cursor",
        "",
        "cursor://",
        "cursor://a/b",
        "a b",
        "data",
    ] {
        let refused = NativeRedirects::new(vec![bad.to_owned()]);
        assert_eq!(refused.unwrap_err(), bad);
    }
    let any = NativeRedirects::new(vec!["cursor".to_owned()]).unwrap();
    assert!(RedirectUri::register("cursor://whatever/cb", None, &any).is_ok());
}
