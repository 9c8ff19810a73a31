//! Where a secret hides: as it is, and in every form that software writes secrets in.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Every form of `secret` that counts as the secret, with its name.
pub fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let bytes = secret.as_bytes();
    let mut forms = vec![("plain text", secret.to_owned())];
    let mut hex = String::new();
    let mut url = String::new();
    for byte in bytes {
        let _ = write!(hex, "{byte:02x}");
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            url.push(char::from(*byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    forms.push(("upper-case hex", hex.to_ascii_uppercase()));
    forms.push(("hex", hex));
    forms.push(("URL encoding", url));
    let json = serde_json::to_string(secret).unwrap();
    forms.push(("JSON", json.trim_matches('"').to_owned()));
    // Inside a longer text (`user:secret`) base64 depends on where the secret begins: three ways.
    for shift in 0..3 {
        let padded = [&b"\0\0"[..shift], bytes].concat();
        for (name, encoded) in [
            ("base64", STANDARD.encode(&padded)),
            ("base64url", URL_SAFE_NO_PAD.encode(&padded)),
        ] {
            // Only what the secret alone decides: not the first and last mixed group.
            let whole = encoded.trim_end_matches('=');
            let begin = if shift == 0 { 0 } else { 4 };
            let end = whole.len() / 4 * 4;
            let end = if whole.len() == end && padded.len() % 3 == 0 {
                end
            } else {
                end.saturating_sub(4)
            };
            if begin + 12 <= end {
                forms.push((name, whole[begin..end].to_owned()));
            }
        }
    }
    forms
}

/// The form in which `secret` stands in `text`, if it does.
pub(super) fn find(text: &[u8], secret: &str) -> Option<&'static str> {
    let text = String::from_utf8_lossy(text);
    forms(secret)
        .into_iter()
        .find(|(_, form)| text.contains(form.as_str()))
        .map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oracle_sees_through_every_disguise() {
        let secret = "sk-Canary/+0123456789abcdef";
        for disguise in [
            format!("x{secret}y"),
            format!("Basic {}", STANDARD.encode(format!("client:{secret}"))),
            format!("Basic {}", STANDARD.encode(format!("clients:{secret}"))),
            URL_SAFE_NO_PAD.encode(format!("client-1:{secret}!")),
            "sk-Canary%2F%2B0123456789abcdef".to_owned(),
            secret.bytes().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            }),
        ] {
            assert!(find(disguise.as_bytes(), secret).is_some(), "{disguise}");
        }
        assert_eq!(find(b"sk-Canary and 0123456789", secret), None);
    }
}
