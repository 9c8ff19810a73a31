//! What a tool's schema may ask for, and which tools are dropped for what theirs asks.

use super::*;

#[test]
fn a_tool_whose_annotation_is_not_a_usable_name_is_dropped() {
    let annotated = |annotation: Value| {
        refusal(&tool(
            &json!({"v": {"type": "string", "x-mcp-header": annotation}}),
        ))
    };
    let at = || "/properties/v".to_owned();
    assert_eq!(annotated(json!("")), InvalidAnnotation::Empty { at: at() });
    for bad in [
        "My Region",
        "Region:Primary",
        "Région",
        "Region\t1",
        "a\r\nb",
        "a\0",
        "a/b",
        "a\"b",
        "(a)",
        &"a".repeat(257),
    ] {
        assert_eq!(
            annotated(json!(bad)),
            InvalidAnnotation::NotAToken { at: at() },
            "{bad:?}"
        );
    }
    for bad in [
        json!(null),
        json!(1),
        json!(true),
        json!(["Region"]),
        json!({"name": "Region"}),
    ] {
        assert_eq!(annotated(bad), InvalidAnnotation::NotAString { at: at() });
    }
}

#[test]
fn every_token_character_may_be_in_a_name() {
    let token = "!#$%&'*+-.^_`|~09azAZ";
    let params = ParamHeaders::from_schema(&tool(
        &json!({"v": {"type": "string", "x-mcp-header": token}}),
    ))
    .unwrap();
    let expected = format!("mcp-param-{}", token.to_ascii_lowercase());
    assert_eq!(
        written(&params, &json!({"v": "x"})),
        [(expected, "x".to_owned())]
    );
}

#[test]
fn only_strings_integers_and_booleans_can_be_mirrored() {
    for fine in ["string", "integer", "boolean"] {
        let schema = tool(&json!({"v": {"type": fine, "x-mcp-header": "V"}}));
        assert!(
            !ParamHeaders::from_schema(&schema).unwrap().is_empty(),
            "{fine}"
        );
    }
    for bad in [
        json!({"type": "number"}),
        json!({"type": "object"}),
        json!({"type": "array", "items": {"type": "string"}}),
        json!({"type": "null"}),
        json!({"type": ["string", "null"]}),
        json!({"type": "String"}),
        json!({}),
        json!({"enum": ["a", "b"]}),
    ] {
        let mut property = bad.clone();
        property["x-mcp-header"] = json!("V");
        let expected = InvalidAnnotation::NotPrimitive {
            at: "/properties/v".to_owned(),
        };
        assert_eq!(refusal(&tool(&json!({"v": property}))), expected, "{bad}");
    }
}

#[test]
fn two_arguments_cannot_share_a_header_whatever_its_case() {
    for (first, second) in [("Region", "Region"), ("MyField", "myfield")] {
        let flat = tool(&json!({
            "a": {"type": "string", "x-mcp-header": first},
            "b": {"type": "string", "x-mcp-header": second},
        }));
        assert_eq!(
            refusal(&flat),
            InvalidAnnotation::Duplicate {
                at: "/properties/b".to_owned()
            }
        );
        let nested = tool(&json!({
            "a": {"type": "string", "x-mcp-header": first},
            "b": {"type": "object", "properties": {"c": {"type": "string", "x-mcp-header": second}}},
        }));
        assert_eq!(
            refusal(&nested),
            InvalidAnnotation::Duplicate {
                at: "/properties/b/properties/c".to_owned()
            }
        );
    }
}

#[test]
fn an_annotation_off_the_chain_of_properties_drops_the_tool() {
    let inner =
        json!({"type": "object", "properties": {"v": {"type": "string", "x-mcp-header": "V"}}});
    for keyword in [
        "items",
        "additionalItems",
        "contains",
        "additionalProperties",
        "propertyNames",
        "unevaluatedItems",
        "unevaluatedProperties",
        "not",
        "if",
        "then",
        "else",
        "contentSchema",
        "x-unknown",
    ] {
        for schema in [
            json!({keyword: inner}),
            tool(&json!({"p": {keyword: inner}})),
        ] {
            assert!(
                matches!(refusal(&schema), InvalidAnnotation::OffChain { .. }),
                "{schema}"
            );
        }
    }
    for keyword in [
        "oneOf",
        "anyOf",
        "allOf",
        "prefixItems",
        "items",
        "properties",
    ] {
        let schema = tool(&json!({"p": {keyword: [true, inner]}}));
        assert!(
            matches!(refusal(&schema), InvalidAnnotation::OffChain { .. }),
            "{schema}"
        );
    }
    for keyword in [
        "$defs",
        "definitions",
        "dependentSchemas",
        "dependencies",
        "patternProperties",
    ] {
        let schema =
            json!({keyword: {"p": inner}, "properties": {"p": {"$ref": format!("#/{keyword}/p")}}});
        assert!(
            matches!(refusal(&schema), InvalidAnnotation::OffChain { .. }),
            "{schema}"
        );
    }
    let root = json!({"type": "string", "x-mcp-header": "V"});
    assert_eq!(
        refusal(&root),
        InvalidAnnotation::OffChain { at: String::new() }
    );
}

