use crate::{Api, Origin};

use super::*;

/// A tool `t` at `path` with these parameters.
fn api(path: &str, parameters: &str) -> Api {
    let text = format!(
        r#"{{"openapi":"3.1.0","paths":{{"{path}":{{"post":{{"operationId":"t","parameters":[{parameters}]}}}}}}}}"#
    );
    let origin = Origin {
        base: Some("https://api.example/base/?key=fixed".parse().unwrap()),
        document: None,
        withheld: vec![HeaderName::from_static("x-api-key")],
    };
    Api::read(&text, &origin).unwrap()
}

fn call(api: &Api, arguments: &str) -> Result<ApiRequest, String> {
    let raw = RawValue::from_string(arguments.to_owned()).unwrap();
    let tool = api.tool("t").unwrap();
    tool.request(Some(&raw)).map_err(|error| error.0)
}

fn parameter(name: &str, place: &str, more: &str) -> String {
    format!(r#"{{"name":"{name}","in":"{place}","schema":{{}}{more}}}"#)
}

/// SSRF-06: an argument stays within its segment of the path.
#[test]
fn an_argument_cannot_leave_its_segment_of_the_path() {
    let users = api("/users/{id}/posts", &parameter("id", "path", ""));
    for (value, segment) in [
        ("..%2fadmin", "..%252fadmin"),
        ("%2e%2e/x", "%252e%252e%2Fx"),
        ("1?role=admin", "1%3Frole%3Dadmin"),
        ("1#", "1%23"),
        ("//evil.example", "%2F%2Fevil.example"),
        ("a/b", "a%2Fb"),
        ("@evil.example", "%40evil.example"),
        ("...", "..."),
        ("ä", "%C3%A4"),
    ] {
        let arguments = serde_json::json!({"id": value}).to_string();
        let uri = call(&users, &arguments).unwrap().uri.to_string();
        let expected = format!("https://api.example/base/users/{segment}/posts?key=fixed");
        assert_eq!(uri, expected, "{value}");
    }
    for value in [
        "..",
        ".",
        "../admin",
        "1/../../x",
        "\\..",
        "a\\..\\b",
        "a/./b",
        "",
        "a\r\nb",
        "\u{0}",
    ] {
        let arguments = serde_json::json!({"id": value}).to_string();
        let error = call(&users, &arguments).unwrap_err();
        assert!(
            error.contains("argument `id` must not"),
            "{value:?}: {error}"
        );
    }
    for list in [
        r#"{"id":["..","x"]}"#,
        r#"{"id":[".."]}"#,
        r#"{"id":{"..":".."}}"#,
    ] {
        if let Ok(request) = call(&users, list) {
            assert!(!climbs(request.uri.path()), "{list}: {}", request.uri);
        }
    }
    for list in [
        r#"{"id":["../admin"]}"#,
        r#"{"id":["a/..;x=1/b"]}"#,
        r#"{"id":[]}"#,
        r#"{"id":[""]}"#,
        r#"{"id":{}}"#,
        r#"{"id":["\u0000"]}"#,
    ] {
        let error = call(&users, list).unwrap_err();
        assert!(error.contains("argument `id` must not"), "{list}: {error}");
    }
}

#[test]
fn two_arguments_together_cannot_climb_either() {
    let pair = format!(
        "{},{}",
        parameter("a", "path", ""),
        parameter("b", "path", "")
    );
    let api = api("/x/{a}{b}/y", &pair);
    // Alone, a dot is refused already; a list of one dot has other text.
    assert!(call(&api, r#"{"a":["."],"b":["."]}"#).is_err());
    assert!(call(&api, r#"{"a":".","b":"."}"#).is_err());
    assert!(call(&api, r#"{"a":"v1","b":".2"}"#).is_ok());
}

#[test]
fn a_header_holds_no_line_break_and_none_that_is_not_the_callers() {
    let names = [
        "X-Tenant",
        "Host",
        "Authorization",
        "Cookie",
        "Content-Length",
        "X-API-Key",
        "X-Forwarded-For",
        "Transfer-Encoding",
        "Proxy-Authorization",
        "bad name",
    ];
    let parameters: Vec<String> = names
        .iter()
        .map(|name| parameter(name, "header", ""))
        .collect();
    let api = api("/x", &parameters.join(","));
    let request = call(&api, r#"{"X-Tenant":"a, b"}"#).unwrap();
    assert_eq!(request.headers["x-tenant"], "a, b");
    for name in names.iter().skip(1) {
        let arguments = serde_json::json!({*name: "evil"}).to_string();
        assert!(
            call(&api, &arguments)
                .unwrap_err()
                .contains("has no argument"),
            "{name}"
        );
    }
    for value in ["a\r\nX-Evil: 1", "a\nb", "a\u{0}b"] {
        let arguments = serde_json::json!({"X-Tenant": value}).to_string();
        assert!(
            call(&api, &arguments).unwrap_err().contains("line breaks"),
            "{value:?}"
        );
    }
}

#[test]
fn a_cookie_or_a_query_value_stays_one_value() {
    let both = format!(
        "{},{}",
        parameter("c", "cookie", ""),
        parameter("q", "query", "")
    );
    let api = api("/x", &both);
    let request = call(&api, r#"{"c":"a; admin=1","q":"a&b=c#d"}"#).unwrap();
    assert_eq!(request.headers[COOKIE], "c=a%3B%20admin%3D1");
    assert_eq!(request.uri.query(), Some("key=fixed&q=a%26b%3Dc%23d"));
}

#[test]
fn members_of_an_object_cannot_say_what_other_parameters_say() {
    let both = format!(
        "{},{}",
        parameter("filter", "query", ""),
        parameter("admin", "query", "")
    );
    let api = api("/x", &both);
    assert_eq!(
        call(&api, r#"{"filter":{"a":1}}"#).unwrap().uri.query(),
        Some("key=fixed&a=1")
    );
    for name in ["admin", "key"] {
        let error = call(&api, &format!(r#"{{"filter":{{"{name}":"1"}}}}"#)).unwrap_err();
        assert!(error.contains("a parameter of its own"), "{error}");
    }
}

#[test]
fn the_same_name_in_two_places_is_two_arguments() {
    let places = ["path", "query", "header", "cookie"];
    let four: Vec<String> = places
        .iter()
        .map(|place| parameter("id", place, ""))
        .collect();
    let api = api("/x/{id}", &four.join(","));
    let request = call(&api, r#"{"id":1,"query_id":2,"header_id":3,"cookie_id":4}"#).unwrap();
    assert_eq!(request.uri, "https://api.example/base/x/1?key=fixed&id=2");
    assert_eq!(request.headers["id"], "3");
    assert_eq!(request.headers[COOKIE], "id=4");
}

#[test]
fn falsy_values_are_values_and_null_is_none() {
    let names = ["a", "b", "c", "d"];
    let four: Vec<String> = names
        .iter()
        .map(|name| parameter(name, "query", ""))
        .collect();
    let api = api("/x", &four.join(","));
    let request = call(&api, r#"{"a":0,"b":false,"c":"","d":null}"#).unwrap();
    assert_eq!(request.uri.query(), Some("key=fixed&a=0&b=false&c="));
}

#[test]
fn what_is_missing_or_unknown_is_named() {
    let two = format!(
        "{},{}",
        parameter("a", "query", r#","required":true"#),
        parameter("id", "path", "")
    );
    let api = api("/x/{id}", &two);
    assert_eq!(call(&api, "{}").unwrap_err(), "required and missing: id, a");
    assert_eq!(
        call(&api, r#"{"id":1,"a":null}"#).unwrap_err(),
        "required and missing: a"
    );
    assert_eq!(
        call(&api, r#"{"id":1,"a":1,"z":1}"#).unwrap_err(),
        "this tool has no argument `z`; it takes: id, a"
    );
    assert!(call(&api, r#"{"id":1,"id":2}"#).is_err());
    assert!(call(&api, "[]").is_err());
}

#[test]
fn a_query_that_the_document_writes_behind_a_path_stays() {
    let api = api("/do?action=run now", &parameter("action", "query", ""));
    assert_eq!(
        call(&api, "{}").unwrap().uri,
        "https://api.example/base/do?key=fixed&action=run%20now"
    );
    assert!(call(&api, r#"{"action":"x"}"#).is_err());
}

fn described(name: &str, place: &str, schema: &str, more: &str) -> String {
    format!(r#"{{"name":"{name}","in":"{place}","schema":{schema}{more}}}"#)
}

/// Whoever may say one parameter says no other by it: neither one that the document describes nor one
/// that only the server knows.
#[test]
fn a_single_value_is_no_list_and_no_object() {
    let deep = r#","style":"deepObject","explode":true"#;
    let cases = [
        ("query", r#"{"type":"string"}"#, ""),
        ("query", r#"{"type":"string"}"#, deep),
        ("query", r#"{"type":["integer","null"]}"#, ""),
        ("query", r#"{"enum":["a","b"]}"#, ""),
        ("cookie", r#"{"type":"boolean"}"#, ""),
        ("header", r#"{"type":"string"}"#, ""),
        (
            "path",
            r#"{"type":"string"}"#,
            r#","style":"matrix","explode":true"#,
        ),
    ];
    for (place, schema, more) in cases {
        let api = api("/x/{a}", &described("a", place, schema, more));
        // The path is asked about first, so it has the bare name.
        let (path, name) = if place == "path" {
            (String::new(), "a".to_owned())
        } else {
            (r#""a":1,"#.to_owned(), format!("{place}_a"))
        };
        for value in [r#"{"admin":true}"#, r#"{"b":{"c":1}}"#, r#"["x"]"#] {
            let error = call(&api, &format!(r#"{{{path}"{name}":{value}}}"#)).unwrap_err();
            assert!(
                error.contains(&format!("argument `{name}` must not be")),
                "{place} {schema} {value}: {error}"
            );
        }
    }
    let swagger = r#"{"swagger":"2.0","paths":{"/x":{"get":{"operationId":"t","parameters":[
        {"name":"a","in":"query","type":"string"},
        {"name":"many","in":"query","type":"array","items":{"type":"string"},"collectionFormat":"multi"},
        {"name":"untold","in":"query"}]}}}}"#;
    let origin = Origin {
        base: Some("https://api.example".parse().unwrap()),
        ..Origin::default()
    };
    let api = Api::read(swagger, &origin).unwrap();
    for refused in [
        r#"{"a":{"b":1}}"#,
        r#"{"a":[1]}"#,
        r#"{"many":{"b":1}}"#,
        r#"{"untold":{"b":1}}"#,
    ] {
        assert!(
            call(&api, refused).unwrap_err().contains("must not be"),
            "{refused}"
        );
    }
    let many = call(&api, r#"{"many":["x","y"]}"#).unwrap();
    assert_eq!(many.uri.query(), Some("many=x&many=y"));
}

#[test]
fn an_object_takes_no_name_that_a_server_reads_as_anothers() {
    let parameters = [
        described("filter", "query", r#"{"type":"object"}"#, ""),
        described("user.id", "query", r#"{"type":"string"}"#, ""),
        described("page[size]", "query", r#"{"type":"integer"}"#, ""),
        described(
            "where",
            "query",
            r#"{"type":"object"}"#,
            r#","style":"deepObject""#,
        ),
    ];
    let filtered = api("/x", &parameters.join(","));
    for name in [
        "KEY",
        "key[]",
        "key[a]",
        " key",
        "user_id",
        "User.Id[x]",
        "page",
        "page[number]",
        "where",
        "where[a]",
        "where[",
    ] {
        let arguments = serde_json::json!({"filter": {name: 1}}).to_string();
        let error = call(&filtered, &arguments).unwrap_err();
        assert!(error.contains("a parameter of its own"), "{name}: {error}");
    }
    let own = call(
        &filtered,
        r#"{"where":{"a":{"b":1}},"filter":{"state":"open"}}"#,
    )
    .unwrap();
    assert_eq!(
        own.uri.query(),
        Some("key=fixed&state=open&where%5Ba%5D%5Bb%5D=1")
    );
    for name in ["a]", "a[b", "a][b"] {
        let arguments = serde_json::json!({"where": {name: 1}}).to_string();
        let error = call(&filtered, &arguments).unwrap_err();
        assert!(error.contains("brackets"), "{name}: {error}");
    }
    let matrix = |name| {
        described(
            name,
            "path",
            r#"{"type":"object"}"#,
            r#","style":"matrix","explode":true"#,
        )
    };
    let steps = api("/x{a}{b}", &[matrix("a"), matrix("b")].join(","));
    let error = call(&steps, r#"{"a":{"b":1},"b":{"c":1}}"#).unwrap_err();
    assert!(error.contains("a parameter of its own"), "{error}");
}
