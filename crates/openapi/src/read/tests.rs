use super::*;
use crate::limits::MAX_DEPTH;

fn json(text: &str) -> String {
    tree(text).unwrap().json()
}

fn error(text: &str) -> String {
    tree(text).unwrap_err().to_string()
}

#[test]
fn numbers_and_the_order_stay_as_written() {
    let text = r#"{"z":123456789012345678901234567890,"a":1e400,"t":"\ud83d\ude00\/","n":null}"#;
    let expected = r#"{"z":123456789012345678901234567890,"a":1e400,"t":"😀/","n":null}"#;
    assert_eq!(json(text), expected);
}

#[test]
fn yaml_scalars_are_those_of_1_2() {
    let text = "a: no\nb: 0x1F\nc: 010\nd: '1'\ne: ~\nf: +1.5\n200: .5\ng: 2026-07-28\nh: !!str 1\ni: True\n";
    let expected = r#"{"a":"no","b":31,"c":10,"d":"1","e":null,"f":1.5,"200":0.5,"g":"2026-07-28","h":"1","i":true}"#;
    assert_eq!(json(text), expected);
}

#[test]
fn aliases_and_merge_keys_are_expanded() {
    let text = "base: &b {x: 1, y: 2}\nuse: {<<: *b, y: 3}\nalso: *b\n";
    let expected = r#"{"base":{"x":1,"y":2},"use":{"y":3,"x":1},"also":{"x":1,"y":2}}"#;
    assert_eq!(json(text), expected);
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let cases = [
        (
            "{\"a\": 1,\n\"a\": 2}",
            "line 2: the key \"a\" stands twice",
        ),
        ("a: 1\na: 2\n", "line 2: the key \"a\" stands twice"),
        ("{\"a\": 1,\n  b}", "line 2: not valid JSON"),
        (
            "a: 1\n\tb: 2\n",
            "line 1: not valid YAML: while scanning a plain scalar, found a tab",
        ),
        ("a: 1\n---\nb: 2\n", "a second YAML document"),
        ("a: &x [*x]\n", "an alias to a value that contains it"),
        ("? [a]\n: b\n", "a key must be plain text"),
    ];
    for (text, expected) in cases {
        let error = error(text);
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}

#[test]
fn nesting_is_bounded_also_where_aliases_make_it() {
    let deep = |levels: usize| format!("{{\"a\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(tree(&deep(MAX_DEPTH - 2)).is_ok());
    assert!(error(&deep(MAX_DEPTH + 2)).contains("nested deeper"));
    assert!(
        error(&deep(200_000)).contains("nested deeper"),
        "and the stack holds"
    );
    let nest = |name: &str, below: &str| {
        format!(
            "{name}: &{name} {}{below}{}\n",
            "[".repeat(30),
            "]".repeat(30)
        )
    };
    let aliased = [nest("a", "1"), nest("b", "*a"), nest("c", "*b")].concat();
    assert!(error(&aliased).contains("nested deeper"));
}

#[test]
fn a_bomb_of_aliases_is_refused_before_it_is_built() {
    let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        text.extend([format!(
            "a{level}: &a{level} [{}]\n",
            [below.as_str(); 10].join(",")
        )]);
    }
    assert!(error(&text).contains("more than 1000000 values"));
    let mut merging = "a0: &a0 {k: 1}\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        let keys: Vec<String> = (0..10)
            .map(|key| format!("k{level}_{key}: {below}"))
            .collect();
        merging.extend([format!(
            "a{level}: &a{level} {{<<: {below}, {}}}\n",
            keys.join(", ")
        )]);
    }
    assert!(error(&merging).contains("more than 1000000 values"));
}

/// A long text is one value, and so is every alias of it.
#[test]
fn a_bomb_of_one_long_text_is_refused_before_it_is_built() {
    let long = "x".repeat(1024 * 1024);
    let aliases = "  - *a\n".repeat(100);
    let text = format!("a: &a {long}\nb:\n{aliases}");
    assert!(error(&text).contains("aliases stand for more than"));
    let few = format!("a: &a {long}\nb:\n  - *a\n  - *a\n");
    assert!(tree(&few).is_ok());
    // A name is text too.
    let names = format!("a: &a {{? {long}\n: 1}}\nb:\n{aliases}");
    assert!(error(&names).contains("aliases stand for more than"));
    let merged = format!("a: &a {{k: {long}}}\nb:\n{}", "  - {<<: *a}\n".repeat(100));
    assert!(error(&merged).contains("aliases stand for more than"));
}

#[test]
fn a_document_that_is_too_large_is_not_read() {
    let text = " ".repeat(MAX_DOCUMENT_BYTES + 1);
    assert!(error(&text).contains("larger than"));
}
