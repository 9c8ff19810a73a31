//! One text in the many spellings that JSON gives it (RFC 8259 §7): `/` may be `\/`, and any letter
//! `\u` and its number. Whoever looks for a text in foreign JSON has to find all of them.

/// How often a text may be JSON within a text of JSON: a tool's result often holds a document.
const LEVELS: usize = 3;

/// Whether a text is found in this JSON as it is written, or as it reads once its escapes are
/// resolved, also where JSON stands in its strings.
pub fn found_in_json(json: &[u8], found: impl Fn(&[u8]) -> bool) -> bool {
    if found(json) {
        return true;
    }
    let mut resolved;
    let mut text = json;
    for _ in 0..LEVELS {
        if !text.contains(&b'\\') {
            return false;
        }
        resolved = unescaped(text);
        if found(&resolved) {
            return true;
        }
        text = &resolved;
    }
    false
}

/// The same with escapes resolved. What is no escape stays as it is.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let (read, left) = if byte == b'\\' {
            escape(after).unwrap_or((Read::Byte(byte), after))
        } else {
            (Read::Byte(byte), after)
        };
        match read {
            Read::Byte(byte) => out.push(byte),
            Read::Letter(letter) => {
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        rest = left;
    }
    out
}

enum Read {
    Byte(u8),
    Letter(char),
}

/// What stands behind a backslash, and what comes after it.
fn escape(text: &[u8]) -> Option<(Read, &[u8])> {
    let (&kind, after) = text.split_first()?;
    let byte = match kind {
        b'"' | b'\\' | b'/' => kind,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => {
            let (letter, after) = letter(after)?;
            return Some((Read::Letter(letter), after));
        }
        _ => return None,
    };
    Some((Read::Byte(byte), after))
}

/// A letter by its number in UTF-16, of which there may be two.
fn letter(text: &[u8]) -> Option<(char, &[u8])> {
    let (first, after) = unit(text)?;
    if let Some(letter) = char::from_u32(u32::from(first)) {
        return Some((letter, after));
    }
    let (second, after) = unit(after.strip_prefix(b"\\u")?)?;
    let letter = char::decode_utf16([first, second]).next()?.ok()?;
    Some((letter, after))
}

fn unit(text: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, after) = text.split_at_checked(4)?;
    let digits = str::from_utf8(digits).ok()?;
    // `from_str_radix` takes a sign, too.
    let all_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let unit = u16::from_str_radix(digits, 16).ok()?;
    all_hex.then_some((unit, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(json: &str, text: &str) -> bool {
        found_in_json(json.as_bytes(), |read| {
            read.windows(text.len()).any(|part| part == text.as_bytes())
        })
    }

    #[test]
    fn a_text_is_found_in_every_spelling() {
        for (json, text) in [
            ("a/b&c<d", "a/b&c<d"),
            (r"a\/b\u0026c\u003cd", "a/b&c<d"),
            (r"\u0061/b\u0026c\u003Cd", "a/b&c<d"),
            (r"p\u00e4ss", "päss"),
            (r"p\u00E4ss", "päss"),
            (r"\ud83d\ude00!", "😀!"),
            (r#"\"quoted\\"#, "\"quoted\\"),
            (r"one\ntwo\tthree", "one\ntwo\tthree"),
            (r#"{\"token\":\"a\\/b\"}"#, "a/b"),
            (r"a\\\\u0026b", "a&b"),
        ] {
            assert!(contains(json, text), "{json}: {text}");
        }
    }

    #[test]
    fn what_is_no_escape_stays_as_it_is() {
        for text in [r"\", r"\x41", r"\u12", r"\ud83d!", r"\u+041", r"\u004\"] {
            assert_eq!(unescaped(text.as_bytes()), text.as_bytes(), "{text}");
        }
        assert!(!contains(r"a\u0062", "ac"));
        assert!(!contains("ab", "ac"));
    }
}
