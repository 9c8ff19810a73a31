use super::*;

fn code_of(text: &str) -> Option<i64> {
    Envelope::parse(text.as_bytes())
        .err()
        .map(|error| error.code())
}

#[test]
fn requests_notifications_and_responses_are_told_apart() {
    let request = Envelope::parse(br#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#).unwrap();
    assert!(
        matches!(request.kind, Kind::Request { method: "ping", id } if id.as_json() == "\"a\"")
    );
    let note =
        Envelope::parse(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).unwrap();
    assert!(matches!(
        note.kind,
        Kind::Notification {
            method: "notifications/initialized"
        }
    ));
    let answer = Envelope::parse(br#"{"jsonrpc":"2.0","id":-3,"result":{}}"#).unwrap();
    assert!(
        matches!(answer.kind, Kind::Response { is_error: false, id } if id.as_i64() == Some(-3))
    );
    let refusal =
        Envelope::parse(br#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#).unwrap();
    assert!(matches!(
        refusal.kind,
        Kind::Response { is_error: true, .. }
    ));
}

#[test]
fn what_two_parsers_could_read_differently_is_refused() {
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"},"params":{"name":"b"}}"#,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"} trailing",
        "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
        r"{'jsonrpc':'2.0'}",
        r#"{"jsonrpc":"2.0","id":01,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":NaN}}"#,
        "",
    ] {
        assert_eq!(code_of(text), Some(crate::code::PARSE_ERROR), "{text}");
    }
    assert!(Envelope::parse(b"\xff\xfe{\0}\0").is_err());
}

#[test]
fn what_is_json_but_no_message_is_an_invalid_request() {
    for text in [
        r#"{"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1e3,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":5}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"\u0074ools\/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0"}"#,
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
    ] {
        assert_eq!(code_of(text), Some(crate::code::INVALID_REQUEST), "{text}");
    }
}

#[test]
fn deep_nesting_is_refused_before_anything_recurses() {
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"x":{}1{}}}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_eq!(code_of(&deep), Some(crate::code::PARSE_ERROR));
}
