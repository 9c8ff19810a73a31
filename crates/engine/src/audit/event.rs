//! What is recorded of a request. Nothing here can hold a secret, an argument or a result.

use std::borrow::Cow;
use std::net::IpAddr;

use portcullis_core::{
    ErrorKind, KeyId, Principal, PrincipalId, PrincipalKind, RequestId, RevocationId, ServerId,
    Timestamp, hex,
};
use portcullis_credentials::CredentialKind;
use serde::{Serialize, Serializer};

use super::{BatchedMessage, CallerText, Change};
use crate::limits::ScopeKind;

/// The door through which a governed request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Surface {
    /// The MCP endpoints.
    Mcp,
    /// The REST form of the tool path.
    Rest,
    /// The admin API.
    Admin,
    /// Pages that a person's browser shows.
    Page,
    /// The endpoints of our authorization server that clients call.
    OAuth,
}

impl Surface {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 5] = [Self::Mcp, Self::Rest, Self::Admin, Self::Page, Self::OAuth];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
            Self::Rest => "rest",
            Self::Admin => "admin",
            Self::Page => "page",
            Self::OAuth => "oauth",
        }
    }
}

/// What policy said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Never asked: the request ended before.
    #[default]
    None,
    /// Allowed by the event's rule.
    Allow,
    /// Denied by the event's rule.
    Deny,
    /// Held by the event's rule until somebody approves it.
    RequireApproval,
}

impl Decision {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Allow, Self::Deny, Self::RequireApproval];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::RequireApproval => "require_approval",
        }
    }
}

/// How a request ended. Closed: also a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Answered.
    Ok,
    /// The tool ran and reported an error of its own.
    ToolError,
    /// Failed, in one of the closed list of ways.
    Kind(ErrorKind),
    /// Nobody finished it: the client went away.
    Abandoned,
    /// A defect of ours unwound it.
    Panicked,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Ok,
        Self::ToolError,
        Self::Abandoned,
        Self::Panicked,
        Self::Kind(ErrorKind::Unauthenticated),
        Self::Kind(ErrorKind::Forbidden),
        Self::Kind(ErrorKind::NotFound),
        Self::Kind(ErrorKind::Invalid),
        Self::Kind(ErrorKind::Conflict),
        Self::Kind(ErrorKind::RateLimited),
        Self::Kind(ErrorKind::ConsentRequired),
        Self::Kind(ErrorKind::ApprovalRequired),
        Self::Kind(ErrorKind::UpstreamRefused),
        Self::Kind(ErrorKind::UpstreamUnreachable),
        Self::Kind(ErrorKind::Timeout),
        Self::Kind(ErrorKind::Unavailable),
        Self::Kind(ErrorKind::Internal),
    ];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ToolError => "tool_error",
            Self::Kind(kind) => kind.as_str(),
            Self::Abandoned => "abandoned",
            Self::Panicked => "panicked",
        }
    }
}

impl From<ErrorKind> for Outcome {
    fn from(kind: ErrorKind) -> Self {
        Self::Kind(kind)
    }
}

/// What on the server was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Target {
    /// A tool, as its server spells it or, when it did not resolve, as the caller did.
    Tool(CallerText),
    /// A prompt.
    Prompt(CallerText),
    /// A resource, without userinfo, query and fragment.
    Resource(CallerText),
    /// API keys that were made, shown or ended: their public ids, with commas between.
    Key(CallerText),
    /// An OAuth client: its `client_id`, without query.
    Client(CallerText),
    /// A revocation that was made or lifted: its id, and what it names.
    Revocation(CallerText),
    /// What is defined beside keys, a team, a person, a toolset: what it is, and its id.
    Entry(CallerText),
    /// An approval that was shown or decided, or that nobody decided: its id, and what it is about.
    Approval(CallerText),
    /// Limits that were shown or changed: whose.
    Limits(CallerText),
    /// Tools that changed, or whose pin was shown, approved or forgotten.
    Pin(CallerText),
    /// A server that was defined, changed, reviewed or taken away by the admin API.
    Server(CallerText),
}

impl Target {
    /// A tool's name.
    pub fn tool(name: &str) -> Self {
        Self::Tool(CallerText::new(name))
    }

