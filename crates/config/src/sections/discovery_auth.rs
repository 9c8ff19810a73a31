//! `discovery_auth`: who we are where we ask a server for its lists.

use url::Url;

use crate::compat::auth_map::credentials;
use crate::fields::Fields;
use crate::model::Auth;
use crate::sections::headers::ServerHeaders;
use crate::sections::upstream_auth::{self, ResourceOwner};
use crate::validate::urls::PlainHttp;

/// `None` when there is none, or when something was recorded as an error.
pub(crate) fn read(server: &Fields<'_, '_>, url: Option<&Url>, plain: PlainHttp) -> Option<Auth> {
    let fields = server.section("discovery_auth")?;
    let Some(auth_type) = fields.choice("auth_type") else {
        if !fields.has("auth_type") {
            fields.findings.error(
                fields.own_place(),
                "`auth_type` is missing",
                "add `auth_type: oauth2` or one of the fixed credentials",
            );
        }
        return None;
    };
    if auth_type == "oauth2" {
        let credentials = credentials(&fields, plain, ResourceOwner::Server(url))?;
        return Some(Auth::ClientCredentials(Box::new(credentials)));
    }
    upstream_auth::fixed(&fields, &ServerHeaders::default(), auth_type)
}
