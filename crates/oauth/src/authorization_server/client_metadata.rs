//! What a client says of itself: by registration (RFC 7591 §2), or in a document of its own.
//!
//! All of it is untrusted. What is not used is not kept, and nothing that is a URL is ever fetched.

use portcullis_core::ScopeSet;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{InvalidRedirectUri, NativeRedirects, RedirectUri};
use crate::exchange_request::JWT_BEARER;

/// Longest name that people are shown, in characters.
const LONGEST_NAME: usize = 80;

/// One client's metadata, judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientMetadata {
    /// `redirect_uris`, at least one.
    pub redirect_uris: Vec<RedirectUri>,
    /// `client_name`, fit to be shown.
    pub name: Option<String>,
    /// `application_type`, if it says one.
    pub application_type: Option<ApplicationType>,
    /// `grant_types`.
    pub grant_types: Vec<GrantType>,
    /// `token_endpoint_auth_method`.
    pub auth_method: AuthMethod,
    /// `scope`: the most that it ever asks for. `None`: it did not say.
    pub scope: Option<ScopeSet>,
}

/// `application_type` (OpenID Connect Dynamic Client Registration §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApplicationType {
    /// It runs on somebody's own machine.
    Native,
    /// It runs on a server, or in a browser.
    Web,
}

/// `grant_types` that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GrantType {
    /// Authorization codes.
    #[serde(rename = "authorization_code")]
    AuthorizationCode,
    /// Refresh tokens.
    #[serde(rename = "refresh_token")]
    RefreshToken,
    /// Assertions of an issuer (RFC 7523).
    #[serde(rename = "urn:ietf:params:oauth:grant-type:jwt-bearer")]
    JwtBearer,
}

/// `token_endpoint_auth_method` (RFC 7591 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// A public client.
    None,
    /// Its secret, by HTTP Basic.
    ClientSecretBasic,
    /// Its secret, in the form.
    ClientSecretPost,
}

impl GrantType {
    /// As a client writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::JwtBearer => JWT_BEARER,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::AuthorizationCode, Self::RefreshToken, Self::JwtBearer]
            .into_iter()
            .find(|one| one.as_str() == text)
    }
}

impl AuthMethod {
    /// As a client writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::None, Self::ClientSecretBasic, Self::ClientSecretPost]
            .into_iter()
            .find(|one| one.as_str() == text)
    }
}

/// Why a registration is refused (RFC 7591 §3.2.2). The words are for the client's developer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRegistration {
    /// `invalid_redirect_uri`.
    #[error(transparent)]
    RedirectUri(#[from] InvalidRedirectUri),
    /// `invalid_redirect_uri`: none at all, too many, or no list.
    #[error("redirect_uris must be a list of 1 to {0} URIs")]
    RedirectUris(usize),
    /// `invalid_client_metadata`.
    #[error("{0}")]
    Metadata(&'static str),
}

impl InvalidRegistration {
    /// `error`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::RedirectUri(_) | Self::RedirectUris(_) => "invalid_redirect_uri",
            Self::Metadata(_) => "invalid_client_metadata",
        }
    }
}

impl ClientMetadata {
    /// Reads what a client registers itself with (RFC 7591 §3.1).
    pub fn of_registration(
        body: &[u8],
        natives: &NativeRedirects,
    ) -> Result<Self, InvalidRegistration> {
        const MOST_REDIRECTS: usize = 4;
        let members = crate::jose::object(body).ok_or(InvalidRegistration::Metadata(
            "the body must be a JSON object without repeated members",
        ))?;
        // RFC 7591 §2: what a server leaves to default is Basic.
        let default = AuthMethod::ClientSecretBasic;
        let metadata = Self::read(&members, natives, MOST_REDIRECTS, default)?;
        if metadata.auth_method == AuthMethod::None
            && metadata.grant_types.contains(&GrantType::JwtBearer)
        {
            return Err(InvalidRegistration::Metadata(
                "a client without a secret cannot use the jwt-bearer grant",
            ));
        }
        Ok(metadata)
    }

