//! What we present to one server.

use portcullis_core::SecretValue;
use url::Url;

use crate::compat::auth_map::{AuthMap, Written};
use crate::compat::default_oauth2::DefaultOauth2;
use crate::compat::oauth_flow::{self, Flow};
use crate::fields::{At, Fields};
use crate::model::{Auth, ClientCredentials, Sourced, StaticHeader};
use crate::sections::delegation;
use crate::sections::headers::{self, ServerHeaders};
use crate::sections::id_jag;
use crate::sections::oauth_client::{self, Keys};
use crate::sections::token_exchange;
use crate::sections::{authorization_code, aws_sigv4};
use crate::validate::urls::{PlainHttp, callable};

const USE_INSTEAD: &str = "use `auth_type: oauth2` with `token_url`, `client_id` and `client_secret` (client credentials), or a static credential";

/// What asks a token endpoint.
const FETCHES_TOKENS: &[&str] = &["oauth2", "oauth2_token_exchange", "oauth2_id_jag"];

/// `None` only when something was recorded as an error.
pub(crate) fn read(
    fields: &Fields<'_, '_>,
    headers: &ServerHeaders,
    url: Option<&Url>,
    map: AuthMap,
    default: Option<&DefaultOauth2>,
    plain: PlainHttp,
) -> Option<Auth> {
    let declared = fields.choice("auth_type");
    if fields.has("auth_type") && declared.is_none() {
        return None;
    }
    let delegated = delegation::asked(fields, declared);
    if !matches!(map.oauth2, Written::Absent) {
        if delegated {
            return delegation::auth(fields, true);
        }
        if declared.is_some_and(|declared| declared != "oauth2") {
            fields.findings.error(
                fields.place("auth_type"),
                "`auth.oauth2` and this `auth_type` contradict each other",
                "remove one of them",
            );
            return None;
        }
        token_exchange::refuse_keys(fields)?;
        id_jag::refuse_keys(fields)?;
        aws_sigv4::refuse_keys(fields)?;
        let token_validation = oauth_client::token_validation(fields)?;
        return match map.oauth2 {
            Written::Usable(oauth2) => Some(Auth::ClientCredentials(Box::new(ClientCredentials {
                token_validation,
                ..*oauth2
            }))),
            Written::Absent | Written::Unusable => None,
        };
    }
    if delegated || declared.is_none_or(|declared| !FETCHES_TOKENS.contains(&declared)) {
        oauth_client::refuse_token_validation(fields)?;
    }
    if declared != Some("oauth2_id_jag") {
        id_jag::refuse_keys(fields)?;
        if declared != Some("oauth2_token_exchange") {
            token_exchange::refuse_keys(fields)?;
        }
    }
    if declared != Some("aws_sigv4") {
        aws_sigv4::refuse_keys(fields)?;
    }
    let Some(auth_type) = declared else {
        return undeclared(fields, headers, map.present, default);
    };
    match auth_type {
        "oauth2" if delegated => delegation::auth(fields, false),
        "oauth2" => match oauth_flow::read(fields)? {
            Flow::ClientCredentials => oauth2(fields, url, plain),
            Flow::AuthorizationCode => authorization_code::read(fields, url, plain),
        },
        "oauth2_token_exchange" => token_exchange::read(fields, url, plain),
        "oauth2_id_jag" => id_jag::read(fields, url, plain),
        "aws_sigv4" => aws_sigv4::read(fields, headers, url, plain),
        "true_passthrough" | "oauth_delegate" => Some(delegation::passthrough(fields, auth_type)),
        fixed_type => fixed(fields, headers, fixed_type),
    }
}

/// What needs nobody else.
pub(crate) fn fixed(
    fields: &Fields<'_, '_>,
    headers: &ServerHeaders,
    auth_type: &str,
) -> Option<Auth> {
    match auth_type {
        "none" => {
            if static_key(fields).is_some() {
                fields.findings.warning(
                    fields.place("auth_type"),
                    "the static credential is not sent: `auth_type` is `none`",
                );
            }
            Some(Auth::None)
        }
        "api_key" => static_value(fields, auth_type).map(Auth::ApiKey),
        "bearer_token" => static_value(fields, auth_type).map(Auth::BearerToken),
        "authorization" => static_value(fields, auth_type).map(Auth::Authorization),
        "token" => static_value(fields, auth_type).map(Auth::Token),
        "basic" => basic(fields, auth_type),
        "header" => header(fields, headers),
        other => {
            fields.findings.error(
                fields.place("auth_type"),
                format!("`{other}` is not available in this build yet"),
                USE_INSTEAD,
            );
            None
        }
    }
}

/// Without `auth_type`: nothing, or `default_oauth2`, unless keys show that something was meant.
fn undeclared(
    fields: &Fields<'_, '_>,
    headers: &ServerHeaders,
    has_auth_map: bool,
    default: Option<&DefaultOauth2>,
) -> Option<Auth> {
    if let Some(key) = static_key(fields) {
        fields.findings.error(
            fields.place(key),
            format!("`{key}` without `auth_type`"),
            "add `auth_type: bearer_token` (or `api_key`, `basic`, `authorization`, `token`)",
        );
        return None;
    }
    for key in [
        "client_id",
        "client_secret",
        "client_private_key",
        "token_url",
        "oauth2_flow",
        "oauth_flow",
        "authorization_url",
        "registration_url",
    ] {
        if fields.has(key) {
            fields.findings.error(
                fields.place(key),
                format!("`{key}` without `auth_type`"),
                "add `auth_type: oauth2`",
            );
            return None;
        }
    }
    let silent = !has_auth_map
        && !headers.braces
        && !headers.names.iter().any(|name| name == "authorization");
    match default {
        Some(default) if silent => {
            fields.findings.info(
                fields.own_place(),
                format!(
                    "says nothing about authentication, so it gets the client credentials of {}; write `auth_type: none` to send none",
                    default.from
                ),
            );
            Some(Auth::ClientCredentials(Box::new(
                default.credentials.clone()?,
            )))
        }
        _ => Some(Auth::None),
    }
}

