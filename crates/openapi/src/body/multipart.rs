//! `multipart/form-data` (RFC 7578)

use std::fmt::Write as _;

use portcullis_core::{Sha256, hex};
use portcullis_mcp::{Members, string_of};
use serde_json::value::RawValue;

use super::{Field, Fields, decoded, known, members};
use crate::arguments::{Shape, text};
use crate::serial::present;

/// One part.
struct Part {
    name: String,
    filename: Option<String>,
    media_type: Option<String>,
    content: Vec<u8>,
}

/// The body and its boundary, which is made of the body so that it is not in it.
pub(super) fn write(fields: &Fields, raw: &RawValue) -> Result<(Vec<u8>, String), String> {
    let members = members(raw)?;
    let unknown = Field::default();
    let mut parts = Vec::new();
    for (name, value) in present(&members) {
        let field = known(fields, name).unwrap_or(&unknown);
        let wrong = |why: String| format!("its field `{name}` {why}");
        match Shape::of(value) {
            Some(Shape::Many(items)) => {
                for item in items {
                    parts.push(part(name, field, item).map_err(wrong)?);
                }
            }
            _ => parts.push(part(name, field, value).map_err(wrong)?),
        }
    }
    let boundary = boundary(&parts);
    let mut out = Vec::new();
    for part in &parts {
        out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        out.extend_from_slice(disposition(part).as_bytes());
        if let Some(media_type) = &part.media_type {
            out.extend_from_slice(format!("Content-Type: {media_type}\r\n").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&part.content);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok((out, boundary))
}

fn part(name: &str, field: &Field, raw: &RawValue) -> Result<Part, String> {
    let name = name.to_owned();
    if field.file {
        return file(name, field, raw);
    }
    let json = raw.get().starts_with(['{', '[']);
    let usual = json.then(|| "application/json".to_owned());
    Ok(Part {
        name,
        filename: None,
        media_type: field.media_type.clone().or(usual),
        content: text(raw).into_bytes(),
    })
}

/// Base64, or an object that also says name and type.
fn file(name: String, field: &Field, raw: &RawValue) -> Result<Part, String> {
    let mut filename = None;
    let mut media_type = None;
    let content = if raw.get().starts_with('{') {
        let members = Members::of(raw).map_err(|_| "holds a member twice".to_owned())?;
        let data = members
            .get("data")
            .ok_or("must be base64, or an object whose `data` is base64")?;
        filename = members.string("filename").map(std::borrow::Cow::into_owned);
        media_type = members
            .get("contentType")
            .map(|raw| string_of(raw).filter(|text| is_media_type(text)))
            .map(|text| text.ok_or("has a `contentType` that is no media type"))
            .transpose()?
            .map(std::borrow::Cow::into_owned);
        decoded(data)?
    } else {
        decoded(raw)?
    };
    Ok(Part {
        filename: Some(filename.unwrap_or_else(|| name.clone())),
        name,
        media_type: media_type
            .or_else(|| field.media_type.clone())
            .or_else(|| Some("application/octet-stream".to_owned())),
        content,
    })
}

/// `type/subtype`, perhaps with parameters; nothing that could end the line.
fn is_media_type(text: &str) -> bool {
    text.contains('/')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

/// The quotes cannot be left (WHATWG HTML, "multipart form data").
fn disposition(part: &Part) -> String {
    let mut out = format!(
        "Content-Disposition: form-data; name=\"{}\"",
        quoted(&part.name)
    );
    if let Some(filename) = &part.filename {
        let _ = write!(out, "; filename=\"{}\"", quoted(filename));
    }
    out.push_str("\r\n");
    out
}

fn quoted(text: &str) -> String {
    let text: String = text
        .chars()
        .filter(|letter| !letter.is_control() || matches!(letter, '\r' | '\n'))
        .collect();
    text.replace('\r', "%0D")
        .replace('\n', "%0A")
        .replace('"', "%22")
}

fn boundary(parts: &[Part]) -> String {
    let digest = parts.iter().fold(Sha256::new(), |digest, part| {
        digest.part(part.name.as_bytes()).part(&part.content)
    });
    let digest = hex(&digest.finish());
    format!("portcullis-{}", digest.get(..32).unwrap_or(&digest))
}
