//! One JSON-RPC 2.0 message, classified without being rebuilt.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json::{JsonError, Members, check_depth, string_of};

/// What kind of message it is.
#[derive(Debug)]
pub enum Kind<'a> {
    /// Wants an answer.
    Request {
        /// Its id: a string or an integer, never null (MCP, all revisions).
        id: RequestId<'a>,
        /// Its method, as the bytes between the quotes say after unescaping.
        method: &'a str,
    },
    /// Wants none.
    Notification {
        /// Its method.
        method: &'a str,
    },
    /// Answers a request of the other side.
    Response {
        /// Which request.
        id: RequestId<'a>,
        /// Whether it is an error.
        is_error: bool,
    },
}

impl<'a> Kind<'a> {
    /// The id of a request or a response, as JSON text.
    pub fn id(&self) -> Option<&'a str> {
        match self {
            Self::Request { id, .. } | Self::Response { id, .. } => Some(id.as_json()),
            Self::Notification { .. } => None,
        }
    }

    /// The method of a request or a notification.
    pub const fn method(&self) -> Option<&'a str> {
        match self {
            Self::Request { method, .. } | Self::Notification { method } => Some(method),
            Self::Response { .. } => None,
        }
    }
}

/// A request id, kept as the JSON text that its sender chose.
#[derive(Clone, Copy, Debug)]
pub struct RequestId<'a>(&'a RawValue);

impl<'a> RequestId<'a> {
    /// The id's JSON text, quotes included.
    pub fn as_json(&self) -> &'a str {
        self.0.get()
    }

    /// The raw value, for splicing.
    pub const fn raw(&self) -> &'a RawValue {
        self.0
    }

    /// The id as the integer that it is, if it is one.
    pub fn as_i64(&self) -> Option<i64> {
        self.0.get().parse().ok()
    }

    fn parse(raw: &'a RawValue) -> Option<Self> {
        let text = raw.get();
        let integer = text.strip_prefix('-').unwrap_or(text);
        let valid = text.starts_with('"')
            || (!integer.is_empty() && integer.bytes().all(|byte| byte.is_ascii_digit()));
        valid.then_some(Self(raw))
    }
}

/// One message and the members that were found in it.
#[derive(Debug)]
pub struct Envelope<'a> {
    /// The whole text.
    pub text: &'a str,
    /// Classification.
    pub kind: Kind<'a>,
    members: Members<'a>,
    params: Option<Members<'a>>,
}

/// A text that is not one JSON-RPC message.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Not JSON: JSON-RPC -32700.
    #[error(transparent)]
    Parse(#[from] JsonError),
    /// An array: JSON-RPC batches exist only in 2025-03-26.
    #[error("a batch is not accepted here")]
    Batch,
    /// JSON, but not a message: JSON-RPC -32600.
    #[error("not a JSON-RPC 2.0 message: {0}")]
    Invalid(&'static str),
}

impl MessageError {
    /// The JSON-RPC code for it.
    pub const fn code(&self) -> i64 {
        match self {
            Self::Parse(_) => crate::code::PARSE_ERROR,
            Self::Batch | Self::Invalid(_) => crate::code::INVALID_REQUEST,
        }
    }
}

impl<'a> Envelope<'a> {
    /// Classifies one message. Refuses batches, repeated members at the top and in `params`, null
    /// or fractional ids, results beside errors, and nesting beyond the limit.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, MessageError> {
        let text = std::str::from_utf8(bytes).map_err(|_| JsonError::NotUtf8)?;
        check_depth(bytes)?;
        if text.trim_start().starts_with('[') {
            serde_json::from_str::<&RawValue>(text).map_err(JsonError::from)?;
            return Err(MessageError::Batch);
        }
        let members = Members::parse(text)?;
        if members
            .get("jsonrpc")
            .is_none_or(|raw| raw.get() != "\"2.0\"")
        {
            return Err(MessageError::Invalid("`jsonrpc` must be \"2.0\""));
        }
        let id = members
            .get("id")
            .map(|raw| {
                RequestId::parse(raw)
                    .ok_or(MessageError::Invalid("`id` must be a string or an integer"))
            })
            .transpose()?;
        let params = match members.get("params") {
            None => None,
            Some(raw) if raw.get().starts_with('{') => Some(Members::of(raw)?),
            Some(_) => return Err(MessageError::Invalid("`params` must be an object")),
        };
        let kind = match (members.get("method"), id) {
            (Some(method), id) => {
                let Some(Cow::Borrowed(method)) = string_of(method) else {
                    // Every method there is can be written without escapes; one that is not is
                    // either not a string or an attempt to look like another.
                    return Err(MessageError::Invalid(
                        "`method` must be a string without escapes",
                    ));
                };
                if members.get("result").is_some() || members.get("error").is_some() {
                    return Err(MessageError::Invalid("`method` beside `result` or `error`"));
                }
                match id {
                    Some(id) => Kind::Request { id, method },
                    None => Kind::Notification { method },
                }
            }
            (None, Some(id)) => {
                let is_error = match (members.get("result"), members.get("error")) {
                    (Some(_), None) => false,
                    (None, Some(_)) => true,
                    _ => {
                        return Err(MessageError::Invalid(
                            "needs `method`, or one of `result` and `error`",
                        ));
                    }
                };
                Kind::Response { id, is_error }
            }
            (None, None) => return Err(MessageError::Invalid("`method` is missing")),
        };
        Ok(Self {
            text,
            kind,
            members,
            params,
        })
    }

    /// The members of `params`; `None` when it is absent.
    pub const fn params(&self) -> Option<&Members<'a>> {
        self.params.as_ref()
    }

    /// The raw `params`.
    pub fn raw_params(&self) -> Option<&'a RawValue> {
        self.members.get("params")
    }

    /// The raw `result` of a response.
    pub fn result(&self) -> Option<&'a RawValue> {
        self.members.get("result")
    }

    /// The raw `error` of a response.
    pub fn error(&self) -> Option<&'a RawValue> {
        self.members.get("error")
    }

    /// The members of `params._meta`, when there are any.
    pub fn meta(&self) -> Result<Option<Members<'a>>, JsonError> {
        match &self.params {
            Some(params) => params.object("_meta"),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