fn static_key(fields: &Fields<'_, '_>) -> Option<&'static str> {
    ["auth_value", "authentication_token"]
        .into_iter()
        .find(|key| fields.has(key))
}

fn static_value(fields: &Fields<'_, '_>, auth_type: &str) -> Option<Sourced<SecretValue>> {
    let At { value, place } = written_value(fields, auth_type)?;
    headers::check_value(fields.findings, &place, value.value.expose()).then_some(value)
}

fn written_value(fields: &Fields<'_, '_>, auth_type: &str) -> Option<At<Sourced<SecretValue>>> {
    either(fields, "auth_value", "authentication_token");
    let Some(key) = static_key(fields) else {
        fields.findings.error(
            fields.place("auth_type"),
            format!("`auth_type: {auth_type}` without `auth_value`"),
            "add `auth_value: os.environ/…`",
        );
        return None;
    };
    fields.secret(key)
}

/// The value is `user:password` (RFC 7617 §2); an encoded one would be encoded twice.
fn basic(fields: &Fields<'_, '_>, auth_type: &str) -> Option<Auth> {
    let At { value, place } = written_value(fields, auth_type)?;
    let text = value.value.expose();
    if !text.contains(':') || text.contains(char::is_control) {
        fields.findings.error(
            place,
            "expected `user:password`",
            "write it as it is, not in base64",
        );
        return None;
    }
    Some(Auth::Basic(value))
}

fn header(fields: &Fields<'_, '_>, headers: &ServerHeaders) -> Option<Auth> {
    let name = fields.text("auth_header");
    match name {
        None if static_key(fields).is_none() && !headers.names.is_empty() => {
            // A guide's form: `headers` says it all; literal ones are static headers already.
            Some(Auth::None)
        }
        None => {
            fields.findings.error(
                fields.place("auth_type"),
                "`auth_type: header` without `auth_header`",
                "add `auth_header: X-…` and `auth_value: os.environ/…`",
            );
            None
        }
        Some(At { value: name, place }) => {
            let value = static_value(fields, "header")?;
            headers::check_name(fields.findings, &place, &name)
                .then_some(Auth::Header(StaticHeader { name, value }))
        }
    }
}

fn oauth2(fields: &Fields<'_, '_>, url: Option<&Url>, plain: PlainHttp) -> Option<Auth> {
    authorization_code::warn_unused(fields);
    let client = oauth_client::read(fields, Keys::Server);
    let token_validation = oauth_client::token_validation(fields);
    let mut sound = true;
    let mut endpoint = |key: &str| {
        let written = fields.has(key);
        let url = fields
            .url(key)
            .and_then(|url| callable(fields.findings, url, plain));
        sound &= !written || url.is_some();
        url
    };
    let token_url = endpoint("token_url");
    let issuer = endpoint("issuer");
    let scopes = fields.scopes("scopes");
    let audience = fields.text("audience").map(|text| text.value);
    let written = fields.text(either(fields, "resource", "upstream_resource"));
    let resource = resource(fields, written, ResourceOwner::Server(url));
    if !sound {
        return None;
    }
    Some(Auth::ClientCredentials(Box::new(ClientCredentials {
        token_url,
        issuer,
        client: client?,
        scopes,
        audience,
        resource,
        token_validation: token_validation?,
    })))
}

/// `resource`, of a server or of an `oauth2` map; `auto` is the URL of `server`, where there is one.
pub(crate) fn resource(
    fields: &Fields<'_, '_>,
    text: Option<At<String>>,
    server: ResourceOwner<'_>,
) -> Option<String> {
    let At { value, place } = text?;
    match (value.as_str(), server) {
        ("None" | "none", _) => None,
        ("auto", ResourceOwner::Server(url)) => url.map(own_resource),
        ("auto", ResourceOwner::EveryServer) => {
            fields.findings.error(
                place,
                "`auto` is one server's own URL, and this is for many",
                "write the URL, or give the server its own `resource: auto`",
            );
            None
        }
        (resource, _) => {
            let sound = Url::parse(resource).is_ok_and(|url| {
                url.fragment().is_none() && url.username().is_empty() && url.password().is_none()
            });
            if !sound {
                fields.findings.error(
                    place,
                    "not a resource indicator (RFC 8707 §2: an absolute URI without fragment, and no place for a password)",
                    "write a URL, or `auto` for the server's own",
                );
                return None;
            }
            Some(value)
        }
    }
}

/// Whose resource is meant by `auto`.
#[derive(Clone, Copy)]
pub(crate) enum ResourceOwner<'u> {
    /// One server's, if its URL is usable.
    Server(Option<&'u Url>),
    /// No single one's.
    EveryServer,
}

/// The query says how to reach the server, perhaps with a key; it does not name it (RFC 8707 §2).
fn own_resource(url: &Url) -> String {
    let mut resource = url.clone();
    resource.set_query(None);
    resource.to_string()
}

/// The one that is written of two names of one thing.
pub(crate) fn either<'n>(fields: &Fields<'_, '_>, one: &'n str, other: &'n str) -> &'n str {
    if fields.has(one) && fields.has(other) {
        fields.findings.error(
            fields.place(other),
            format!("`{one}` and `{other}` are two names of one thing"),
            "keep one of them",
        );
    }
    if fields.has(one) { one } else { other }
}