    pub(super) fn read(
        members: &Map<String, Value>,
        natives: &NativeRedirects,
        most_redirects: usize,
        default_method: AuthMethod,
    ) -> Result<Self, InvalidRegistration> {
        use InvalidRegistration::Metadata;
        if members.contains_key("jwks") || members.contains_key("software_statement") {
            return Err(Metadata(
                "jwks and software_statement are not taken: leave them out",
            ));
        }
        let application_type = match text(members, "application_type")? {
            None => None,
            Some("native") => Some(ApplicationType::Native),
            Some("web") => Some(ApplicationType::Web),
            Some(_) => return Err(Metadata("application_type must be native or web")),
        };
        let auth_method = match text(members, "token_endpoint_auth_method")? {
            None => default_method,
            Some(name) => AuthMethod::parse(name).ok_or(Metadata(
                "token_endpoint_auth_method must be none, client_secret_basic or client_secret_post",
            ))?,
        };
        let grant_types = match texts(members, "grant_types")? {
            None => vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            Some(names) => names
                .into_iter()
                .map(GrantType::parse)
                .collect::<Option<_>>()
                .ok_or(Metadata(
                    "grant_types must be of authorization_code, refresh_token and \
                     urn:ietf:params:oauth:grant-type:jwt-bearer",
                ))?,
        };
        if !grant_types.contains(&GrantType::AuthorizationCode) {
            return Err(Metadata("grant_types must hold authorization_code"));
        }
        if texts(members, "response_types")?.is_some_and(|types| types != ["code"]) {
            return Err(Metadata("response_types must be [\"code\"]"));
        }
        let scope = match text(members, "scope")? {
            None => None,
            Some(scope) => Some(scope.parse().map_err(|_| {
                Metadata("scope must be scope tokens of RFC 6749, separated by spaces")
            })?),
        };
        Ok(Self {
            redirect_uris: redirect_uris(members, application_type, natives, most_redirects)?,
            name: text(members, "client_name")?.and_then(display_name),
            application_type,
            grant_types,
            auth_method,
            scope,
        })
    }

    /// Whether it may have refresh tokens.
    pub fn refreshes(&self) -> bool {
        self.grant_types.contains(&GrantType::RefreshToken)
    }

    /// The registered redirect URI that a request names.
    pub fn redirect(&self, asked: &str) -> Option<&RedirectUri> {
        self.redirect_uris.iter().find(|one| one.admits(asked))
    }
}

fn redirect_uris(
    members: &Map<String, Value>,
    application: Option<ApplicationType>,
    natives: &NativeRedirects,
    most: usize,
) -> Result<Vec<RedirectUri>, InvalidRegistration> {
    let list = members.get("redirect_uris").and_then(Value::as_array);
    let list = list.filter(|list| (1..=most).contains(&list.len()));
    let list = list.ok_or(InvalidRegistration::RedirectUris(most))?;
    let mut all = Vec::with_capacity(list.len());
    for one in list {
        let text = one.as_str().ok_or(InvalidRedirectUri::TooLong)?;
        all.push(RedirectUri::register(text, application, natives)?);
    }
    Ok(all)
}

fn text<'m>(
    members: &'m Map<String, Value>,
    name: &str,
) -> Result<Option<&'m str>, InvalidRegistration> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(InvalidRegistration::Metadata(
            "a member that must be a string is none",
        )),
    }
}

fn texts<'m>(
    members: &'m Map<String, Value>,
    name: &str,
) -> Result<Option<Vec<&'m str>>, InvalidRegistration> {
    const NO_LIST: InvalidRegistration =
        InvalidRegistration::Metadata("a member that must be a list of strings is none");
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(list)) if list.len() <= 16 => {
            let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            texts.map(Some).ok_or(NO_LIST)
        }
        Some(_) => Err(NO_LIST),
    }
}

