//! What every 2026-07-28 request must carry, and the equality of its headers with its body
//! (revision 2026-07-28, "Streamable HTTP" and SEP-2243).

use http::{HeaderMap, HeaderName};
use serde_json::json;
use serde_json::value::RawValue;

use crate::error::{RpcError, code};
use crate::json::Members;
use crate::message::Envelope;
use crate::method::{Method, Subject};
use crate::revision::{Revision, SUPPORTED_REVISIONS};

static PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
static METHOD: HeaderName = HeaderName::from_static("mcp-method");
static NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Reserved keys of `_meta`.
pub mod meta_key {
    /// The revision a request speaks.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// What its client can do.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// Who its client says it is; for display only.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// The least serious log messages that its client wants.
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    /// Who answered.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// Which `subscriptions/listen` a notification belongs to.
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
}

/// The required part of a request's `_meta`.
#[derive(Clone, Copy, Debug)]
pub struct ModernMeta<'a> {
    /// Always a modern revision.
    pub revision: Revision,
    /// The raw client capabilities, an object.
    pub capabilities: &'a RawValue,
}

/// A request that breaks the revision's own rules: HTTP 400 with this error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModernRejection(pub RpcError);

impl<'a> ModernMeta<'a> {
    /// Reads what must be there: `-32602` when it is missing or malformed, `-32020` when the version
    /// header says otherwise, `-32022` for a revision that we do not speak.
    pub fn read(envelope: &Envelope<'a>, headers: &HeaderMap) -> Result<Self, ModernRejection> {
        let missing = |what: &str| {
            ModernRejection(RpcError::new(
                code::INVALID_PARAMS,
                format!("params._meta[\"{what}\"] is missing or malformed"),
            ))
        };
        let meta = match envelope.meta() {
            Ok(Some(meta)) => meta,
            Ok(None) => return Err(missing(meta_key::PROTOCOL_VERSION)),
            Err(_) => {
                return Err(ModernRejection(RpcError::new(
                    code::INVALID_PARAMS,
                    "params._meta must be an object in which no member stands twice",
                )));
            }
        };
        let version = meta
            .string(meta_key::PROTOCOL_VERSION)
            .ok_or_else(|| missing(meta_key::PROTOCOL_VERSION))?;
        if single(headers, &PROTOCOL_VERSION) != Some(version.as_bytes()) {
            return Err(mismatch("MCP-Protocol-Version"));
        }
        let revision = match version.parse::<Revision>() {
            Ok(revision) if revision.is_modern() => revision,
            _ => return Err(ModernRejection(unsupported_version(&version))),
        };
        let capabilities = meta
            .get(meta_key::CLIENT_CAPABILITIES)
            .filter(|raw| Members::of(raw).is_ok())
            .ok_or_else(|| missing(meta_key::CLIENT_CAPABILITIES))?;
        Ok(Self {
            revision,
            capabilities,
        })
    }
}

fn mismatch(what: &str) -> ModernRejection {
    ModernRejection(RpcError::new(
        code::HEADER_MISMATCH,
        format!("the {what} header is missing, repeated, or does not match the body"),
    ))
}

/// The `-32022` answer.
pub fn unsupported_version(asked: &str) -> RpcError {
    let supported: Vec<&str> = SUPPORTED_REVISIONS
        .iter()
        .map(|revision| revision.as_str())
        .collect();
    RpcError::new(code::UNSUPPORTED_VERSION, "Unsupported protocol version")
        .with_data(&json!({"supported": supported, "requested": asked}))
}

/// Compares `Mcp-Method` and `Mcp-Name` with the body. `Mcp-Param-*` need the tool's schema and are
/// checked where that is known.
pub fn check_headers(
    headers: &HeaderMap,
    method: &str,
    subject: &Subject<'_>,
    known: Option<Method>,
) -> Result<(), ModernRejection> {
    if single(headers, &METHOD) != Some(method.as_bytes()) {
        return Err(mismatch("Mcp-Method"));
    }
    let named = match (known, subject) {
        // Completion acts on a prompt or resource, but only these three kinds carry Mcp-Name.
        (Some(Method::Complete), _) | (_, Subject::None) => None,
        (
            _,
            Subject::Tool(name) | Subject::Prompt(name) | Subject::Uri(name) | Subject::Task(name),
        ) => Some(name),
    };
    let mut sent = headers.get_all(&NAME).iter();
    match (named, sent.next(), sent.next()) {
        (_, _, Some(_)) | (Some(_), None, None) => Err(mismatch("Mcp-Name")),
        (Some(name), Some(value), None) => match crate::header_value::matches(value, name) {
            Ok(true) => Ok(()),
            _ => Err(mismatch("Mcp-Name")),
        },
        (None, _, None) => Ok(()),
    }
}

/// The one value of a header, outer white space removed (RFC 9110 §5.5).
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    Some(value.as_bytes().trim_ascii())
}
