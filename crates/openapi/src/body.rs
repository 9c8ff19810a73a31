//! Bodies of requests.

mod form;
mod multipart;

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use portcullis_mcp::{Members, string_of};
use serde_json::value::RawValue;

use crate::arguments::text;
use crate::limits::MAX_VISITS;
use crate::node::Node;
use crate::parameter::Style;
use crate::pointer::{Target, resolve};
use crate::schema::is_file;

/// Standard base64; the padding may be missing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The body that an operation takes.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    /// What the tool calls it.
    pub(crate) argument: String,
    pub(crate) required: bool,
    pub(crate) media_type: String,
    pub(crate) kind: Kind,
}

/// How a body is written.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// The argument's own JSON.
    Json,
    Form(Fields),
    Multipart(Fields),
    /// Text as it is, XML too.
    Text,
    /// From base64.
    Bytes,
}

/// What is known of a form's fields.
pub(crate) type Fields = Vec<(String, Field)>;

/// One field of a form.
#[derive(Clone, Debug, Default)]
pub(crate) struct Field {
    /// Its content is bytes.
    pub(crate) file: bool,
    /// The document's word for how lists and objects are written.
    pub(crate) style: Option<(Style, bool)>,
    /// The document's word for what a part is.
    pub(crate) media_type: Option<String>,
}

impl Body {
    /// The media type that suits arguments best, with its schema: JSON, then forms, then text.
    pub(crate) fn choose(content: &Node) -> Option<(&str, &Node)> {
        content
            .entries()
            .min_by_key(|(media_type, _)| rank(essence(media_type)))
    }

    /// Of a media type object.
    pub(crate) fn read(root: &Node, media_type: &str, content: &Node, required: bool) -> Self {
        let essence = essence(media_type);
        let kind = match rank(essence) {
            0 => Kind::Json,
            1 => Kind::Form(fields(root, content)),
            2 => Kind::Multipart(fields(root, content)),
            3 | 4 => Kind::Text,
            _ => Kind::Bytes,
        };
        let exact = !essence.contains('*');
        Self {
            argument: String::new(),
            required,
            media_type: if exact {
                media_type.trim().to_owned()
            } else {
                "application/octet-stream".to_owned()
            },
            kind,
        }
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let fields: &[(String, Field)] = match &self.kind {
            Kind::Form(fields) | Kind::Multipart(fields) => fields,
            Kind::Json | Kind::Text | Kind::Bytes => &[],
        };
        let fields = fields.iter().map(|(name, field)| {
            let media_type = field.media_type.as_ref().map_or(0, String::len);
            size_of::<(String, Field)>() + name.len() + media_type
        });
        self.media_type.len() + fields.sum::<usize>()
    }

    /// The bytes and their media type. An error says what would be right.
    pub(crate) fn write(&self, raw: &RawValue) -> Result<(Bytes, String), String> {
        let own = self.media_type.clone();
        Ok(match &self.kind {
            Kind::Json => (Bytes::from(raw.get().to_owned()), own),
            Kind::Text => (Bytes::from(text(raw)), own),
            Kind::Bytes => (Bytes::from(decoded(raw)?), own),
            Kind::Form(fields) => (Bytes::from(form::write(fields, raw)?), own),
            Kind::Multipart(fields) => {
                let (bytes, boundary) = multipart::write(fields, raw)?;
                let essence = essence(&self.media_type);
                (
                    Bytes::from(bytes),
                    format!("{essence}; boundary={boundary}"),
                )
            }
        })
    }
}

/// A media type without its parameters.
pub(crate) fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

pub(crate) fn is_json(essence: &str) -> bool {
    essence.eq_ignore_ascii_case("application/json")
        || essence.eq_ignore_ascii_case("text/json")
        || essence.to_ascii_lowercase().ends_with("+json")
}

fn rank(essence: &str) -> u8 {
    let lower = essence.to_ascii_lowercase();
    match lower.as_str() {
        "*/*" | "application/*" => 0,
        json if is_json(json) => 0,
        "application/x-www-form-urlencoded" => 1,
        multipart if multipart.starts_with("multipart/") => 2,
        "application/xml" => 4,
        xml if xml.ends_with("/xml") || xml.ends_with("+xml") => 4,
        text if text.starts_with("text/") => 3,
        _ => 5,
    }
}

fn fields(root: &Node, content: &Node) -> Fields {
    let mut fields = Fields::new();
    if let Some(schema) = content.get("schema") {
        let mut visits = MAX_VISITS;
        let encoding = content.get("encoding");
        collect(root, schema, encoding, 4, &mut visits, &mut fields);
    }
    fields
}

fn collect(
    root: &Node,
    schema: &Node,
    encoding: Option<&Node>,
    levels: usize,
    visits: &mut usize,
    fields: &mut Fields,
) {
    let Some(left) = visits.checked_sub(1) else {
        return;
    };
    *visits = left;
    let Target::Here(schema, _) = resolve(root, schema) else {
        return;
    };
    if levels == 0 {
        return;
    }
    for part in schema.get("allOf").into_iter().flat_map(Node::items) {
        collect(root, part, encoding, levels - 1, visits, fields);
    }
    for (name, property) in schema.get("properties").into_iter().flat_map(Node::entries) {
        // Each visit may bring as many; said twice, a field is one.
        let Some(left) = visits.checked_sub(1) else {
            return;
        };
        *visits = left;
        if fields.iter().any(|(known, _)| known == name) {
            continue;
        }
        let encoding = encoding.and_then(|encoding| encoding.get(name));
        fields.push((name.to_owned(), field(root, property, encoding)));
    }
}

pub(crate) fn field(root: &Node, property: &Node, encoding: Option<&Node>) -> Field {
    let is_bytes =
        |node: &Node| matches!(resolve(root, node), Target::Here(node, _) if is_file(node));
    let file = match resolve(root, property) {
        Target::Here(node, _) => is_bytes(node) || node.get("items").is_some_and(is_bytes),
        _ => false,
    };
    let style = encoding.and_then(|encoding| {
        let style = match encoding.text_of("style")? {
            "spaceDelimited" => Style::SpaceDelimited,
            "pipeDelimited" => Style::PipeDelimited,
            "deepObject" => Style::DeepObject,
            _ => Style::Form,
        };
        let explode = encoding.get("explode").and_then(Node::flag);
        Some((style, explode.unwrap_or(style == Style::Form)))
    });
    let media_type = encoding
        .and_then(|encoding| encoding.text_of("contentType"))
        .and_then(|several| several.split(',').next())
        .map(|first| first.trim().to_owned())
        .filter(|first| !first.contains('*'));
    Field {
        file,
        style,
        media_type,
    }
}

fn known<'f>(fields: &'f Fields, name: &str) -> Option<&'f Field> {
    fields
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, field)| field)
}

fn members(raw: &RawValue) -> Result<Members<'_>, String> {
    Members::of(raw).map_err(|_| "must be an object in which no member stands twice".to_owned())
}

/// Bytes out of a base64 string.
fn decoded(raw: &RawValue) -> Result<Vec<u8>, String> {
    let wrong = || "must be a string of base64".to_owned();
    let text = string_of(raw).ok_or_else(wrong)?;
    let text: String = text
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .collect();
    BASE64.decode(text).map_err(|_| wrong())
}

#[cfg(test)]
mod tests;
