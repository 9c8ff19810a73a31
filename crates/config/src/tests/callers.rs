//! Where callers come from, and what a server asks of them beyond a grant.

use super::{loaded, noticed, refused};

fn server(body: &str) -> String {
    format!("mcp_servers: {{a: {{url: https://a.example.com/mcp, {body}}}}}")
}

#[test]
fn forwarded_headers_need_the_switch_and_the_proxies() {
    let read = |settings: &str| loaded(&format!("general_settings: {{{settings}}}"));
    let both = read(
        "use_x_forwarded_for: true, mcp_trusted_proxy_ranges: [10.0.0.0/8, 192.0.2.7], mcp_xff_num_trusted_hops: 2",
    );
    let forwarded = both.config.server.forwarded.unwrap();
    let proxies: Vec<String> = forwarded.proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.0/8", "192.0.2.7/32"]);
    assert_eq!(forwarded.hops.map(std::num::NonZeroU8::get), Some(2));
    let alone = read("use_x_forwarded_for: true");
    assert!(alone.config.server.forwarded.is_none());
    noticed(
        &alone,
        "general_settings.use_x_forwarded_for",
        "without `mcp_trusted_proxy_ranges`",
    );
    for key in [
        "mcp_trusted_proxy_ranges: 10.0.0.0/8",
        "mcp_xff_num_trusted_hops: 1",
    ] {
        let off = read(key);
        assert!(off.config.server.forwarded.is_none());
        let (name, _) = key.split_once(':').unwrap();
        noticed(&off, &format!("general_settings.{name}"), "without effect");
    }
    noticed(
        &read("trusted_proxy_ranges: [10.0.0.0/8]"),
        "general_settings.trusted_proxy_ranges",
        "write `mcp_trusted_proxy_ranges`",
    );
}

#[test]
fn a_range_that_is_none_is_an_error_and_not_skipped() {
    // IP-06
    for (range, expected) in [
        ("10.0.0.0/33", "more bits than the address has"),
        ("10.0.0", "not a range of addresses"),
        ("0.0.0.0/0", "every address there is"),
        ("10.1.0.0/8", "not the first address of its block"),
        ("proxy.internal", "not a range of addresses"),
    ] {
        refused(
            &format!(
                "general_settings: {{use_x_forwarded_for: true, mcp_trusted_proxy_ranges: [192.0.2.0/24, {range}]}}"
            ),
            expected,
        );
    }
    refused(
        "general_settings: {mcp_trusted_proxy_ranges: }",
        "it would restrict nothing",
    );
}

#[test]
fn tools_are_mapped_to_scopes_exactly_or_all_at_once() {
    let read = loaded(&server(
        "alias: b, allowed_scopes: 'r w', tool_scopes: {x: r, y: [r, w], z: [], 'b/*': [w]}",
    ));
    let scopes = read.config.mcp_servers[0].scopes.clone().unwrap();
    let tools: Vec<String> = scopes
        .tools
        .iter()
        .map(|(tool, needed)| format!("{tool}={needed}"))
        .collect();
    assert_eq!(tools, ["x=r", "y=r w", "z="]);
    assert_eq!(scopes.others.unwrap().to_string(), "w");
    assert_eq!(
        loaded(&server("timeout: 3s")).config.mcp_servers[0].scopes,
        None
    );
    for (body, expected) in [
        (
            "allowed_scopes: [r], tool_scopes: {x: [r, W, R]}",
            "`R W` is not among `allowed_scopes`",
        ),
        ("tool_scopes: {'*': r}", "not a tool of this server"),
        (
            "tool_scopes: {'other/*': r}",
            "everything that is not listed is `a/*`",
        ),
        (
            "alias: b, tool_scopes: {'a/*': r, 'b/*': w}",
            "mapped twice",
        ),
        ("tool_scopes: {x: ''}", "a blank names nothing"),
        ("tool_scopes: {x: [' ']}", "a blank names nothing"),
        ("tool_scopes: {x: }", "expected a single value"),
        ("tool_scopes: ", "it would restrict nothing"),
        ("tool_scopes: {x: 'a\"b'}", "not a scope"),
        ("allowed_scopes: ", "it would restrict nothing"),
    ] {
        refused(&server(body), expected);
    }
    noticed(
        &loaded(&server("tool_scopes: {}")),
        "mcp_servers.a.tool_scopes",
        "every call is refused",
    );
}

#[test]
fn a_server_for_the_inside_needs_to_know_where_the_inside_is() {
    const HIDDEN: &str =
        "mcp_servers: {a: {url: 'https://a.b/m', available_on_public_internet: false}}";
    const PLACE: &str = "general_settings.mcp_internal_ip_ranges";
    let by_default = loaded(HIDDEN);
    assert!(by_default.config.mcp_servers[0].inside_only);
    let inside = &by_default.config.server.inside;
    assert_eq!(inside.len(), 6);
    noticed(&by_default, PLACE, "private and loopback addresses");
    for (settings, ranges) in [
        ("mcp_internal_ip_ranges: [10.0.0.0/8]", 1),
        ("mcp_internal_ip_ranges: []", 0),
        (
            "use_x_forwarded_for: true, mcp_trusted_proxy_ranges: [192.0.2.0/24]",
            6,
        ),
    ] {
        let told = loaded(&format!("general_settings: {{{settings}}}\n{HIDDEN}"));
        assert_eq!(told.config.server.inside.len(), ranges, "{settings}");
        assert!(
            told.notices.iter().all(|notice| notice.path != PLACE),
            "{settings}"
        );
    }
    assert!(
        !loaded(&server("available_on_public_internet: true"))
            .config
            .mcp_servers[0]
            .inside_only
    );
    for (text, expected) in [
        (
            "general_settings: {mcp_internal_ip_ranges: [0.0.0.0/0]}",
            "every address there is",
        ),
        (
            "general_settings: {mcp_internal_ip_ranges: [10.0.0]}",
            "not a range of addresses",
        ),
        (
            "general_settings: {mcp_internal_ip_ranges: }",
            "it would restrict nothing",
        ),
    ] {
        refused(text, expected);
    }
    refused(
        &server("available_on_public_internet: "),
        "it would restrict nothing",
    );
    refused(
        &server("available_on_public_internet: 'false'"),
        "expected `true` or `false`",
    );
}
