//! Header names and values (RFC 9110 §5), and the headers of one server.

use portcullis_core::{SecretValue, is_forwardable};

use crate::diagnostic::LITERAL_SECRET;
use crate::fields::Fields;
use crate::findings::{Findings, Place};
use crate::model::{HeaderTemplate, Sourced, StaticHeader};
use crate::references::Origin;

/// What the transport or the protocol writes itself.
const RESERVED: &[&str] = &[
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A field name is a token (RFC 9110 §5.6.2).
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 128
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Visible ASCII, blanks and tabs between: nothing that could begin another header.
pub(crate) fn is_value(value: &str) -> bool {
    !value.is_empty()
        && value == value.trim()
        && value
            .bytes()
            .all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
}

/// Whether a name may be sent; complains when not.
pub(crate) fn check_name(findings: &Findings<'_>, place: &Place, name: &str) -> bool {
    if !is_name(name) {
        findings.error(
            place.clone(),
            "not a header name (RFC 9110 §5.1)",
            "letters, digits and `-`",
        );
        return false;
    }
    if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
        findings.error(
            place.clone(),
            format!("`{name}` is written by the transport itself"),
            "remove it",
        );
        return false;
    }
    true
}

/// Whether a value may be sent; complains when not.
pub(crate) fn check_value(findings: &Findings<'_>, place: &Place, value: &str) -> bool {
    let valid = is_value(value);
    if !valid {
        findings.error(
            place.clone(),
            "not a header value (RFC 9110 §5.5): only visible ASCII, no line break, no blank at either end",
            (),
        );
    }
    valid
}

/// `static_headers` and `headers` of one server.
#[derive(Default)]
pub(crate) struct ServerHeaders {
    pub(crate) headers: Vec<StaticHeader>,
    /// Names as written, templates included, lower case.
    pub(crate) names: Vec<String>,
    /// The guides' `x-mcp-{{alias}}-…: "… {{token}}"`.
    pub(crate) templates: Vec<HeaderTemplate>,
    /// Whether anything in braces is among them, usable or not.
    pub(crate) braces: bool,
}

/// The header and the text around the token. Nothing else in braces has a meaning.
fn template(name: &str, value: &str) -> Option<HeaderTemplate> {
    let name = name.to_ascii_lowercase();
    let header = name.strip_prefix("x-mcp-{{alias}}-")?;
    let (before, after) = value.split_once("{{token}}")?;
    let plain =
        |text: &str| !text.contains("{{") && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let usable = is_name(header) && is_forwardable(header) && plain(before) && plain(after);
    usable.then(|| HeaderTemplate {
        header: header.to_owned(),
        before: before.trim_start().to_owned(),
        after: after.trim_end().to_owned(),
    })
}

pub(crate) fn read(fields: &Fields<'_, '_>) -> ServerHeaders {
    let mut result = ServerHeaders::default();
    for key in ["static_headers", "headers"] {
        for (name, mut place, node) in fields.named(key) {
            let name_place = place.clone();
            place.span = node.span;
            let Some((value, origin)) = fields.secret_node(node, &place) else {
                continue;
            };
            if name.contains("{{") || value.contains("{{") {
                match template(name, &value) {
                    Some(template) => result.templates.push(template),
                    None => fields.findings.warning(
                        name_place,
                        "nothing will be sent: the one form with braces is `x-mcp-{{alias}}-HEADER: \"Bearer {{token}}\"`",
                    ),
                }
                result.braces = true;
                result.names.push(name.to_ascii_lowercase());
                continue;
            }
            let lower = name.to_ascii_lowercase();
            if result.names.contains(&lower) {
                fields
                    .findings
                    .error(name_place, "the header is written twice", "keep one");
                continue;
            }
            result.names.push(lower);
            let sendable = check_name(fields.findings, &name_place, name)
                & check_value(fields.findings, &place, &value);
            if !sendable {
                continue;
            }
            if origin == Origin::Literal && is_sensitive(name) {
                fields.findings.warning(place, LITERAL_SECRET);
            }
            result.headers.push(StaticHeader {
                name: name.to_owned(),
                value: Sourced {
                    value: SecretValue::new(value),
                    origin,
                },
            });
        }
    }
    result
}

/// Whether a literal value under this name is worth a warning.
pub(crate) fn is_sensitive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["auth", "key", "token", "secret", "cookie", "password"]
        .iter()
        .any(|word| name.contains(word))
}
