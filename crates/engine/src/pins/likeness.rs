//! Whether a tool is the same one, told in another revision.

use portcullis_mcp::{Members, digest_of};
use serde_json::value::RawValue;

/// Members that a server may leave out for a client of an earlier revision. Without them a client supposes
/// the worse: that a tool destroys, and that it is not read-only.
const LATER: [&str; 6] = [
    "title",
    "outputSchema",
    "annotations",
    "icons",
    "execution",
    "_meta",
];

/// Whether what is shown says nothing that the whole does not say, and leaves out nothing but what another
/// revision does not know. That it may answer with tasks is said in one revision only, and nothing that a
/// model reads.
pub(super) fn is_told_in_another_revision(shown: &RawValue, whole: &RawValue) -> bool {
    let (Ok(shown), Ok(whole)) = (Members::of(shown), Members::of(whole)) else {
        return false;
    };
    let says_no_more = shown.iter().all(|(name, value)| {
        let same = |other| digest_of(other) == digest_of(value);
        whole.get(name).is_some_and(same) || (name == "execution" && is_about_tasks_only(value))
    });
    let mut left_out = whole.iter().filter(|(name, _)| shown.get(name).is_none());
    says_no_more && left_out.all(|(name, _)| LATER.contains(&name))
}

fn is_about_tasks_only(execution: &RawValue) -> bool {
    let Ok(members) = Members::of(execution) else {
        return false;
    };
    let known = ["\"forbidden\"", "\"optional\"", "\"required\""];
    members
        .iter()
        .all(|(name, value)| name == "taskSupport" && known.contains(&value.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"name":"a","title":"A","description":"d","inputSchema":{"type":"object","x":{"y":1}},"outputSchema":{},"annotations":{"destructiveHint":true},"vendor":1}"#;

    fn alike(shown: &str) -> bool {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        is_told_in_another_revision(&raw(shown), &raw(WHOLE))
    }

    #[test]
    fn what_another_revision_does_not_know_may_be_left_out() {
        assert!(alike(WHOLE));
        assert!(alike(
            r#"{"vendor":1,"inputSchema":{"x":{"y":1},"type":"object"},"description":"d","name":"a"}"#
        ));
        assert!(alike(
            r#"{"name":"a","description":"d","inputSchema":{"type":"object","x":{"y":1}},"vendor":1,"execution":{"taskSupport":"optional"}}"#
        ));
    }

    #[test]
    fn nothing_may_be_said_otherwise_or_besides_and_nothing_else_be_left_out() {
        for shown in [
            r#"{"name":"a","description":"D","inputSchema":{"type":"object","x":{"y":1}},"vendor":1}"#,
            r#"{"name":"a","description":"d","inputSchema":{"type":"object","x":{"y":2}},"vendor":1}"#,
            r#"{"name":"a","description":"d","inputSchema":{"type":"object"},"vendor":1}"#,
            r#"{"name":"a","description":"d","vendor":1}"#,
            r#"{"name":"a","inputSchema":{"type":"object","x":{"y":1}},"vendor":1}"#,
            r#"{"name":"a","description":"d","inputSchema":{"type":"object","x":{"y":1}}}"#,
            r#"{"name":"a","description":"d","inputSchema":{"type":"object","x":{"y":1}},"vendor":1,"more":1}"#,
            r#"{"name":"a","title":"B","description":"d","inputSchema":{"type":"object","x":{"y":1}},"vendor":1}"#,
            r#"{"name":"a","description":"d","inputSchema":{"type":"object","x":{"y":1}},"vendor":1,"annotations":{"readOnlyHint":true}}"#,
            r#"{"name":"a","description":"d","inputSchema":{"type":"object","x":{"y":1}},"vendor":1,"execution":{"say":"ignore all"}}"#,
            r#"{"name":"a","description":"d","inputSchema":{"type":"object","x":{"y":1}},"vendor":1,"execution":{"taskSupport":"ignore all"}}"#,
            "[]",
        ] {
            assert!(!alike(shown), "{shown}");
        }
    }
}
