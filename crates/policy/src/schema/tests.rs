use serde_json::json;

use super::*;

fn refused(schema: &Value, arguments: &Value) -> (Vec<String>, String) {
    let denied = ArgumentSchema::compile(schema)
        .unwrap()
        .admits(arguments, 0)
        .unwrap_err();
    assert_eq!(denied.rule, DeniedRule::ArgumentSchemas);
    (
        denied.arguments,
        denied.keyword.unwrap().as_ref().to_owned(),
    )
}

fn files() -> Value {
    json!({
        "properties": {
            "path": {"type": "string", "pattern": "^/srv/"},
            "limit": {"type": "integer", "maximum": 100},
            "to": {"type": "array", "items": {"type": "string", "format": "email"}},
            "mode": {"enum": ["r", "w"]},
            "options": {"type": "object", "properties": {"deep": {
                "type": "object", "properties": {"force": {"const": false}}}}},
        },
        "required": ["path"],
        "additionalProperties": false,
    })
}

#[test]
fn a_refusal_names_the_argument_and_the_keyword_and_no_value() {
    for (arguments, argument, keyword) in [
        (json!({"path": "/etc/canary"}), "path", "pattern"),
        (json!({"path": 7}), "path", "type"),
        (json!({"path": "/srv/a", "limit": 101}), "limit", "maximum"),
        (json!({"path": "/srv/a", "limit": 1.5}), "limit", "type"),
        (
            json!({"path": "/srv/a", "to": ["a@b.example", "canary"]}),
            "to",
            "format",
        ),
        (json!({"path": "/srv/a", "mode": "canary"}), "mode", "enum"),
        (
            json!({"path": "/srv/a", "options": {"deep": {"force": true}}}),
            "options",
            "const",
        ),
        (json!({}), "path", "required"),
        (
            json!({"path": "/srv/a", "canary/x": 1}),
            "canary/x",
            "additionalProperties",
        ),
    ] {
        assert_eq!(
            refused(&files(), &arguments),
            (vec![argument.to_owned()], keyword.to_owned()),
            "{arguments}"
        );
    }
    let schema = ArgumentSchema::compile(&files()).unwrap();
    let fine = json!({"path": "/srv/a", "limit": 100, "to": ["a@b.example"], "mode": "r"});
    assert_eq!(schema.admits(&fine, 0), Ok(()));
}

#[test]
fn a_name_with_a_slash_is_told_as_it_is() {
    let schema = json!({"properties": {"a/b~c": {"type": "string"}}});
    assert_eq!(refused(&schema, &json!({"a/b~c": 1})).0, ["a/b~c"]);
}

#[test]
fn whatever_would_be_ignored_or_fetched_is_refused_at_load() {
    for (schema, said) in [
        (json!({"properties": {"a": {"patern": "x"}}}), "`patern`"),
        (
            json!({"items": {"type": "string", "anyOf": [{"maxlength": 3}]}}),
            "`maxlength`",
        ),
        (
            json!({"properties": {"a": {"type": "string", "format": "regex"}}}),
            "`regex`",
        ),
        (
            json!({"$ref": "https://schemas.example/a.json"}),
            "leads out",
        ),
        (
            json!({"properties": {"a": {"$ref": "file:///etc/passwd"}}}),
            "leads out",
        ),
        (json!({"$ref": "#/$defs/none"}), "not a JSON Schema"),
        (
            json!({"properties": {"a": {"type": "string", "pattern": "("}}}),
            "not a JSON Schema",
        ),
        (
            json!({"properties": {"a": {"type": "string", "pattern": "(?=a)b"}}}),
            "not a JSON Schema",
        ),
        (
            json!({"properties": {"a": {"type": "string", "pattern": r"(a)\1"}}}),
            "not a JSON Schema",
        ),
        (
            json!({"properties": {"a": {"type": "string", "pattern": "(?:(?:a{1000}){1000}){1000}"}}}),
            "not a JSON Schema",
        ),
        (json!({"type": "strnig"}), "not a JSON Schema"),
        (json!([]), "not a JSON Schema"),
    ] {
        let error = ArgumentSchema::compile(&schema).unwrap_err();
        assert!(error.to_string().contains(said), "{schema}: {error}");
        assert!(!error.remedy().is_empty());
    }
    let mut deep = json!({});
    for _ in 0..40 {
        deep = json!({"type": "array", "items": deep});
    }
    assert_eq!(
        ArgumentSchema::compile(&deep).unwrap_err(),
        InvalidSchema::TooDeep
    );
}

