use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use super::*;

#[test]
fn values_are_written_as_sep_2243_says() {
    let cases = [
        ("us-west1", "us-west1"),
        ("us west 1", "us west 1"),
        ("", ""),
        ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", "=?base64?IHBhZGRlZCA=?="),
        (" us-west1", "=?base64?IHVzLXdlc3Qx?="),
        ("us-west1 ", "=?base64?dXMtd2VzdDEg?="),
        ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
        ("line1\r\nline2", "=?base64?bGluZTENCmxpbmUy?="),
        ("\tindented", "=?base64?CWluZGVudGVk?="),
        ("a\tb", "=?base64?YQli?="),
        ("\u{7f}", "=?base64?fw==?="),
        (
            "=?base64?SGVsbG8=?=",
            "=?base64?PT9iYXNlNjQ/U0dWc2JHOD0/PQ==?=",
        ),
        ("=?base64?SGVsbG8=", "=?base64?SGVsbG8="),
        ("=?BASE64?SGVsbG8=?=", "=?BASE64?SGVsbG8=?="),
    ];
    for (value, header) in cases {
        assert_eq!(encode(value), header, "{value:?}");
    }
}

#[test]
fn values_are_read_as_sep_2243_says() {
    let cases: [(&[u8], Result<&str, HeaderValueError>); 19] = [
        (b"us-west1", Ok("us-west1")),
        (b" \tus-west1\t ", Ok("us-west1")),
        (b"", Ok("")),
        (b"=?base64?SGVsbG8=?=", Ok("Hello")),
        (b" =?base64?SGVsbG8=?= ", Ok("Hello")),
        (b"=?base64?IHBhZGRlZCA=?=", Ok(" padded ")),
        (b"=?base64??=", Ok("")),
        // Anything but the exact wrapper is literal.
        (b"SGVsbG8=", Ok("SGVsbG8=")),
        (b"=?base64?SGVsbG8=", Ok("=?base64?SGVsbG8=")),
        (b"SGVsbG8=?=", Ok("SGVsbG8=?=")),
        (b"=?BASE64?SGVsbG8=?=", Ok("=?BASE64?SGVsbG8=?=")),
        (b"=?base64?=", Ok("=?base64?=")),
        // Within the wrapper there is only right or wrong.
        (b"=?base64?SGVsbG8?=", Err(HeaderValueError::InvalidBase64)),
        (
            b"=?base64?SGVs!!!bG8=?=",
            Err(HeaderValueError::InvalidBase64),
        ),
        (b"=?base64?SGVsbG9=?=", Err(HeaderValueError::InvalidBase64)),
        (
            b"=?base64?SGVs bG8=?=",
            Err(HeaderValueError::InvalidBase64),
        ),
        (b"=?base64?-_8=?=", Err(HeaderValueError::InvalidBase64)),
        (b"=?base64?/w==?=", Err(HeaderValueError::InvalidUtf8)),
        (b"caf\xc3\xa9", Err(HeaderValueError::NotAscii)),
    ];
    for (header, expected) in cases {
        let header = HeaderValue::from_bytes(header).unwrap();
        assert_eq!(
            decode(&header).as_deref(),
            expected.as_deref(),
            "{header:?}"
        );
    }
}

#[test]
fn a_value_is_measured_before_it_is_decoded() {
    let fits = HeaderValue::from_str(&"a".repeat(MAX_HEADER_VALUE_BYTES)).unwrap();
    assert!(decode(&fits).is_ok());
    let over = encode(&"é".repeat(MAX_HEADER_VALUE_BYTES));
    assert_eq!(decode(&over), Err(HeaderValueError::TooLong));
}

#[test]
fn a_name_matches_byte_for_byte_or_not_at_all() {
    let header = HeaderValue::from_static("=?base64?SGVsbG8=?=");
    assert_eq!(matches(&header, "Hello"), Ok(true));
    assert_eq!(matches(&header, "hello"), Ok(false));
    assert_eq!(matches(&header, "=?base64?SGVsbG8=?="), Ok(false));
    let broken = HeaderValue::from_static("=?base64?SGVsbG8?=");
    assert_eq!(
        matches(&broken, "Hello"),
        Err(HeaderValueError::InvalidBase64)
    );
}

#[test]
fn a_repeated_header_is_refused_even_if_both_values_agree() {
    let mut headers = HeaderMap::new();
    assert_eq!(sole(&headers, "mcp-name"), Ok(None));
    headers.append("mcp-name", HeaderValue::from_static("a"));
    assert_eq!(
        sole(&headers, "Mcp-Name"),
        Ok(Some(&HeaderValue::from_static("a")))
    );
    headers.append("mcp-name", HeaderValue::from_static("a"));
    assert_eq!(sole(&headers, "mcp-name"), Err(HeaderValueError::Repeated));
}

proptest! {
    #[test]
    fn every_string_survives_the_journey(value in prop_oneof![".{0,60}", "(=\\?base64\\?)?[ -~\t]{0,40}(\\?=)?"]) {
        let header = encode(&value);
        prop_assert!(header.to_str().is_ok());
        prop_assert_eq!(decode(&header).unwrap(), value);
    }

    #[test]
    fn no_header_makes_the_reader_fall_over(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(header) = HeaderValue::from_bytes(&bytes)
            && let Ok(value) = decode(&header)
        {
            prop_assert_eq!(matches(&header, &value), Ok(true));
        }
    }
}
