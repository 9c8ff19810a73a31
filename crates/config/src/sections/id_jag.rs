//! `auth_type: oauth2_id_jag`: enterprise-managed authorization, in two legs.

use portcullis_core::ClientSecret;
use url::Url;

use crate::fields::{At, Fields};
use crate::keys::servers::ID_TOKEN;
use crate::model::{
    AssertionAudience, Auth, ClientKey, ClientProof, IdJag, OAuthClient, SubjectSource,
};
use crate::sections::oauth_client::{self, Keys};
use crate::sections::token_exchange::refuse;
use crate::sections::upstream_auth::{ResourceOwner, either, resource};
use crate::validate::urls::{PlainHttp, callable};

/// Keys that mean nothing with any other `auth_type`.
const OWN: [&str; 6] = [
    "id_jag_resource_token_endpoint",
    "id_jag_resource",
    "id_jag_subject_source",
    "id_jag_resource_client_id",
    "id_jag_resource_client_secret",
    "id_jag_resource_auth_method",
];

/// Keys of the exchange in one leg.
const OTHERS: [&str; 6] = [
    "token_exchange_profile",
    "requested_token_type",
    "actor_token",
    "actor_token_type",
    "actor_token_source",
    "actor_scopes",
];

/// `None` only when something was recorded as an error.
pub(crate) fn read(fields: &Fields<'_, '_>, url: Option<&Url>, plain: PlainHttp) -> Option<Auth> {
    let others = refuse(
        fields,
        &OTHERS,
        "has no place in the two legs of `oauth2_id_jag` and would not be sent",
        "remove it, or write `auth_type: oauth2_token_exchange`",
    );
    let source = subject_source(fields);
    let client = oauth_client::read(fields, Keys::Server);
    let token_validation = oauth_client::token_validation(fields);
    let endpoint = optional_url(
        fields,
        either(fields, "token_exchange_endpoint", "token_url"),
        plain,
    );
    let issuer = issuer(fields, plain, matches!(endpoint, Ok(None)));
    let resource_endpoint = optional_url(fields, "id_jag_resource_token_endpoint", plain);
    let audience = audience(fields, plain, matches!(resource_endpoint, Ok(None)));
    let resource_client = resource_client(fields, audience.as_deref());
    let resource = own_or_written(fields, url);
    let scopes = fields.scopes("scopes");
    let subject_token_type = fields
        .text("subject_token_type")
        .map_or_else(|| ID_TOKEN.to_owned(), |text| text.value);
    others?;
    let subject_source = source?;
    if subject_source == SubjectSource::LoginAssertion && subject_token_type != ID_TOKEN {
        fields.findings.error(
            fields.place("subject_token_type"),
            "what is kept of a sign-in is an ID token and nothing else (`id_jag_subject_source: login_assertion`)",
            "remove the key",
        );
        return None;
    }
    Some(Auth::IdJag(Box::new(IdJag {
        subject_source,
        endpoint: endpoint.ok()?,
        issuer: issuer.ok()?,
        client: client?,
        subject_token_type,
        audience: audience?,
        resource,
        scopes,
        resource_endpoint: resource_endpoint.ok()?,
        resource_client: resource_client?,
        token_validation: token_validation?,
    })))
}

/// With another `auth_type`. `None`: recorded as an error.
pub(crate) fn refuse_keys(fields: &Fields<'_, '_>) -> Option<()> {
    refuse(
        fields,
        &OWN,
        "is for `auth_type: oauth2_id_jag` only",
        "add `auth_type: oauth2_id_jag`, or remove the key",
    )
}

/// Whether the second leg is proved by the server's private key.
pub(crate) fn second_leg_signs(fields: &Fields<'_, '_>) -> bool {
    fields.choice("auth_type") == Some("oauth2_id_jag")
        && fields.choice("id_jag_resource_auth_method") == Some("private_key_jwt")
}

/// LiteLLM's sources are what it kept of a sign-in; nothing else may stand in for them.
fn subject_source(fields: &Fields<'_, '_>) -> Option<SubjectSource> {
    match fields.choice("id_jag_subject_source") {
        None if fields.has("id_jag_subject_source") => None,
        None | Some("bearer") => Some(SubjectSource::Bearer),
        Some("login_assertion") => Some(SubjectSource::LoginAssertion),
        Some(source) => {
            fields.findings.error(
                fields.place("id_jag_subject_source"),
                format!("`{source}` is not available in this build yet: no refresh token of a sign-in is kept"),
                "write `login_assertion`, or `bearer` and let callers send their ID token in `Authorization`",
            );
            None
        }
    }
}