/// A name as people may be shown it: without what changes lines, or the direction of other text, and
/// not longer than a line. `None`: nothing is left of it.
pub fn display_name(text: &str) -> Option<String> {
    let harmless = |char: &char| {
        !char.is_control()
            && !matches!(*char,
                '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{61c}' | '\u{ad}' | '\u{e0000}'..='\u{e007f}')
    };
    let name: String = text.chars().filter(harmless).take(LONGEST_NAME).collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<ClientMetadata, InvalidRegistration> {
        ClientMetadata::of_registration(body.as_bytes(), &NativeRedirects::default())
    }

    #[test]
    fn what_is_left_out_is_as_rfc_7591_says() {
        let read = read(r#"{"redirect_uris":["https://app.test/cb"],"x":[1]}"#).unwrap();
        assert_eq!(read.auth_method, AuthMethod::ClientSecretBasic);
        assert_eq!(read.name, None);
        assert!(read.refreshes());
        assert!(read.redirect("https://app.test/cb").is_some());
        assert!(read.redirect("https://app.test/other").is_none());
    }

    #[test]
    fn an_mcp_client_is_read() {
        let read = read(
            r#"{"redirect_uris":["http://localhost:1/cb","https://app.test/cb"],"client_name":"Tool",
            "grant_types":["authorization_code","refresh_token"],"response_types":["code"],
            "token_endpoint_auth_method":"none","scope":"a b","application_type":"native",
            "logo_uri":"http://169.254.169.254/"}"#,
        )
        .unwrap();
        assert_eq!(read.auth_method, AuthMethod::None);
        assert_eq!(read.name.as_deref(), Some("Tool"));
        assert_eq!(read.scope.unwrap().to_string(), "a b");
        assert_eq!(read.application_type, Some(ApplicationType::Native));
    }

    /// DCR-02.
    #[test]
    fn unsafe_metadata_is_refused() {
        let uris = ["\"https://a.test/\""; 5].join(",");
        let many = format!(r#"{{"redirect_uris":[{uris}]}}"#);
        for (body, code) in [
            (r#"{"redirect_uris":[]}"#, "invalid_redirect_uri"),
            ("{}", "invalid_redirect_uri"),
            (&many, "invalid_redirect_uri"),
            (
                r#"{"redirect_uris":"https://a.test/"}"#,
                "invalid_redirect_uri",
            ),
            (r#"{"redirect_uris":[1]}"#, "invalid_redirect_uri"),
            (
                r#"{"redirect_uris":["javascript:x"]}"#,
                "invalid_redirect_uri",
            ),
            (
                r#"{"redirect_uris":["http://a.test/"]}"#,
                "invalid_redirect_uri",
            ),
            (
                r#"{"redirect_uris":["https://*.a.test/"]}"#,
                "invalid_redirect_uri",
            ),
            (
                r#"{"redirect_uris":["https://a.test/#f"]}"#,
                "invalid_redirect_uri",
            ),
            (
                r#"{"redirect_uris":["https://a.test/","javascript:x"]}"#,
                "invalid_redirect_uri",
            ),
            (r#"["https://a.test/"]"#, "invalid_client_metadata"),
            (
                r#"{"redirect_uris":["https://a.test/"],"redirect_uris":["https://b.test/"]}"#,
                "invalid_client_metadata",
            ),
            (
                r#"{"redirect_uris":["https://a.test/"],"jwks":{"keys":[{"d":"x"}]}}"#,
                "invalid_client_metadata",
            ),
            (
                r#"{"redirect_uris":["https://a.test/"],"grant_types":["client_credentials"]}"#,
                "invalid_client_metadata",
            ),
            (
                r#"{"redirect_uris":["https://a.test/"],"grant_types":["implicit"]}"#,
                "invalid_client_metadata",
            ),
            (
                r#"{"redirect_uris":["https://a.test/"],"grant_types":["refresh_token"]}"#,
                "invalid_client_metadata",
            ),
            (
                r#"{"redirect_uris":["https://a.test/"],"token_endpoint_auth_method":"none",
                "grant_types":["authorization_code","urn:ietf:params:oauth:grant-type:jwt-bearer"]}"#,
                "invalid_client_metadata",
            ),
            (
                r#"{"redirect_uris":["https://a.test/"],"response_types":["token"]}"#,
                "invalid_client_metadata",
            ),
            (
                r#"{"redirect_uris":["https://a.test/"],"token_endpoint_auth_method":"private_key_jwt"}"#,
                "invalid_client_metadata",
            ),
            (
                r#"{"redirect_uris":["https://a.test/"],"application_type":"other"}"#,
                "invalid_client_metadata",
            ),
            (
                r#"{"redirect_uris":["https://a.test/"],"scope":"a\"b"}"#,
                "invalid_client_metadata",
            ),
            (
                r#"{"redirect_uris":["https://a.test/"],"client_name":["x"]}"#,
                "invalid_client_metadata",
            ),
        ] {
            assert_eq!(read(body).unwrap_err().code(), code, "{body}");
        }
    }

    /// PKCE-11.
    #[test]
    fn a_name_cannot_move_what_stands_around_it() {
        for (text, shown) in [
            ("  Tool\n\t", Some("Tool")),
            ("\u{202e}evil\u{202c}", Some("evil")),
            ("a\u{0}b\u{200b}c", Some("abc")),
            ("\u{200f}", None),
            ("", None),
            ("<img onerror>", Some("<img onerror>")),
        ] {
            assert_eq!(display_name(text).as_deref(), shown, "{text:?}");
        }
        let long = display_name(&"\u{e4}".repeat(10_000)).unwrap();
        assert_eq!(long.chars().count(), LONGEST_NAME);
    }
}
