use super::RedirectAccepted::{Loopback, SameOrigin, Trusted};
use super::RedirectRefused::{Malformed, Untrusted};
use super::*;

const OWN: &str = "https://gw.test";

fn rules(trusted: &str) -> RedirectRules {
    let trusted = trusted.split(',').filter(|entry| !entry.is_empty());
    RedirectRules::new(trusted.map(|entry| entry.parse().unwrap()).collect())
}

fn judged(uri: &str) -> Result<RedirectAccepted, RedirectRefused> {
    rules("app.test,*.tools.test,ported.test:8443").judge(OWN, uri)
}

#[test]
fn every_rule_of_the_seed_lets_pass_what_it_names() {
    for (uri, by) in [
        ("https://gw.test/ui/mcp/oauth/callback", SameOrigin),
        ("https://gw.test:443/ui/mcp/oauth/callback", SameOrigin),
        ("https://GW.Test/cb?x=1", SameOrigin),
        ("https://gw.test", SameOrigin),
        ("http://localhost/cb", Loopback),
        ("http://localhost:61234/cb", Loopback),
        ("http://LOCALHOST:1/cb", Loopback),
        ("http://127.0.0.1:8080/cb", Loopback),
        ("http://127.255.255.254/cb", Loopback),
        ("https://127.0.0.1:8443/cb", Loopback),
        ("http://[::1]:9999/cb", Loopback),
        ("http://[::1]", Loopback),
        ("https://app.test/cb", Trusted),
        ("https://app.test:443/cb", Trusted),
        ("https://a.tools.test/cb", Trusted),
        ("https://b.a.tools.test/cb", Trusted),
        ("https://ported.test:8443/cb", Trusted),
    ] {
        assert_eq!(judged(uri), Ok(by), "{uri}");
    }
}

#[test]
fn a_host_that_looks_like_ours_is_not_ours() {
    // RED-02
    for (uri, why) in [
        ("https://gw.test.evil/cb", Untrusted),
        ("https://evil/gw.test", Untrusted),
        ("https://evil/?gw.test", Untrusted),
        ("https://gwtest/cb", Untrusted),
        ("https://xgw.test/cb", Untrusted),
        ("https://gw.test./cb", Malformed),
        ("https://gw.test%2eevil/cb", Malformed),
        ("https://gw.t\u{435}st/cb", Malformed),
        ("https://xn--gw-test.evil/cb", Untrusted),
        ("https://gw.test@evil/cb", Malformed),
        ("https://gw.test:443@evil/cb", Malformed),
        ("https://evil\\@gw.test/cb", Malformed),
        ("https://evil#@gw.test/cb", Malformed),
        ("https:///gw.test/cb", Malformed),
        ("https://", Malformed),
        ("//gw.test/cb", Malformed),
        ("/cb", Malformed),
        ("", Malformed),
    ] {
        assert_eq!(judged(uri), Err(why), "{uri}");
    }
}

#[test]
fn a_wildcard_means_strictly_deeper_names_and_nothing_that_looks_like_them() {
    for (uri, why) in [
        ("https://tools.test/cb", Untrusted),
        ("https://eviltools.test/cb", Untrusted),
        ("https://a.tools.test.evil/cb", Untrusted),
        ("https://a..tools.test/cb", Malformed),
        ("https://.tools.test/cb", Malformed),
        ("https://*.tools.test/cb", Malformed),
        ("https://b.app.test/cb", Untrusted),
    ] {
        assert_eq!(judged(uri), Err(why), "{uri}");
    }
}