/// What could not be read was recorded as an error.
#[derive(Clone, Copy)]
struct Recorded;

fn optional_url(
    fields: &Fields<'_, '_>,
    key: &str,
    plain: PlainHttp,
) -> Result<Option<Url>, Recorded> {
    if !fields.has(key) {
        return Ok(None);
    }
    let url = fields.url(key).ok_or(Recorded)?;
    let url = callable(fields.findings, url, plain).ok_or(Recorded)?;
    Ok(Some(url))
}

/// Callers' tokens go where the file says: to its endpoint, or to that of its issuer.
fn issuer(
    fields: &Fields<'_, '_>,
    plain: PlainHttp,
    needed: bool,
) -> Result<Option<String>, Recorded> {
    if !fields.has("issuer") {
        if !needed {
            return Ok(None);
        }
        fields.findings.error(
            fields.place("auth_type"),
            "`oauth2_id_jag` without `token_exchange_endpoint` or `issuer`: callers' tokens are sent only to their organisation's authorization server, which this file must name",
            "add `issuer: https://…` (discovered), or `token_exchange_endpoint: https://…`",
        );
        return Err(Recorded);
    }
    optional_url(fields, "issuer", plain)?;
    // Compared byte by byte, so its own text and not the URL read from it.
    Ok(fields.text("issuer").map(|issuer| issuer.value))
}

fn audience(fields: &Fields<'_, '_>, plain: PlainHttp, is_looked_up: bool) -> Option<String> {
    if !fields.has("audience") {
        fields.findings.error(
            fields.place("auth_type"),
            "`oauth2_id_jag` without `audience`: a server that could name its own authorization server could name another one's",
            "add `audience: https://…`, the issuer of the authorization server of this MCP server",
        );
        return None;
    }
    let At { value, place } = fields.text("audience")?;
    if is_looked_up {
        let Ok(url) = Url::parse(&value) else {
            fields.findings.error(
                place,
                "not a URL, so no token endpoint can be found by it",
                "write the issuer's URL, or add `id_jag_resource_token_endpoint: https://…`",
            );
            return None;
        };
        callable(fields.findings, At { value: url, place }, plain)?;
    }
    Some(value)
}

fn own_or_written(fields: &Fields<'_, '_>, url: Option<&Url>) -> Option<String> {
    let other = either(fields, "resource", "upstream_resource");
    let key = either(fields, "id_jag_resource", other);
    let written = fields.text(key).or_else(|| {
        Some(At {
            value: "auto".to_owned(),
            place: fields.own_place(),
        })
        .filter(|_| !fields.has(key))
    });
    resource(fields, written, ResourceOwner::Server(url))
}

/// Another authorization server, another registration: a secret of the organisation's is not shown
/// to it. A private key is, as a signature.
fn resource_client(fields: &Fields<'_, '_>, audience: Option<&str>) -> Option<OAuthClient> {
    let method = fields.choice("id_jag_resource_auth_method");
    if fields.has("id_jag_resource_auth_method") && method.is_none() {
        return None;
    }
    let method = method.or_else(|| fields.choice("token_endpoint_auth_method"));
    let own_id = fields.text("id_jag_resource_client_id");
    if method == Some("private_key_jwt") {
        if fields.has("id_jag_resource_client_secret") {
            fields.findings.warning(
                fields.place("id_jag_resource_client_secret"),
                "not used: the client proves itself by `private_key_jwt`",
            );
        }
        let key = oauth_client::client_key(fields)?;
        return Some(OAuthClient {
            client_id: own_id.or_else(|| fields.text("client_id"))?.value,
            proof: ClientProof::PrivateKeyJwt(Box::new(ClientKey {
                audience: match key.audience {
                    AssertionAudience::TokenEndpoint => AssertionAudience::TokenEndpoint,
                    AssertionAudience::Server | AssertionAudience::Exactly(_) => {
                        AssertionAudience::Exactly(audience?.to_owned())
                    }
                },
                ..key
            })),
        });
    }
    let key = "id_jag_resource_client_id";
    let client_id = fields.require(key, own_id);
    let key = "id_jag_resource_client_secret";
    let secret = fields.require(key, fields.secret(key))?;
    let secret = secret
        .value
        .map(|secret| ClientSecret::new(secret.expose()));
    Some(OAuthClient {
        client_id: client_id?.value,
        proof: match method {
            Some("client_secret_basic") => ClientProof::Basic(secret),
            _ => ClientProof::Post(secret),
        },
    })
}
