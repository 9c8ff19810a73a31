//! What can go wrong on the path of a call, and the two texts of each: one for the caller, one for
//! the operator.

use http::{HeaderValue, StatusCode};
use portcullis_core::{ErrorKind, ReplicaId, RequestId, ScopeSet, ServerId};
use portcullis_credentials::{CredentialError, CredentialErrorKind};
use portcullis_mcp::{RpcError, SUPPORTED_REVISIONS, code};
use portcullis_policy::{Denied, DeniedRule, MissingScopes};
use portcullis_upstream::{UpstreamError, UpstreamErrorKind};
use serde_json::json;

use crate::approvals::Held;
use crate::consent::{self, Wanted};
use crate::limits::Limited;

/// A call that did not get its answer.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The caller's message breaks the protocol; the text is for them.
    #[error("invalid request: {}", .0.message)]
    Protocol(RpcError),
    /// No such tool, prompt, resource or task that the caller can see.
    #[error("unknown {what}")]
    Unknown {
        /// What is unknown: `tool`, `prompt`, `resource`, `task`.
        what: &'static str,
        /// What the caller called it.
        name: String,
    },
    /// The policy said no.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// There is nothing to present upstream.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The upstream gave no usable answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The upstream refused the caller's own bearer token, or that there was none.
    #[error("server `{server}` challenges the caller")]
    Challenged {
        /// The server.
        server: ServerId,
        /// Its challenge, as it is passed on.
        challenge: HeaderValue,
    },
    /// The caller has to connect accounts of theirs first.
    #[error("the caller's own account is not connected")]
    ConsentRequired(Box<[Wanted]>),
    /// Somebody has to approve the call first, or has refused to.
    #[error("the call is not approved")]
    ApprovalRequired(Box<Held>),
    /// Whether the call is approved cannot be told.
    #[error("approvals cannot be looked at")]
    ApprovalsUnavailable,
    /// The tool is not what it was, and is withheld until somebody has approved what it became.
    #[error("tool `{tool}` of server `{server}` changed, and nobody has approved that")]
    ToolChanged {
        /// The server.
        server: ServerId,
        /// The tool, as its server spells it.
        tool: String,
    },
    /// Whether the tool is what it was cannot be told.
    #[error("whether the tool is what it was cannot be told")]
    PinsUnavailable,
    /// The server speaks only revisions of the era that the caller does not.
    #[error("server `{server}` speaks revisions of the other era only")]
    OtherEra {
        /// The server.
        server: ServerId,
        /// Which era it is that it does speak.
        speaks_modern: bool,
    },
    /// Every server of an aggregate failed; an empty list would be a lie.
    #[error("no server of the aggregate answered")]
    NoneAnswered(Box<[(ServerId, &'static str)]>),
    /// The server asked the client for something that the operator does not allow.
    #[error("server `{server}` asked for `{method}`, which is not allowed to it")]
    PushNotAllowed {
        /// The server.
        server: ServerId,
        /// What it asked for.
        method: String,
    },
    /// More of something than one caller may have at a time.
    #[error("too many {0}")]
    TooMany(&'static str),
    /// A limit of the caller's, or of what it calls, is reached.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// There are limits, and what was done cannot be counted against them.
    #[error("what the caller does cannot be counted against its limits")]
    NotCounted,
    /// Another replica of this gateway holds what the request is about. Reported only where it cannot
    /// be handed over to it.
    #[error("replica {0} holds what this is about, and it was not handed over to it")]
    Elsewhere(ReplicaId),
    /// The caller's credential was revoked, or ended, while the answer was awaited.
    #[error("the caller's credential ended before the answer came")]
    NoLongerStands,
    /// The required audit event cannot be made durable.
    #[error("the audit trail is unavailable")]
    AuditUnavailable,
    /// A key or random source of ours is down.
    #[error("the key ring is unavailable")]
    KeyRing,
}

/// An error as a surface reports it.
#[derive(Clone, Debug)]
pub struct Reported {
    /// Its kind.
    pub kind: ErrorKind,
    /// The status, where the surface's protocol does not say otherwise.
    pub status: StatusCode,
    /// The JSON-RPC form.
    pub rpc: RpcError,
}

impl EngineError {
    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Protocol(_) => ErrorKind::Invalid,
            Self::Unknown { .. } => ErrorKind::NotFound,
            Self::Denied(denied) => denied.kind(),
            Self::Credential(error) => error.error_kind(),
            Self::Upstream(error) => error.error_kind(),
            Self::ConsentRequired(_) => ErrorKind::ConsentRequired,
            Self::ApprovalRequired(held) => held.kind(),
            Self::OtherEra { .. } => ErrorKind::UpstreamRefused,
            Self::NoneAnswered(_) => ErrorKind::UpstreamUnreachable,
            Self::PushNotAllowed { .. } | Self::ToolChanged { .. } => ErrorKind::Forbidden,
            Self::TooMany(_) | Self::Limited(_) => ErrorKind::RateLimited,
            Self::NoLongerStands | Self::Challenged { .. } => ErrorKind::Unauthenticated,
            Self::NotCounted
            | Self::Elsewhere(_)
            | Self::AuditUnavailable
            | Self::ApprovalsUnavailable
            | Self::PinsUnavailable
            | Self::KeyRing => ErrorKind::Unavailable,
        }
    }

    /// What the caller has to connect first.
    pub fn wanted(&self) -> &[Wanted] {
        match self {
            Self::ConsentRequired(wanted) => wanted,
            _ => &[],
        }
    }

    /// The approval that the call waits for.
    pub fn held(&self) -> Option<&Held> {
        match self {
            Self::ApprovalRequired(held) => Some(held),
            _ => None,
        }
    }

    /// The scopes that the call needs, when some of them are missing.
    pub const fn required_scopes(&self) -> Option<&ScopeSet> {
        match self {
            Self::Denied(Denied {
                scopes: Some(scopes),
                ..
            }) => Some(&scopes.required),
            _ => None,
        }
    }

    /// The limit that is reached, if that is it.
    pub const fn limited(&self) -> Option<&Limited> {
        match self {
            Self::Limited(limited) => Some(limited),
            _ => None,
        }
    }

    /// Tells the operator, once, where the request ends: breakage of ours as an error, the rest as
    /// information. What an upstream did was told where it happened.
    pub fn log(&self, request_id: RequestId) {
        let kind = self.kind();
        let outcome = kind.as_str();
        match self {
            // Replicas come and go; what one held went with it.
            Self::Elsewhere(_) => {
                tracing::warn!(request.id = %request_id, outcome, error = %self, "request refused");
            }
            _ if matches!(kind, ErrorKind::Internal | ErrorKind::Unavailable) => {
                tracing::error!(request.id = %request_id, outcome, error = %self, "request failed");
            }
            Self::Upstream(_) => {
                tracing::debug!(request.id = %request_id, outcome, error = %self, "request failed");
            }
            _ => {
                tracing::info!(request.id = %request_id, outcome, error = %self, "request refused");
            }
        }
    }

    /// What the caller may know: the kind and the request id, never an upstream's own words.
    pub fn report(&self, request_id: RequestId) -> Reported {
        let kind = self.kind();
        let (status, rpc) = match self {
            // What the revision calls in-band errors stay in-band; the rest has a status of its own.
            Self::Protocol(error) => (
                match error.code {
                    code::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
                    code::INVALID_PARAMS => StatusCode::OK,
                    _ => StatusCode::BAD_REQUEST,
                },
                error.clone(),
            ),
            // A tool that is denied reads exactly like one that does not exist.
            Self::Unknown { what, name } => (StatusCode::OK, unknown(what, name)),
            Self::Denied(denied) if denied.rule == DeniedRule::AllowedParams => (
                StatusCode::FORBIDDEN,
                RpcError::new(
                    code::INVALID_PARAMS,
                    format!(
                        "these arguments are not allowed: {}",
                        denied.arguments.join(", ")
                    ),
                ),
            ),
            Self::Denied(denied) if denied.rule == DeniedRule::ArgumentSchemas => (
                StatusCode::FORBIDDEN,
                RpcError::new(code::INVALID_PARAMS, off_schema(denied)),
            ),
            Self::Denied(denied) if denied.rule == DeniedRule::UnreadableArguments => (
                StatusCode::OK,
                RpcError::new(
                    code::INVALID_PARAMS,
                    "params.arguments must be an object in which no member stands twice, and not too large to be looked into",
                ),
            ),
            Self::Denied(denied)
                if matches!(
                    denied.rule,
                    DeniedRule::PolicyRule
                        | DeniedRule::PolicyRuleFailed
                        | DeniedRule::NoRuleAllows
                ) =>
            {
                (
                    StatusCode::FORBIDDEN,
                    RpcError::new(code::INVALID_REQUEST, ruled_out(denied)),
                )
            }
            Self::Denied(Denied {
                scopes: Some(scopes),
                ..
            }) => (StatusCode::FORBIDDEN, insufficient_scope(scopes)),
            Self::Denied(denied) if denied.rule == DeniedRule::UnmappedScope => (
                StatusCode::FORBIDDEN,
                RpcError::new(
                    code::INVALID_REQUEST,
                    "this server asks for scopes, and its operator did not say which this needs",
                ),
            ),
            Self::Denied(denied)
                if matches!(
                    denied.rule,
                    DeniedRule::NoUpstreamKey | DeniedRule::AmbiguousUpstreamKey
                ) =>
            {
                (
                    StatusCode::FORBIDDEN,
                    RpcError::new(
                        code::INVALID_REQUEST,
                        "no key of this server was set apart for you",
                    ),
                )
            }
            Self::Denied(_) => (
                StatusCode::NOT_FOUND,
                RpcError::new(code::INVALID_PARAMS, "not found"),
            ),
            Self::PushNotAllowed { method, .. } => (
                StatusCode::FORBIDDEN,
                RpcError::new(
                    code::INTERNAL_ERROR,
                    format!("the server asked for {method}, which this gateway does not allow it"),
                ),
            ),
            Self::ToolChanged { server, tool } => (StatusCode::FORBIDDEN, changed(server, tool)),
            Self::TooMany(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                RpcError::new(code::INTERNAL_ERROR, self.to_string()),
            ),
            Self::Limited(limited) => (
                StatusCode::TOO_MANY_REQUESTS,
                limited.rpc(&request_id.to_string()),
            ),
            // In-band: with any other status a client would look for a token of ours, which it has.
            Self::ConsentRequired(wanted) => (
                StatusCode::OK,
                consent::rpc_error(wanted, &request_id.to_string()),
            ),
            Self::ApprovalRequired(held) => {
                (StatusCode::OK, held.rpc_error(&request_id.to_string()))
            }
            Self::NoneAnswered(outcomes) => {
                let servers: serde_json::Map<String, serde_json::Value> = outcomes
                    .iter()
                    .map(|(server, outcome)| (server.to_string(), json!({"status": outcome})))
                    .collect();
                let error =
                    RpcError::new(code::INTERNAL_ERROR, "no server answered").with_data(&json!({
                        "kind": kind.as_str(),
                        "request_id": request_id.to_string(),
                        "server_outcomes": servers,
                    }));
                return Reported {
                    kind,
                    status: StatusCode::BAD_GATEWAY,
                    rpc: error,
                };
            }
            Self::OtherEra {
                server: _,
                speaks_modern,
            } => (StatusCode::BAD_REQUEST, other_era(*speaks_modern)),
            Self::Upstream(error) if error.kind == UpstreamErrorKind::Era => {
                // Only `initialize` meets this: whoever does not answer it is of the other era.
                (StatusCode::BAD_REQUEST, other_era(true))
            }
            Self::Credential(error) if kind == ErrorKind::Unauthenticated => {
                let text = match error.kind {
                    CredentialErrorKind::NoSubject => {
                        "this server is called in your own name: send your own token as Authorization: Bearer, beside the gateway's key in x-litellm-api-key"
                    }
                    CredentialErrorKind::NoSignIn => {
                        "this server is called as whoever signed in, and your sign-in is too old for it or was not with the provider: remove this gateway from your application, add it again, and sign in with the provider"
                    }
                    CredentialErrorKind::NoBearer => {
                        "this server is called with your own bearer token: send it as Authorization: Bearer, beside the gateway's key in x-litellm-api-key"
                    }
                    CredentialErrorKind::SubjectEnded => "your own token has ended: get a new one",
                    _ => "your own token was refused: get a new one",
                };
                (status_of(kind), RpcError::new(code::INTERNAL_ERROR, text))
            }
            Self::Credential(error) if error.kind == CredentialErrorKind::SubjectLacksClaims => {
                let text = "your own token lacks a claim that this server's operator requires";
                let rpc = RpcError::new(code::INTERNAL_ERROR, text);
                (StatusCode::FORBIDDEN, rpc)
            }
            Self::Credential(error) if error.kind == CredentialErrorKind::SubjectLacksScopes => {
                let text =
                    "your own token carries none of the scopes that this server is asked for";
                let rpc = RpcError::new(code::INTERNAL_ERROR, text);
                (StatusCode::FORBIDDEN, rpc)
            }
            Self::Challenged { .. } => (
                status_of(kind),
                RpcError::new(
                    code::INTERNAL_ERROR,
                    "the server asks for a bearer token of its own issuer: see WWW-Authenticate",
                ),
            ),
            Self::Elsewhere(_) => (
                status_of(kind),
                RpcError::new(
                    code::INTERNAL_ERROR,
                    "the replica of this gateway that held this is out of reach: begin it anew",
                ),
            ),
            Self::NoLongerStands
            | Self::Credential(_)
            | Self::Upstream(_)
            | Self::NotCounted
            | Self::AuditUnavailable
            | Self::ApprovalsUnavailable
            | Self::PinsUnavailable
            | Self::KeyRing => (
                status_of(kind),
                RpcError::new(code::INTERNAL_ERROR, message_of(kind)),
            ),
        };
        let rpc = if rpc.data.is_none() && rpc.code == code::INTERNAL_ERROR {
            rpc.with_data(&json!({"kind": kind.as_str(), "request_id": request_id.to_string()}))
        } else {
            rpc
        };
        Reported { kind, status, rpc }
    }
}

/// The server is alive and speaks only revisions of the other era; a client that can will fall back.
fn other_era(speaks_modern: bool) -> RpcError {
    let supported: Vec<&str> = SUPPORTED_REVISIONS
        .iter()
        .filter(|revision| revision.is_modern() == speaks_modern)
        .map(|revision| revision.as_str())
        .collect();
    RpcError::new(
        code::UNSUPPORTED_VERSION,
        "this server does not speak a revision of this era",
    )
    .with_data(&json!({"supported": supported}))
}

/// Which argument keeps not to which keyword; what it holds is the caller's to know.
fn off_schema(denied: &Denied) -> String {
    let keyword = denied.keyword.as_deref().unwrap_or_default();
    if denied.arguments.is_empty() {
        return format!(
            "the arguments do not keep to `{keyword}` of what is allowed for this tool"
        );
    }
    let names = denied.arguments.join(", ");
    format!("these arguments do not keep to `{keyword}` of what is allowed for this tool: {names}")
}

/// By which of the operator's rules.
fn ruled_out(denied: &Denied) -> String {
    let name = denied.named.as_deref().unwrap_or_default();
    match denied.rule {
        DeniedRule::PolicyRule => format!("the rule `{name}` of this gateway forbids this"),
        DeniedRule::PolicyRuleFailed => {
            format!("whether the rule `{name}` of this gateway forbids this cannot be told")
        }
        _ => "no rule of this gateway allows this".to_owned(),
    }
}

/// Who called it saw it before, so what is wrong with it may be said.
fn changed(server: &ServerId, tool: &str) -> RpcError {
    let shown: String = tool.chars().take(128).collect();
    RpcError::new(
        code::INVALID_REQUEST,
        format!("the tool {shown} of server {server} is not what it was when it was approved: an administrator of this gateway has to look at the change first"),
    )
    .with_data(&json!({"error": "tool_changed", "server": server.as_str(), "tool": shown}))
}

fn insufficient_scope(scopes: &MissingScopes) -> RpcError {
    let words = |scopes: &ScopeSet| scopes.iter().map(str::to_owned).collect::<Vec<_>>();
    RpcError::new(
        code::INVALID_REQUEST,
        format!("insufficient scope: {} is missing", scopes.missing),
    )
    .with_data(&json!({
        "error": "insufficient_scope",
        "required": words(&scopes.required),
        "missing": words(&scopes.missing),
    }))
}

fn unknown(what: &str, name: &str) -> RpcError {
    let shown: String = name.chars().take(128).collect();
    let error = RpcError::new(code::INVALID_PARAMS, format!("Unknown {what}: {shown}"));
    if what == "resource" {
        error.with_data(&json!({"uri": shown}))
    } else {
        error
    }
}

const fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        _ => StatusCode::BAD_GATEWAY,
    }
}

const fn message_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Timeout => "the upstream server took too long",
        ErrorKind::UpstreamRefused => "the upstream server refused the request",
        ErrorKind::UpstreamUnreachable => "the upstream server is unreachable",
        ErrorKind::Unauthenticated => "the credential is no longer valid",
        ErrorKind::ConsentRequired => "an account of the caller's own has to be connected first",
        ErrorKind::ApprovalRequired => "somebody has to approve the call first",
        ErrorKind::Unavailable => "something this call needs is unavailable",
        _ => "internal error",
    }
}
