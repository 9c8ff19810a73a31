//! Names of headers that HTTP itself does not know, so that no request pays for parsing them.

use axum::http::HeaderName;

pub(crate) static SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
pub(crate) static PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub(crate) static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
pub(crate) static SERVERS: HeaderName = HeaderName::from_static("x-mcp-servers");
pub(crate) static ACCESS_GROUPS: HeaderName = HeaderName::from_static("x-mcp-access-groups");
pub(crate) static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(crate) static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(crate) static FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