/// `{path: {pattern: …}}` would let `path: ["/etc/passwd"]` pass.
#[test]
fn a_keyword_that_lets_other_types_pass_needs_its_type() {
    for (schema, keyword, of) in [
        (json!({"pattern": "^/srv/"}), "pattern", "string"),
        (json!({"maximum": 5}), "maximum", "number"),
        (json!({"items": {"enum": [1]}}), "items", "array"),
        (
            json!({"properties": {"b": {"enum": [1]}}}),
            "properties",
            "object",
        ),
        (
            json!({"type": "array", "items": {"format": "email"}}),
            "format",
            "string",
        ),
        (
            json!({"anyOf": [{"type": "integer"}, {"maxLength": 3}]}),
            "maxLength",
            "string",
        ),
        (
            json!({"type": "object", "additionalProperties": {"minLength": 1}}),
            "minLength",
            "string",
        ),
    ] {
        let whole = json!({"properties": {"a": schema}});
        let refused = ArgumentSchema::compile(&whole).unwrap_err();
        let keyword = keyword.to_owned();
        assert_eq!(refused, InvalidSchema::Untyped { keyword, of }, "{whole}");
        assert!(refused.remedy().contains(of));
        let defined = json!({"$defs": {"a": schema}, "properties": {"a": {"$ref": "#/$defs/a"}}});
        assert_eq!(ArgumentSchema::compile(&defined).unwrap_err(), refused);
    }
    for (schema, bad) in [
        (
            json!({"type": ["string", "null"], "pattern": "^/srv/"}),
            json!(["/srv/"]),
        ),
        (
            json!({"type": "string", "allOf": [{"pattern": "^/srv/"}]}),
            json!(["/srv/"]),
        ),
        (json!({"not": {"pattern": "^/etc/"}}), json!(["/srv/"])),
        (
            json!({"type": "object", "propertyNames": {"pattern": "^x"}}),
            json!({"y": 1}),
        ),
    ] {
        refused(&json!({"properties": {"a": schema}}), &json!({"a": bad}));
    }
}

#[test]
fn references_within_the_schema_are_followed() {
    let schema = json!({
        "$defs": {"inside": {"type": "string", "pattern": "^/srv/"}},
        "properties": {"from": {"$ref": "#/$defs/inside"}},
    });
    assert_eq!(refused(&schema, &json!({"from": "/etc"})).1, "pattern");
}

/// NET-19: a pattern that runs away in a backtracking engine.
#[test]
fn a_pattern_takes_linear_time() {
    let schema = json!({"properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}});
    let long = format!("{}!", "a".repeat(100_000));
    assert_eq!(refused(&schema, &json!({"a": long})).1, "pattern");
}

/// What costs the square of its length, or a note for each element, is bounded.
#[test]
fn no_caller_makes_a_refusal_expensive() {
    let unique = |most: Value| json!({"properties": {"a": {"type": "array", "uniqueItems": true, "maxItems": most}}});
    for schema in [
        json!({"properties": {"a": {"type": "array", "uniqueItems": true}}}),
        unique(json!(1_001)),
    ] {
        let refused = ArgumentSchema::compile(&schema).unwrap_err();
        assert_eq!(refused, InvalidSchema::Unbounded, "{schema}");
    }
    ArgumentSchema::compile(&unique(json!(1_000))).unwrap();
    let schema = json!({"properties": {"to": {"anyOf": [{"type": "string"},
        {"type": "array", "items": {"enum": ["a", "b"]}}]}}});
    let schema = ArgumentSchema::compile(&schema).unwrap();
    let many = json!({"to": vec![1; 10_000]});
    let named = schema.admits(&many, 100).unwrap_err();
    assert_eq!(named.arguments, ["to"]);
    let unnamed = schema.admits(&many, 20_000).unwrap_err();
    assert!(unnamed.arguments.is_empty());
    assert_eq!(unnamed.keyword.unwrap().as_ref(), "schema");
}

#[test]
fn a_refusal_repeats_only_a_little_of_what_a_caller_wrote() {
    let schema = json!({"properties": {"a": {}}, "additionalProperties": false});
    let schema = ArgumentSchema::compile(&schema).unwrap();
    let long = |n: u32| format!("{n:02}{}", "x".repeat(500));
    let arguments = (0..50).map(|n| (long(n), json!(1))).collect();
    let refused = schema.admits(&Value::Object(arguments), 100).unwrap_err();
    let names = [refused.arguments, few((0..50).map(long).collect())];
    assert!(!names[0].is_empty());
    assert_eq!(names[1].len(), 8);
    let mut names = names.iter().flatten();
    assert!(names.all(|name| name.len() == 64));
}
