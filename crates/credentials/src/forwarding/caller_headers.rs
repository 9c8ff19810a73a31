//! `x-mcp-{alias}-{header}`: what a caller sends for one server by name, and `x-mcp-auth`, which is
//! the same without a name.

use http::HeaderName;
use http::header::AUTHORIZATION;
use portcullis_core::ForwardedHeader;

use super::Addressed;
use crate::UpstreamAuth;

/// What a server takes of that.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum CallerHeaders {
    /// Nothing.
    #[default]
    Refused,
    /// Any header. One that says who calls stands in for our credential.
    Any,
    /// Only these, each in a form that the file gives.
    Templates(Vec<Template>),
}

/// `x-mcp-{{alias}}-authorization: "Bearer {{token}}"`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The header that is filled, and what stands after the alias in the caller's.
    pub header: HeaderName,
    /// What stands before the caller's value.
    pub before: String,
    /// What stands after it.
    pub after: String,
}

impl Template {
    fn fill(&self, value: &str) -> ForwardedHeader {
        // A caller who writes the scheme too means the same token.
        let scheme = self.before.trim_end();
        let token = match value.split_once(' ') {
            Some((first, rest)) if first.eq_ignore_ascii_case(scheme) => rest,
            _ => value,
        };
        let text = format!("{}{token}{}", self.before, self.after);
        ForwardedHeader::new(self.header.as_str(), text)
    }
}

impl CallerHeaders {
    /// What goes out of what the caller addressed to this server.
    pub(super) fn of(
        &self,
        auth: &UpstreamAuth,
        addressed: &Addressed<'_>,
    ) -> Vec<ForwardedHeader> {
        let named = addressed.headers.iter();
        match self {
            Self::Refused => Vec::new(),
            Self::Any => named
                .map(|(name, header)| ForwardedHeader::new(name, header.value.expose()))
                .chain(
                    addressed
                        .request_wide
                        .map(|header| request_wide(auth, header.value.expose())),
                )
                .collect(),
            Self::Templates(templates) => templates
                .iter()
                .filter_map(|template| {
                    let mut named = addressed.headers.iter();
                    let (_, header) = named.find(|(name, _)| *name == template.header.as_str())?;
                    Some(template.fill(header.value.expose()))
                })
                .collect(),
        }
    }
}

/// In the place where the server's own credential would stand, or as a bearer token.
fn request_wide(auth: &UpstreamAuth, value: &str) -> ForwardedHeader {
    let slot = auth.slot().unwrap_or(AUTHORIZATION.as_str());
    if slot == AUTHORIZATION.as_str() && !value.contains(' ') {
        ForwardedHeader::new(slot, format!("Bearer {value}"))
    } else {
        ForwardedHeader::new(slot, value)
    }
}
