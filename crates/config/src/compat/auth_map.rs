//! `auth: {oauth2: …, cookie_passthrough: …}`.

use std::collections::BTreeMap;

use crate::fields::Fields;
use crate::findings::Findings;
use crate::model::{ClientCredentials, Cookies};
use crate::sections::forwarding;
use crate::sections::oauth_client::{self, Keys};
use crate::sections::upstream_auth::{ResourceOwner, either, resource};
use crate::validate::urls::{PlainHttp, callable};

/// What the map says.
pub(crate) struct AuthMap {
    /// Whether there is one at all.
    pub(crate) present: bool,
    pub(crate) oauth2: Written,
    pub(crate) cookies: Option<Cookies>,
}

/// Client credentials in the map.
pub(crate) enum Written {
    Absent,
    /// An error says why.
    Unusable,
    Usable(Box<ClientCredentials>),
}

pub(crate) fn read(server: &Fields<'_, '_>, plain: PlainHttp, owner: ResourceOwner<'_>) -> AuthMap {
    let Some(map) = server.section("auth") else {
        return AuthMap {
            present: false,
            oauth2: Written::Absent,
            cookies: None,
        };
    };
    AuthMap {
        present: true,
        cookies: forwarding::cookies(&map),
        oauth2: match map.section("oauth2") {
            None => Written::Absent,
            Some(oauth2) => credentials(&oauth2, plain, owner)
                .map_or(Written::Unusable, |oauth2| {
                    Written::Usable(Box::new(oauth2))
                }),
        },
    }
}

/// Client credentials as a map of their own.
pub(crate) fn credentials(
    fields: &Fields<'_, '_>,
    plain: PlainHttp,
    owner: ResourceOwner<'_>,
) -> Option<ClientCredentials> {
    let findings: &Findings<'_> = fields.findings;
    let token_url = fields
        .require("token_url", fields.url("token_url"))
        .and_then(|url| callable(findings, url, plain));
    let client = oauth_client::read(fields, Keys::Map);
    let scopes = fields.scopes(either(fields, "scopes", "scope"));
    let audience = fields.text("audience").map(|text| text.value);
    let resource = resource(fields, fields.text("resource"), owner);
    Some(ClientCredentials {
        token_url: Some(token_url?),
        issuer: None,
        client: client?,
        scopes,
        audience,
        resource,
        token_validation: BTreeMap::new(),
    })
}
