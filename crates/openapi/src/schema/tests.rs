use super::*;
use crate::read::tree;

fn written(version: &str, direction: Direction, schemas: &str) -> String {
    let text = format!(r#"{{"openapi":"{version}","components":{{"schemas":{schemas}}}}}"#);
    let root = tree(&text).unwrap();
    let schemas = root.get("components").unwrap().get("schemas").unwrap();
    let mut writer = Writer::new(&root, direction);
    let schema = writer.schema(schemas.get("X").unwrap(), 0);
    let definitions = writer.definitions(usize::MAX);
    format!("{schema} {}", definitions.unwrap_or_default())
        .trim()
        .to_owned()
}

#[test]
fn keywords_of_3_0_become_those_of_2020_12() {
    let cases = [
        (
            r#"{"type":"string","nullable":true}"#,
            r#"{"type":["string","null"]}"#,
        ),
        (
            r#"{"type":"string","nullable":true,"enum":["a"]}"#,
            r#"{"type":["string","null"],"enum":["a",null]}"#,
        ),
        (
            r#"{"minimum":1,"exclusiveMinimum":true,"maximum":9,"exclusiveMaximum":false}"#,
            r#"{"exclusiveMinimum":1,"maximum":9}"#,
        ),
        (
            r#"{"example":{"b":1,"a":2}}"#,
            r#"{"examples":[{"b":1,"a":2}]}"#,
        ),
        (
            r#"{"x-mcp-header":"Evil","xml":{},"discriminator":{},"$id":"http://a"}"#,
            "{}",
        ),
        (
            r#"{"type":"array","items":{"type":"integer"}}"#,
            r#"{"type":"array","items":{"type":"integer"}}"#,
        ),
        (
            r#"{"items":[{"type":"integer"}]}"#,
            r#"{"prefixItems":[{"type":"integer"}]}"#,
        ),
        (
            r#"{"additionalProperties":false}"#,
            r#"{"additionalProperties":false}"#,
        ),
        (
            r#"{"maximum":123456789012345678901234567890}"#,
            r#"{"maximum":123456789012345678901234567890}"#,
        ),
        (
            r#"{"description":7,"type":"strnig","required":true,"properties":[]}"#,
            "{}",
        ),
        (
            r#"{"properties":{"a":true,"b":false}}"#,
            r#"{"properties":{"a":{},"b":{"not":{}}}}"#,
        ),
        (
            r##"{"default":{"$ref":"#/x"}}"##,
            r##"{"default":{"$ref":"#/x"}}"##,
        ),
    ];
    for (schema, expected) in cases {
        let schemas = format!(r#"{{"X":{schema}}}"#);
        assert_eq!(
            written("3.0.3", Direction::Output, &schemas),
            expected,
            "{schema}"
        );
    }
}

#[test]
fn circles_stay_references() {
    let tree = r##"{"X":{"$ref":"#/components/schemas/Tree"},"Tree":{"properties":{"kids":{"type":"array","items":{"$ref":"#/components/schemas/Tree"}}}}}"##;
    assert_eq!(
        written("3.1.0", Direction::Input, tree),
        r##"{"$ref":"#/$defs/Tree"} {"Tree":{"properties":{"kids":{"type":"array","items":{"$ref":"#/$defs/Tree"}}}}}"##
    );
}

#[test]
fn a_reference_that_leads_out_or_nowhere_or_to_itself_accepts_anything() {
    for reference in [
        "https://evil.example/schema.json",
        "file:///etc/passwd",
        "other.yaml#/A",
        "#/components/schemas/Missing",
        "#/components/schemas/X",
    ] {
        let schemas = format!(r#"{{"X":{{"$ref":"{reference}"}}}}"#);
        assert_eq!(
            written("3.0.3", Direction::Input, &schemas),
            "{}",
            "{reference}"
        );
    }
}

#[test]
fn what_stands_beside_a_reference_counts_since_3_1() {
    let schemas = r##"{"X":{"$ref":"#/components/schemas/Y","description":"d"},"Y":{}}"##;
    let beside = r##"{"$ref":"#/$defs/Y","description":"d"} {"Y":{}}"##;
    assert_eq!(written("3.1.0", Direction::Input, schemas), beside);
    let alone = r##"{"$ref":"#/$defs/Y"} {"Y":{}}"##;
    assert_eq!(written("3.0.3", Direction::Input, schemas), alone);
}

#[test]
fn what_is_only_for_the_other_direction_is_left_out() {
    let schemas = r#"{"X":{"required":["id","key"],"properties":{"id":{"readOnly":true},"key":{"writeOnly":true}}}}"#;
    assert_eq!(
        written("3.0.3", Direction::Input, schemas),
        r#"{"required":["key"],"properties":{"key":{"writeOnly":true}}}"#
    );
    assert_eq!(
        written("3.0.3", Direction::Output, schemas),
        r#"{"required":["id"],"properties":{"id":{"readOnly":true}}}"#
    );
}

#[test]
fn a_bomb_of_references_stays_within_the_bound() {
    let mut schemas = Vec::new();
    for level in 0..3000 {
        let next = (level + 1) % 3000;
        let arms: Vec<String> = (0..10)
            .map(|arm| format!(r##"{{"title":"arm {arm}","allOf":[{{"$ref":"#/components/schemas/S{next}"}}]}}"##))
            .collect();
        schemas.push(format!(r#""S{level}":{{"oneOf":[{}]}}"#, arms.join(",")));
    }
    let schemas = format!(
        r##"{{"X":{{"$ref":"#/components/schemas/S0"}},{}}}"##,
        schemas.join(",")
    );
    let written = written("3.0.3", Direction::Input, &schemas);
    assert!(
        written.len() < MAX_SCHEMA_BYTES + 64 * 1024,
        "{}",
        written.len()
    );
    assert!(
        serde_json::from_str::<Vec<serde_json::Value>>(&format!(
            "[{}]",
            written.replacen("} {", "},{", 1)
        ))
        .is_ok()
    );
}

#[test]
fn files_are_base64() {
    let schemas = r#"{"X":{"type":"string","format":"binary","description":"A picture."}}"#;
    assert_eq!(
        written("3.0.3", Direction::Input, schemas),
        r#"{"type":"string","contentEncoding":"base64","description":"A picture. Binary content, in base64."}"#
    );
}
