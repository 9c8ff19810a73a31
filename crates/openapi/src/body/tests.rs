use super::*;
use crate::read::tree;

fn body(media_type: &str, content: &str) -> Body {
    let root = tree("{\"a\":1}").unwrap();
    let content = tree(content).unwrap();
    Body::read(&root, media_type, &content, true)
}

fn write(body: &Body, argument: &str) -> Result<(String, String), String> {
    let raw = RawValue::from_string(argument.to_owned()).unwrap();
    let (bytes, media_type) = body.write(&raw)?;
    Ok((String::from_utf8_lossy(&bytes).into_owned(), media_type))
}

#[test]
fn json_goes_as_it_was_written() {
    let text = r#"{ "big": 123456789012345678901234567890, "f": false }"#;
    let (bytes, media_type) = write(&body("application/vnd.x+json", "{}"), text).unwrap();
    assert_eq!(
        (bytes.as_str(), media_type.as_str()),
        (text, "application/vnd.x+json")
    );
}

#[test]
fn json_is_preferred_to_forms_and_forms_to_text() {
    let choose = |kinds: &[&str]| {
        let members: Vec<String> = kinds
            .iter()
            .map(|kind| format!("\"{kind}\":{{}}"))
            .collect();
        let content = tree(&format!("{{{}}}", members.join(","))).unwrap();
        Body::choose(&content)
            .map(|(kind, _)| kind.to_owned())
            .unwrap()
    };
    assert_eq!(
        choose(&["application/xml", "application/json"]),
        "application/json"
    );
    assert_eq!(
        choose(&["text/plain", "multipart/form-data"]),
        "multipart/form-data"
    );
    assert_eq!(
        choose(&["application/pdf", "application/xml"]),
        "application/xml"
    );
}

#[test]
fn forms_repeat_lists_and_keep_falsy_values() {
    let form = body(
        "application/x-www-form-urlencoded",
        r#"{"schema":{"properties":{"p":{"type":"array"}}},"encoding":{"p":{"style":"pipeDelimited"}}}"#,
    );
    let argument =
        r#"{"a":0,"b":false,"c":"","d":null,"l":[1,2],"o":{"x":1},"p":[1,2],"e":"a&b=c d"}"#;
    assert_eq!(
        write(&form, argument).unwrap().0,
        "a=0&b=false&c=&l=1&l=2&o=%7B%22x%22%3A1%7D&p=1%7C2&e=a%26b%3Dc%20d"
    );
    assert!(write(&form, "[1]").is_err());
}

#[test]
fn a_field_that_becomes_several_takes_no_other_fields_name() {
    let form = body(
        "application/x-www-form-urlencoded",
        r#"{"schema":{"properties":{"o":{"type":"object"},"admin":{}}},"encoding":{"o":{"style":"form"}}}"#,
    );
    assert_eq!(write(&form, r#"{"o":{"x":1}}"#).unwrap().0, "x=1");
    for taken in [
        r#"{"o":{"admin":1}}"#,
        r#"{"o":{"admin[]":1}}"#,
        r#"{"o":{"said":1},"said":2}"#,
    ] {
        let error = write(&form, taken).unwrap_err();
        assert!(error.contains("a field of its own"), "{taken}: {error}");
    }
}

#[test]
fn multipart_carries_files_and_cannot_be_broken_out_of() {
    let multipart = body(
        "multipart/form-data",
        r#"{"schema":{"properties":{"file":{"type":"string","format":"binary"},"meta":{"type":"object"}}}}"#,
    );
    let argument = r#"{"n":0,"meta":{"a":1},"file":{"data":"aGk=","filename":"x\"\r\nEvil: 1","contentType":"text/plain"}}"#;
    let (bytes, media_type) = write(&multipart, argument).unwrap();
    let boundary = media_type
        .strip_prefix("multipart/form-data; boundary=")
        .unwrap();
    let expected = [
        "--B",
        "Content-Disposition: form-data; name=\"n\"",
        "",
        "0",
        "--B",
        "Content-Disposition: form-data; name=\"meta\"",
        "Content-Type: application/json",
        "",
        "{\"a\":1}",
        "--B",
        "Content-Disposition: form-data; name=\"file\"; filename=\"x%22%0D%0AEvil: 1\"",
        "Content-Type: text/plain",
        "",
        "hi",
        "--B--",
        "",
    ];
    assert_eq!(
        bytes,
        expected
            .join("\r\n")
            .replace("--B", &format!("--{boundary}"))
    );
    let plain = write(&multipart, r#"{"file":"aGk"}"#).unwrap().0;
    assert!(
        plain.contains("filename=\"file\"\r\nContent-Type: application/octet-stream\r\n\r\nhi\r\n")
    );
    for wrong in [
        r#"{"file":"not base64!"}"#,
        r#"{"file":{"name":"x"}}"#,
        r#"{"file":{"data":"aGk=","contentType":"text/plain\r\nEvil: 1"}}"#,
        r#"{"file":{"data":"aGk=","contentType":7}}"#,
    ] {
        assert!(
            write(&multipart, wrong)
                .unwrap_err()
                .contains("its field `file`"),
            "{wrong}"
        );
    }
}

#[test]
fn text_and_bytes() {
    let (bytes, media_type) = write(&body("application/xml", "{}"), r#""<a>ä</a>""#).unwrap();
    assert_eq!(
        (bytes.as_str(), media_type.as_str()),
        ("<a>ä</a>", "application/xml")
    );
    assert_eq!(
        write(&body("application/octet-stream", "{}"), r#""aGk=""#)
            .unwrap()
            .0,
        "hi"
    );
    assert_eq!(
        write(&body("image/*", "{}"), r#""aGk=""#).unwrap().1,
        "application/octet-stream"
    );
    assert!(write(&body("image/png", "{}"), "7").is_err());
}
