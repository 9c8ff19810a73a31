//! `mcp_config.default_oauth2` and its variables: client credentials for servers that say nothing
//! about authentication.

use std::collections::BTreeMap;

use portcullis_core::{ClientSecret, ScopeSet};
use url::Url;

use crate::compat::auth_map::credentials;
use crate::fields::{At, Fields};
use crate::findings::Place;
use crate::model::{ClientCredentials, ClientProof, OAuthClient, Sourced};
use crate::references::Origin;
use crate::sections::upstream_auth::ResourceOwner;
use crate::validate::urls::{PlainHttp, callable};

/// The default, and where it was found.
pub(crate) struct DefaultOauth2 {
    /// `None`: written, and not usable.
    pub(crate) credentials: Option<ClientCredentials>,
    pub(crate) from: &'static str,
}

const REQUIRED: [&str; 3] = [
    "MCP_OAUTH2_TOKEN_URL",
    "MCP_OAUTH2_CLIENT_ID",
    "MCP_OAUTH2_CLIENT_SECRET",
];

pub(crate) fn read(root: &Fields<'_, '_>) -> Option<DefaultOauth2> {
    let written = root.section("mcp_config").and_then(|config| {
        let fields = config.section("default_oauth2")?;
        let owner = ResourceOwner::EveryServer;
        Some(credentials(&fields, PlainHttp::Refused, owner))
    });
    if let Some(credentials) = written {
        return Some(DefaultOauth2 {
            credentials,
            from: "`mcp_config.default_oauth2`",
        });
    }
    from_variables(root)
}

fn from_variables(root: &Fields<'_, '_>) -> Option<DefaultOauth2> {
    let value = |name: &str| {
        root.findings
            .variable(name)
            .filter(|value| !value.trim().is_empty())
    };
    let place = |name: &str| Place {
        path: name.to_owned(),
        ..Place::default()
    };
    let [token_url, client_id, client_secret] = REQUIRED.map(value);
    let (Some(token_url), Some(client_id), Some(client_secret)) =
        (&token_url, &client_id, &client_secret)
    else {
        let found = [token_url, client_id, client_secret];
        if found.iter().any(Option::is_some) {
            for (name, _) in REQUIRED
                .iter()
                .zip(&found)
                .filter(|(_, value)| value.is_none())
            {
                root.findings.warning(
                    place(name),
                    "not set, so the other MCP_OAUTH2_ variables have no effect",
                );
            }
        }
        return None;
    };
    let url = Url::parse(token_url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some());
    if url.is_none() {
        root.findings.error(
            place("MCP_OAUTH2_TOKEN_URL"),
            "not an absolute http or https URL",
            (),
        );
    }
    let token_url = url.and_then(|value| {
        let at = At {
            value,
            place: place("MCP_OAUTH2_TOKEN_URL"),
        };
        callable(root.findings, at, PlainHttp::Refused)
    });
    let scopes = value("MCP_OAUTH2_SCOPES").map_or(Ok(ScopeSet::default()), |text| {
        ScopeSet::from_tokens(text.split([' ', ',']).filter(|token| !token.is_empty()))
    });
    if scopes.is_err() {
        root.findings.error(
            place("MCP_OAUTH2_SCOPES"),
            "not a list of scopes (RFC 6749 §3.3)",
            (),
        );
    }
    Some(DefaultOauth2 {
        credentials: token_url
            .zip(scopes.ok())
            .map(|(token_url, scopes)| ClientCredentials {
                token_url: Some(token_url),
                issuer: None,
                client: OAuthClient {
                    client_id: client_id.clone(),
                    proof: ClientProof::Post(Sourced {
                        value: ClientSecret::new(client_secret.clone()),
                        origin: Origin::Variable("MCP_OAUTH2_CLIENT_SECRET".to_owned()),
                    }),
                },
                scopes,
                audience: None,
                resource: None,
                token_validation: BTreeMap::new(),
            }),
        from: "the MCP_OAUTH2_ variables",
    })
}