#[test]
fn another_scheme_or_port_is_another_origin() {
    // RED-04
    for (uri, why) in [
        ("http://gw.test/cb", Untrusted),
        ("http://gw.test:443/cb", Untrusted),
        ("http://app.test/cb", Untrusted),
        ("http://app.test:443/cb", Untrusted),
        ("http://a.tools.test/cb", Untrusted),
        ("https://gw.test:8443/cb", Untrusted),
        ("https://app.test:8443/cb", Untrusted),
        ("https://ported.test/cb", Untrusted),
        ("https://ported.test:443/cb", Untrusted),
        ("https://gw.test:0443/cb", Malformed),
        ("https://gw.test:/cb", Malformed),
        ("https://gw.test:99999/cb", Malformed),
        ("ws://gw.test/cb", Malformed),
        ("javascript:alert(1)", Malformed),
        ("jAvAsCrIpT:alert(1)", Malformed),
        ("javascript://gw.test/%0aalert(1)", Malformed),
        ("data:text/html,x", Malformed),
        ("vbscript:x", Malformed),
        ("file:///etc/passwd", Malformed),
        ("intent://gw.test/#Intent", Malformed),
        ("\u{1}javascript:alert(1)", Malformed),
        (" https://gw.test/cb", Malformed),
        ("https://gw.test/c b", Malformed),
        ("https://gw.test/cb\r\nx: y", Malformed),
        ("https://gw.test/cb#fragment", Malformed),
        ("https:gw.test/cb", Malformed),
        ("HTTPS://gw.test/cb", Malformed),
    ] {
        assert_eq!(judged(uri), Err(why), "{uri}");
    }
}

#[test]
fn what_only_looks_like_loopback_is_not() {
    // RED-05
    for (uri, why) in [
        ("http://127.0.0.1.evil/cb", Untrusted),
        ("http://localhost.evil/cb", Untrusted),
        ("http://evil.localhost/cb", Untrusted),
        ("http://localhost@evil/cb", Malformed),
        ("http://127.0.0.1@evil/cb", Malformed),
        ("http://0.0.0.0/cb", Untrusted),
        ("http://128.0.0.1/cb", Untrusted),
        ("http://127.1/cb", Malformed),
        ("http://127.0.0.1.5/cb", Malformed),
        ("http://127.0.0.01/cb", Malformed),
        ("http://2130706433/cb", Malformed),
        ("http://0x7f.1/cb", Malformed),
        ("http://0x7f000001/cb", Malformed),
        ("http://[::ffff:127.0.0.1]/cb", Untrusted),
        ("http://[::]/cb", Untrusted),
        ("http://[fe80::1%25lo]/cb", Malformed),
        ("http://[::1/cb", Malformed),
        ("http://[::1]evil/cb", Malformed),
        ("http://::1/cb", Malformed),
    ] {
        assert_eq!(judged(uri), Err(why), "{uri}");
    }
}

#[test]
fn our_own_origin_is_the_one_that_the_address_bar_shows() {
    let none = RedirectRules::default();
    for (own, uri, expected) in [
        (
            "https://llm.test",
            "https://llm.test:443/cb",
            Ok(SameOrigin),
        ),
        (
            "https://llm.test:443",
            "https://llm.test/cb",
            Ok(SameOrigin),
        ),
        (
            "https://llm.test",
            "https://llm.test:8443/cb",
            Err(Untrusted),
        ),
        (
            "https://llm.test:8443",
            "https://llm.test:8443/cb",
            Ok(SameOrigin),
        ),
        (
            "http://10.0.0.7:4000",
            "http://10.0.0.7:4000/cb",
            Ok(SameOrigin),
        ),
        (
            "http://10.0.0.7:4000",
            "https://llm.test/cb",
            Err(Untrusted),
        ),
        ("not an origin", "https://llm.test/cb", Err(Untrusted)),
        ("", "", Err(Malformed)),
    ] {
        assert_eq!(none.judge(own, uri), expected, "{own} {uri}");
    }
}

#[test]
fn nobody_reads_a_megabyte_as_an_address() {
    let long = format!("https://gw.test/{}", "a".repeat(MAX_LENGTH));
    assert_eq!(judged(&long), Err(Malformed));
}
