use serde_json::Value;

use super::*;
use crate::{Api, Origin};

fn tool(structured: bool) -> Tool {
    let responses = if structured {
        r#"{"200":{"content":{"application/json":{"schema":{"type":"object"}}}}}"#
    } else {
        "{}"
    };
    let text = format!(
        r#"{{"openapi":"3.1.0","servers":[{{"url":"https://a.example"}}],"paths":{{"/t":{{"get":{{"responses":{responses}}}}}}}}}"#
    );
    let api = Api::read(&text, &Origin::default()).unwrap();
    api.tool("get_t").unwrap().clone()
}

fn answered(structured: bool, status: u16, media_type: &str, body: &[u8]) -> String {
    let answer = ApiAnswer {
        status,
        media_type: Some(media_type).filter(|kind| !kind.is_empty()),
        retry_after: (status == 429).then_some("7"),
        body,
    };
    format!("{{{}}}", result_of(&tool(structured), &answer))
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn json_is_given_as_text_and_as_it_was_written() {
    let body = b"{\r\n \"n\": 123456789012345678901234567890 }";
    let result = answered(true, 200, "application/json; charset=utf-8", body);
    assert!(
        result.contains(r#""structuredContent":{   "n": 123456789012345678901234567890 }"#),
        "{result}"
    );
    assert!(!result.contains('\n'));
    assert_eq!(read(&result)["isError"], false);
    let list = read(&answered(false, 200, "application/json", b"[1]"));
    assert_eq!(list["content"][0]["text"], "[1]");
    assert!(list["structuredContent"].is_null());
}

#[test]
fn a_promise_that_the_answer_breaks_is_an_error_that_shows_the_answer() {
    for body in [&b"[1]"[..], b"", b"{\"a\":", b"<html>"] {
        let result = read(&answered(true, 200, "application/json", body));
        assert_eq!(result["isError"], true);
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("took the call"), "{text}");
    }
}

#[test]
fn a_refusal_is_an_error_with_status_and_bounded_text() {
    let long = "ä".repeat(20_000);
    let result = read(&answered(true, 422, "text/plain", long.as_bytes()));
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("The API answered HTTP 422:\nää"),
        "{}",
        &text[..40]
    );
    assert!(text.ends_with("(cut off)") && text.len() < MAX_ERROR_TEXT + 100);
    let slow = read(&answered(false, 429, "", b""));
    assert_eq!(
        slow["content"][0]["text"],
        "The API answered HTTP 429 (Retry-After: 7)"
    );
    let moved = read(&answered(false, 302, "", b""));
    assert!(
        moved["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("not followed")
    );
}

#[test]
fn bytes_are_blocks_of_their_kind() {
    let png = read(&answered(false, 200, "image/png", &[0x89, 0x50]));
    assert_eq!(png["content"][0]["type"], "image");
    assert_eq!(png["content"][0]["data"], "iVA=");
    assert_eq!(
        read(&answered(false, 200, "audio/mpeg", b"\xff"))["content"][0]["type"],
        "audio"
    );
    let other = read(&answered(false, 200, "application/pdf", b"\xff"));
    assert_eq!(
        other["content"][0]["resource"]["mimeType"],
        "application/pdf"
    );
    assert_eq!(other["content"][0]["resource"]["blob"], "/w==");
    let latin = read(&answered(
        false,
        200,
        "text/plain; charset=ISO-8859-1",
        b"\xe4",
    ));
    assert_eq!(latin["content"][0]["text"], "ä");
    let svg = read(&answered(false, 200, "image/svg+xml", b"<svg/>"));
    assert_eq!(svg["content"][0]["text"], "<svg/>");
}

#[test]
fn json_that_is_nested_too_deep_for_a_message_is_text_only() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100), "]".repeat(100));
    let result = read(&answered(false, 200, "application/json", deep.as_bytes()));
    assert!(result["structuredContent"].is_null());
    assert_eq!(result["content"][0]["text"], deep);
}

#[test]
fn an_empty_success_says_so() {
    let result = read(&answered(false, 204, "", b""));
    assert_eq!(result["isError"], false);
    assert!(
        result["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("HTTP 204")
    );
}
