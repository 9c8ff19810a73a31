//! From an HTTP answer to a tool's result.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::body::{essence, is_json};
use crate::call::BadArguments;
use crate::limits::{MAX_ERROR_TEXT, MAX_STRUCTURED_DEPTH, beginning};
use crate::node::quote;
use crate::tool::Tool;

/// What an API answered.
#[derive(Clone, Copy, Debug)]
pub struct ApiAnswer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`, if it is there and readable.
    pub media_type: Option<&'a str>,
    /// `Retry-After`, if it is there and readable.
    pub retry_after: Option<&'a str>,
    /// The whole body.
    pub body: &'a [u8],
}

/// The members of a `CallToolResult` (2026-07-28) for it.
pub fn result_of(tool: &Tool, answer: &ApiAnswer<'_>) -> String {
    let text = text_of(answer);
    if !(200..300).contains(&answer.status) {
        return error(&refused(answer, text.as_deref()));
    }
    let Some(text) = text else {
        return result(&binary(tool, answer), None);
    };
    if text.trim().is_empty() {
        let said = format!("HTTP {}: done; the answer has no content", answer.status);
        return if tool.structured {
            error(&unlike(&said))
        } else {
            result(&text_block(&said), None)
        };
    }
    let structured = structured(answer, &text);
    match structured {
        None if tool.structured => error(&unlike(&text)),
        structured => result(&text_block(&text), structured.as_deref()),
    }
}

/// The members of a `CallToolResult` for a call that was not made; the model may try again.
pub fn refusal_of(bad: &BadArguments) -> String {
    error(&format!("Nothing was called: {bad}."))
}

fn error(text: &str) -> String {
    format!(
        r#""content":[{}],"isError":true,"resultType":"complete""#,
        text_block(text)
    )
}

fn result(block: &str, structured: Option<&str>) -> String {
    let structured = structured.map_or_else(String::new, |json| {
        format!(r#","structuredContent":{json}"#)
    });
    format!(r#""content":[{block}]{structured},"isError":false,"resultType":"complete""#)
}

fn text_block(text: &str) -> String {
    format!(r#"{{"type":"text","text":{}}}"#, quote(text))
}

/// A client must refuse what does not fit the schema that it was shown, and would not see it at all.
fn unlike(text: &str) -> String {
    let shown = beginning(text, MAX_ERROR_TEXT);
    format!("The API took the call, but its answer is not what its document promises:\n{shown}")
}

fn refused(answer: &ApiAnswer<'_>, text: Option<&str>) -> String {
    let mut out = format!("The API answered HTTP {}", answer.status);
    if let Some(after) = answer.retry_after {
        let _ = write!(out, " (Retry-After: {})", beginning(after, 64));
    }
    if (300..400).contains(&answer.status) {
        out.push_str("; redirects are not followed");
    }
    match text.map(str::trim) {
        None | Some("") => {}
        Some(text) => {
            out.push_str(":\n");
            let shown = beginning(text, MAX_ERROR_TEXT);
            out.push_str(shown);
            if shown.len() < text.len() {
                out.push_str("\n(cut off)");
            }
        }
    }
    out
}

/// The body as text, if it is one.
fn text_of<'a>(answer: &ApiAnswer<'a>) -> Option<Cow<'a, str>> {
    let media_type = answer.media_type.unwrap_or_default();
    let kind = essence(media_type).to_ascii_lowercase();
    let pictured = ["image/", "audio/", "video/", "font/"]
        .iter()
        .any(|other| kind.starts_with(other));
    if answer.body.is_empty() {
        return Some(Cow::Borrowed(""));
    }
    if (pictured && !kind.ends_with("+xml")) || kind == "application/octet-stream" {
        return None;
    }
    let read = match std::str::from_utf8(answer.body) {
        // Of a refusal only the beginning was read, perhaps up to the middle of a character.
        Err(cut) if cut.error_len().is_none() && !(200..300).contains(&answer.status) => {
            let whole = answer.body.get(..cut.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(whole)
        }
        read => read,
    };
    if let Ok(text) = read {
        return Some(Cow::Borrowed(text.trim_start_matches('\u{feff}')));
    }
    let lower = media_type.to_ascii_lowercase();
    let latin = ["iso-8859-1", "latin1", "windows-1252"]
        .iter()
        .any(|charset| lower.contains(charset));
    latin.then(|| Cow::Owned(answer.body.iter().map(|byte| char::from(*byte)).collect()))
}

/// A JSON object as it was written, on one line.
fn structured(answer: &ApiAnswer<'_>, text: &str) -> Option<String> {
    let media_type = answer.media_type.map(essence);
    let text = text.trim();
    if !media_type.is_none_or(is_json) || !text.starts_with('{') || too_deep(text) {
        return None;
    }
    let raw: &RawValue = serde_json::from_str(text).ok()?;
    // A string holds no line break as it is, so these are white space.
    Some(raw.get().replace(['\n', '\r'], " "))
}

fn too_deep(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > MAX_STRUCTURED_DEPTH {
                    return true;
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

fn binary(tool: &Tool, answer: &ApiAnswer<'_>) -> String {
    let media_type = answer.media_type.unwrap_or("application/octet-stream");
    let kind = essence(media_type);
    let data = quote(&STANDARD.encode(answer.body));
    let block = |word: &str| {
        format!(
            r#"{{"type":"{word}","data":{data},"mimeType":{}}}"#,
            quote(kind)
        )
    };
    if kind.starts_with("image/") {
        block("image")
    } else if kind.starts_with("audio/") {
        block("audio")
    } else {
        let uri = quote(&format!("openapi://{}/answer", tool.name));
        format!(
            r#"{{"type":"resource","resource":{{"uri":{uri},"mimeType":{},"blob":{data}}}}}"#,
            quote(kind)
        )
    }
}

#[cfg(test)]
mod tests;
