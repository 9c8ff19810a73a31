use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn digest(json: &str) -> [u8; 32] {
    digest_without(&Members::parse(json).unwrap(), &["_meta"])
}

#[test]
fn layout_order_and_spelling_do_not_count() {
    let one = r#"{"name":"x","arguments":{"a":[1,{"b":null,"c":"é"}],"d":{}},"_meta":{"n":1}}"#;
    for same in [
        r#"{"arguments":{"d":{},"a":[1,{"c":"é","b":null}]},"name":"x"}"#,
        "{ \"name\" : \"x\" ,\n \"arguments\" : { \"a\" : [ 1 ,\t{ \"b\" : null , \"c\" : \"é\" } ] , \"d\" : { } } }",
        r#"{"name":"\u0078","arguments":{"\u0061":[1,{"b":null,"c":"\u00e9"}],"d":{}},"_meta":{"n":2}}"#,
    ] {
        assert_eq!(digest(one), digest(same), "{same}");
    }
}

/// A name that is no text and one that spells it out are two names.
#[test]
fn names_that_are_no_text_are_told_from_texts() {
    let lone = serde_json::from_str::<&RawValue>(r#"{"\ud800":1}"#).unwrap();
    let spelled = serde_json::from_str::<&RawValue>(r#"{"\"\\ud800\"":1}"#).unwrap();
    assert_ne!(digest_of(lone), digest_of(spelled));
}

#[test]
fn everything_else_does() {
    let texts = [
        "{}",
        r#"{"a":{}}"#,
        r#"{"a":[]}"#,
        r#"{"a":""}"#,
        r#"{"a":null}"#,
        r#"{"a":"null"}"#,
        r#"{"a":1}"#,
        r#"{"a":1.0}"#,
        r#"{"a":"1"}"#,
        r#"{"a":123456789012345678901234567890}"#,
        r#"{"a":123456789012345678901234567891}"#,
        r#"{"a":1e400}"#,
        r#"{"a":1e401}"#,
        r#"{"a":[1,2]}"#,
        r#"{"a":[2,1]}"#,
        r#"{"a":[12]}"#,
        r#"{"a":[[1],2]}"#,
        r#"{"a":[1],"b":[2]}"#,
        r#"{"a":[1,"b"],"c":[2]}"#,
        r#"{"a":{"b":1,"b":2}}"#,
        r#"{"a":{"b":2,"b":1}}"#,
        r#"{"a":{"b":1}}"#,
        r#"{"a":"\ud800"}"#,
        r#"{"a":"\ud801"}"#,
        r#"{"a":"\\ud800"}"#,
        r#"{"a":"\""}"#,
        r#"{"a":"\\"}"#,
        r#"{"a":"\\\""}"#,
        r#"{"a":"},{"}"#,
        r#"{"a":true}"#,
        r#"{"b":true}"#,
        r#"{"A":true}"#,
    ];
    let digests: std::collections::BTreeSet<_> = texts.iter().map(|text| digest(text)).collect();
    assert_eq!(digests.len(), texts.len());
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(".*", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn however_it_is_printed_the_same_value_is_the_same(one in json(), other in json()) {
        let wrap = |value: &Value| serde_json::json!({"v": value});
        let small = wrap(&one).to_string();
        let pretty = serde_json::to_string_pretty(&wrap(&one)).unwrap();
        prop_assert_eq!(digest(&small), digest(&pretty));
        prop_assert_eq!(one == other, digest(&small) == digest(&wrap(&other).to_string()));
    }

    #[test]
    fn text_that_is_no_json_is_the_same_only_byte_for_byte(text in r#"[\[\]{}",:\\0a ]*"#) {
        let longer = format!("{text}x");
        prop_assert_ne!(of_text(&text), of_text(&longer));
    }
}