    /// A client that is known by this id.
    pub fn client(id: &str) -> Self {
        Self::Client(CallerText::new(id.split('?').next().unwrap_or_default()))
    }

    /// A prompt's name.
    pub fn prompt(name: &str) -> Self {
        Self::Prompt(CallerText::new(name))
    }

    /// API keys by their ids as the store has them: what a caller sent could be a key itself.
    pub fn keys<'a>(ids: impl IntoIterator<Item = &'a KeyId>) -> Self {
        let ids: Vec<&str> = ids.into_iter().map(KeyId::as_str).collect();
        Self::Key(CallerText::new(&ids.join(",")))
    }

    /// Whose limits.
    pub fn limits(kind: ScopeKind, id: &str) -> Self {
        Self::Limits(CallerText::new(&format!("{} {id}", kind.as_str())))
    }

    /// A revocation.
    pub fn revocation(id: &RevocationId, what: &str) -> Self {
        Self::Revocation(CallerText::new(&format!("{id} {what}")))
    }

    /// An approval.
    pub fn approval(what: &str) -> Self {
        Self::Approval(CallerText::new(what))
    }

    /// Tools, with commas between, by whatever they are pinned as.
    pub fn pin(tools: &str) -> Self {
        Self::Pin(CallerText::new(tools))
    }

    /// What a revocation is asked for, or the id of one to lift: on record whatever becomes of it.
    pub fn revocation_wish(what: &str) -> Self {
        Self::Revocation(CallerText::new(what))
    }

    /// An entry of the directory, or several with commas between.
    pub fn entry(kind: &str, id: &str) -> Self {
        Self::Entry(CallerText::new(&format!("{kind} {id}")))
    }

    /// A server of the admin API by its name, whether there is one or not.
    pub fn server(name: &str) -> Self {
        Self::Server(CallerText::new(name))
    }

    /// A resource's URI. What RFC 3986 §3.2.1 and §3.4 leave to the application (userinfo, query,
    /// fragment) is where tokens travel, so it is not kept.
    pub fn resource(uri: &str) -> Self {
        let path_end = uri.find(['?', '#']).unwrap_or(uri.len());
        let (bare, _) = uri.split_at(path_end);
        if let Some((scheme, rest)) = bare.split_once("://") {
            let authority_end = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at(authority_end);
            if let Some((_, host)) = authority.rsplit_once('@') {
                return Self::Resource(CallerText::new(&format!("{scheme}://{host}{path}")));
            }
        }
        Self::Resource(CallerText::new(bare))
    }
}

/// How one server fared in an aggregate such as a merged list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerOutcome {
    /// The server.
    pub server: ServerId,
    /// How it ended there.
    #[serde(serialize_with = "outcome")]
    pub outcome: Outcome,
}

/// One request, as the audit trail keeps it.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename = "request")]
pub struct AuditEvent {
    /// When it arrived.
    #[serde(serialize_with = "display")]
    pub at: Timestamp,
    /// Its identifier, also in the answer.
    #[serde(serialize_with = "request_id")]
    pub request_id: RequestId,
    /// Its door.
    #[serde(serialize_with = "surface")]
    pub surface: Surface,
    /// How it ended.
    #[serde(serialize_with = "outcome")]
    pub outcome: Outcome,
    /// Who asked; absent until a credential verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<PrincipalId>,
    /// How they authenticated.
    #[serde(
        serialize_with = "principal_kind",
        skip_serializing_if = "Option::is_none"
    )]
    pub principal_kind: Option<PrincipalKind>,
    /// The public part of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<KeyId>,
    /// Why authentication failed, by its stable reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authn: Option<&'static str>,
    /// The JSON-RPC method or the route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<CallerText>,
    /// The server it resolved to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerId>,
    /// What was asked for there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// What policy said.
    #[serde(serialize_with = "decision")]
    pub decision: Decision,
    /// Which rule said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Cow<'static, str>>,
    /// The approval that it waits for, or that it used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Box<str>>,
    /// What kind of credential was presented upstream.
    #[serde(
        serialize_with = "credential_kind",
        skip_serializing_if = "Option::is_none"
    )]
    pub credential: Option<CredentialKind>,
    /// The upstream's HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<u16>,
    /// From arrival to the end of the answer.
    pub latency_us: u64,
    /// Size of the request's body.
    pub request_bytes: u64,
    /// Size of the answer's body.
    pub response_bytes: u64,
    /// Keyed MAC of the arguments: tells equal from different, and cannot be guessed from a list.
    #[serde(serialize_with = "hex_bytes", skip_serializing_if = "Option::is_none")]
    pub arguments_hash: Option<[u8; 32]>,
    /// The connection's peer: forwarded headers are not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<IpAddr>,
    /// The trace of the caller's `traceparent` (W3C Trace Context §3.2.2.3), or the one that began here.
    #[serde(serialize_with = "hex_bytes", skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<[u8; 16]>,
    /// The MCP revision that was spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<&'static str>,
    /// How each server fared, for an aggregate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<ServerOutcome>,
    /// Each message of a batch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub batch: Vec<BatchedMessage>,
    /// What it made, changed or ended of what administrators decide about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// The event could not be made durable in time, so the caller was denied the answer that
    /// `outcome` describes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
}

