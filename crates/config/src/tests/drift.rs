//! `on_drift` of servers and of `policy`.

use portcullis_policy::OnDrift;

use super::{loaded, refused};

#[test]
fn a_change_is_told_unless_the_file_says_otherwise() {
    let loaded = loaded("mcp_servers: {a: {url: https://a.b/m, auth_type: none}}");
    assert_eq!(loaded.config.policy.on_drift, OnDrift::Warn);
    assert_eq!(loaded.config.mcp_servers[0].on_drift, None);
    let relaxed = loaded.config.insecure_choices.concat();
    assert!(!relaxed.contains("nobody is told"), "{relaxed}");
}

#[test]
fn it_is_said_of_all_servers_and_of_single_ones() {
    let loaded = loaded(
        "policy: {on_drift: block}
mcp_servers:
  a: {url: https://a.b/m, auth_type: none, on_drift: allow}
  b: {url: https://b.b/m, auth_type: none}
",
    );
    assert_eq!(loaded.config.policy.on_drift, OnDrift::Block);
    let of_servers: Vec<_> = loaded
        .config
        .mcp_servers
        .iter()
        .map(|one| one.on_drift)
        .collect();
    assert_eq!(of_servers, [Some(OnDrift::Allow), None]);
    let shown = crate::explain(&loaded.config, &loaded.notices);
    for line in ["on_drift: block", "on_drift: allow"] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let relaxed = loaded.config.insecure_choices.concat();
    assert!(relaxed.contains("nobody is told"), "{relaxed}");
}

#[test]
fn another_word_is_refused() {
    for text in [
        "policy: {on_drift: deny}",
        "mcp_servers: {a: {url: https://a.b/m, auth_type: none, on_drift: 'false'}}",
    ] {
        refused(text, "on_drift");
    }
}