#[test]
fn a_key_that_only_looks_like_the_annotation_is_none() {
    for schema in [
        tool(&json!({"x-mcp-header": {"type": "string"}})),
        json!({"$defs": {"x-mcp-header": {"type": "string"}}}),
        tool(&json!({"p": {"type": "object", "default": {"x-mcp-header": ""}}})),
        tool(
            &json!({"p": {"const": {"x-mcp-header": 1}, "examples": [{"x-mcp-header": 1}], "enum": [{"x-mcp-header": 1}]}}),
        ),
        tool(&json!({"p": {"type": "string", "X-MCP-Header": ""}})),
        json!(true),
    ] {
        assert_eq!(
            ParamHeaders::from_schema(&schema),
            Ok(ParamHeaders::default()),
            "{schema}"
        );
    }
    let named = tool(
        &json!({"default": {"type": "string", "x-mcp-header": "V"}, "properties": {"type": "string", "x-mcp-header": "W"}}),
    );
    let arguments = json!({"default": "a", "properties": "b"});
    assert_eq!(
        written(&ParamHeaders::from_schema(&named).unwrap(), &arguments),
        [
            ("mcp-param-v".to_owned(), "a".to_owned()),
            ("mcp-param-w".to_owned(), "b".to_owned())
        ]
    );
}

#[test]
fn a_schema_bomb_is_refused_and_never_followed() {
    let mut deep = json!({"type": "string"});
    for _ in 0..200 {
        deep = tool(&json!({"p": deep}));
    }
    assert_eq!(refusal(&deep), InvalidAnnotation::TooDeep);
    // Built by hand: `json!` would recurse.
    let mut nested_arrays = Value::Null;
    for _ in 0..10_000 {
        nested_arrays = Value::Array(vec![nested_arrays]);
    }
    let bomb = Value::Object(std::iter::once(("allOf".to_owned(), nested_arrays)).collect());
    assert!(matches!(
        ParamHeaders::from_schema(&bomb),
        Err(InvalidAnnotation::TooDeep)
    ));
    unnest(bomb);
    let wide = json!({"anyOf": vec![json!({"type": "string"}); 100_000]});
    assert!(matches!(
        ParamHeaders::from_schema(&wide),
        Err(InvalidAnnotation::TooLarge)
    ));
    let many: serde_json::Map<_, _> = (0..65)
        .map(|n| {
            (
                format!("p{n}"),
                json!({"type": "string", "x-mcp-header": format!("H{n}")}),
            )
        })
        .collect();
    assert_eq!(
        refusal(&tool(&Value::Object(many))),
        InvalidAnnotation::TooMany
    );
    let recursive = tool(&json!({
        "self": {"$ref": "#"},
        "net": {"$ref": "http://169.254.169.254/schema.json"},
        "file": {"$ref": "file:///etc/passwd"},
    }));
    assert_eq!(
        ParamHeaders::from_schema(&recursive),
        Ok(ParamHeaders::default())
    );
}

/// Drops a deep value level by level: its own drop would recurse.
fn unnest(mut value: Value) {
    loop {
        value = match value {
            Value::Array(mut items) => items.pop().unwrap_or_default(),
            Value::Object(mut map) => map.remove("allOf").unwrap_or_default(),
            _ => return,
        };
    }
}

#[test]
fn a_refusal_cannot_flood_or_forge_the_log() {
    let name = format!("\n{}", "x".repeat(100_000));
    let shown = refusal(&tool(
        &json!({name: {"type": "string", "x-mcp-header": ""}}),
    ))
    .to_string();
    assert!(shown.len() < 300 && !shown.contains('\n'), "{shown}");
}
