//! `extra_headers`, `cookie_passthrough`, `allow_caller_headers` and the guides' templates: what of
//! its callers' requests a server is handed.

use portcullis_core::{is_forwardable, normal_header_name};

use crate::fields::{At, Fields};
use crate::model::{Auth, CallerHeaders, Compat, Cookies, Forwarding};
use crate::sections::headers::{ServerHeaders, is_name};

/// The switch of `x-mcp-{alias}-{header}`.
const SWITCH: &str = "allow_caller_headers";

pub(crate) fn read(
    fields: &Fields<'_, '_>,
    auth: &Auth,
    headers: &ServerHeaders,
    cookies: Option<Cookies>,
    compat: Compat,
) -> Forwarding {
    let mut forwarding = Forwarding {
        extra_headers: Vec::new(),
        cookies,
        caller_headers: caller_headers(fields, auth, headers, compat),
    };
    for At { value, place } in fields.texts("extra_headers").unwrap_or_default() {
        let name = value.to_ascii_lowercase();
        if !is_name(&name) {
            fields.findings.error(
                place,
                "not a header name (RFC 9110 §5.1)",
                "letters, digits and `-`",
            );
        } else if !is_forwardable(&name) {
            fields.findings.error(
                place,
                format!("`{value}` is never handed on: it belongs to the connection, to a proxy, to the protocol or to our own door"),
                "remove it",
            );
        } else if matches!(auth, Auth::AwsSigV4(_))
            && normal_header_name(&name).starts_with("x-amz-")
        {
            fields.findings.error(
                place,
                format!("`{value}` is the signature's own to write, never a caller's (`auth_type: aws_sigv4`)"),
                "remove it",
            );
        } else if name == "cookie" {
            fields.findings.warning(
                place,
                "every cookie of a caller's is handed on, but for our own; `auth.cookie_passthrough` with `cookie_names` hands on those that the server needs",
            );
            forwarding.cookies = Some(Cookies {
                all: true,
                ..Cookies::default()
            });
        } else if headers
            .headers
            .iter()
            .any(|fixed| normal_header_name(&fixed.name) == normal_header_name(&name))
        {
            fields.findings.warning(
                place,
                format!("a caller's `{value}` is not handed on: `static_headers` has it"),
            );
        } else {
            if auth.header_name().as_ref() == Some(&name) {
                fields.findings.warning(place, taken(auth, &value));
            }
            if !forwarding.extra_headers.contains(&name) {
                forwarding.extra_headers.push(name);
            }
        }
    }
    forwarding
}

/// What becomes of a listed header in the place of the credential.
fn taken(auth: &Auth, name: &str) -> String {
    match auth {
        Auth::ClientCredentials(_)
        | Auth::AuthorizationCode(_)
        | Auth::TokenExchange(_)
        | Auth::IdJag(_) => {
            format!("a caller's `{name}` is not handed on: the token that is fetched stands there")
        }
        Auth::AwsSigV4(_) => {
            format!("a caller's `{name}` is not handed on: the signature stands there")
        }
        Auth::TruePassthrough | Auth::Delegated => {
            format!("the caller's own bearer token is handed on without `{name}` being listed")
        }
        _ => format!(
            "a caller's own `{name}`, where there is one, replaces the credential written here"
        ),
    }
}

fn caller_headers(
    fields: &Fields<'_, '_>,
    auth: &Auth,
    headers: &ServerHeaders,
    compat: Compat,
) -> CallerHeaders {
    let switch = fields.flag(SWITCH);
    let irreplaceable = match auth {
        Auth::TokenExchange(_) | Auth::IdJag(_) | Auth::TruePassthrough | Auth::Delegated => {
            Some("is about the caller's own token")
        }
        Auth::AuthorizationCode(_) => Some("has an account for each caller"),
        Auth::MappedKeys(_) => Some("has a key for each caller"),
        Auth::AwsSigV4(_) => Some("signs each request itself"),
        Auth::None
        | Auth::ApiKey(_)
        | Auth::BearerToken(_)
        | Auth::Basic(_)
        | Auth::Authorization(_)
        | Auth::Token(_)
        | Auth::Header(_)
        | Auth::ClientCredentials(_) => None,
    };
    if let Some(why) = irreplaceable {
        if switch == Some(true) || !headers.templates.is_empty() {
            fields.findings.warning(
                fields.place(if switch.is_some() { SWITCH } else { "headers" }),
                format!(
                    "`x-mcp-…` headers are not handed on: `auth_type: {}` {why}",
                    auth.auth_type()
                ),
            );
        }
        return CallerHeaders::Refused;
    }
    if !headers.templates.is_empty() && switch != Some(true) {
        return CallerHeaders::Templates(headers.templates.clone());
    }
    match (switch, auth) {
        (Some(true), _) | (None, Auth::None) => CallerHeaders::Any,
        (None, _) if compat == Compat::LiteLlm => {
            fields.findings.relaxed(
                fields.own_place(),
                "a caller's `x-mcp-…` headers replace the credential written here (`compat: litellm`)",
            );
            CallerHeaders::Any
        }
        _ => CallerHeaders::Refused,
    }
}

/// `auth.cookie_passthrough`.
pub(crate) fn cookies(map: &Fields<'_, '_>) -> Option<Cookies> {
    let section = map.section("cookie_passthrough")?;
    let names = section.texts("cookie_names").unwrap_or_default();
    let prefix = section.text("cookie_prefix");
    let enabled = section.flag("enabled").unwrap_or(true);
    let mut cookies = Cookies::default();
    for At { value, place } in names {
        if is_name(&value) {
            cookies.names.insert(value);
        } else {
            section
                .findings
                .error(place, "not a cookie name (RFC 6265 §4.1.1)", ());
        }
    }
    if let Some(At { value, place }) = prefix {
        if is_name(&value) {
            cookies.prefix = Some(value);
        } else {
            section.findings.error(
                place,
                "not the beginning of a cookie name (RFC 6265 §4.1.1)",
                "an empty one would hand on every cookie; name those that the server needs",
            );
        }
    }
    if enabled
        && cookies == Cookies::default()
        && !section.has("cookie_names")
        && !section.has("cookie_prefix")
    {
        section.findings.error(
            map.place("cookie_passthrough"),
            "no cookie is named, so none would be handed on",
            "add `cookie_names: [...]` or `cookie_prefix`",
        );
    }
    enabled.then_some(cookies)
}
