//! `auth_type: oauth2_id_jag`.

use std::collections::BTreeMap;

use portcullis_core::ScopeSet;
use url::Url;

use super::OAuthClient;

/// `id_jag_subject_source`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectSource {
    /// The token that the caller sends.
    Bearer,
    /// The ID token of the sign-in in which the caller let their client in.
    LoginAssertion,
}

/// How callers' tokens become tokens of one server by way of their organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdJag {
    /// `token_exchange_endpoint`, `token_url`: the organisation's; found by `issuer` when absent.
    pub endpoint: Option<Url>,
    /// `issuer`: the organisation's, as written.
    pub issuer: Option<String>,
    /// Who asks there.
    pub client: OAuthClient,
    /// `id_jag_subject_source`
    pub subject_source: SubjectSource,
    /// `subject_token_type`
    pub subject_token_type: String,
    /// `audience`: the issuer of the resource's authorization server, as written.
    pub audience: String,
    /// `id_jag_resource`, with `auto` replaced.
    pub resource: Option<String>,
    /// `scopes`
    pub scopes: ScopeSet,
    /// `id_jag_resource_token_endpoint`; found by `audience` when absent.
    pub resource_endpoint: Option<Url>,
    /// Who asks there.
    pub resource_client: OAuthClient,
    /// `token_validation`: paths into the last token response to the text that must stand there.
    pub token_validation: BTreeMap<String, String>,
}