impl AuditEvent {
    /// A request that has just arrived and, as far as we know, will be abandoned.
    pub const fn opened(at: Timestamp, request_id: RequestId, surface: Surface) -> Self {
        Self {
            at,
            request_id,
            surface,
            outcome: Outcome::Abandoned,
            principal: None,
            principal_kind: None,
            key_id: None,
            authn: None,
            method: None,
            server: None,
            target: None,
            decision: Decision::None,
            rule: None,
            approval: None,
            credential: None,
            upstream_status: None,
            latency_us: 0,
            request_bytes: 0,
            response_bytes: 0,
            arguments_hash: None,
            client_ip: None,
            trace_id: None,
            revision: None,
            servers: Vec::new(),
            batch: Vec::new(),
            changes: Vec::new(),
            withheld: false,
        }
    }

    /// Notes a verified caller.
    pub fn set_principal(&mut self, principal: &Principal) {
        // Of a stranger nothing is known; the hash of a token would only be mistaken for a name.
        self.principal = Some(match principal.kind {
            PrincipalKind::Delegated => PrincipalId::from("anonymous(delegated)"),
            _ => principal.id.clone(),
        });
        self.principal_kind = Some(principal.kind);
        self.key_id.clone_from(&principal.key_id);
    }
}

fn display<S: Serializer>(
    value: &impl std::fmt::Display,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn request_id<S: Serializer>(value: &RequestId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.text())
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands fields over by reference"
)]
fn surface<S: Serializer>(value: &Surface, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.as_str())
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands fields over by reference"
)]
pub(super) fn outcome<S: Serializer>(value: &Outcome, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.as_str())
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands fields over by reference"
)]
pub(super) fn decision<S: Serializer>(value: &Decision, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.as_str())
}

#[expect(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands fields over by reference"
)]
fn principal_kind<S: Serializer>(
    value: &Option<PrincipalKind>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_some(match value {
        Some(PrincipalKind::MasterKey) => "master_key",
        Some(PrincipalKind::ApiKey) => "api_key",
        Some(PrincipalKind::Jwt) => "jwt",
        Some(PrincipalKind::IntrospectedToken) => "introspected_token",
        Some(PrincipalKind::SignedIn) => "signed_in",
        Some(PrincipalKind::ClientCertificate) => "client_certificate",
        Some(PrincipalKind::Delegated) => "delegated",
        None => "none",
    })
}

#[expect(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands fields over by reference"
)]
pub(super) fn credential_kind<S: Serializer>(
    value: &Option<CredentialKind>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_some(&value.map(CredentialKind::as_str))
}

#[expect(clippy::ref_option, reason = "serde hands fields over by reference")]
pub(super) fn hex_bytes<S: Serializer, const N: usize>(
    value: &Option<[u8; N]>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_some(&value.map(|bytes| hex(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_recorded_without_the_parts_where_tokens_travel() {
        let shown = |uri| match Target::resource(uri) {
            Target::Resource(text) => text.as_str().to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            shown("https://u:p@files.test/a?token=canary#canary"),
            "https://files.test/a"
        );
        assert_eq!(shown("file:///tmp/a@b"), "file:///tmp/a@b");
        assert_eq!(shown("memo://x"), "memo://x");
    }
}
