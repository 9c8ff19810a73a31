//! Enterprise-managed authorization as an exchange in two legs.

use anyhow::Context;
use portcullis_config::IdJag;
use portcullis_credentials::{
    Authority, ExchangeProfile, IdJagTerms, SubjectSource, TokenExchange,
};
use portcullis_egress::Destination;
use portcullis_oauth::TokenRules;
use url::Url;

use super::oauth_client::token_client;

pub(super) fn id_jag(terms: &IdJag, chosen_by: Destination) -> anyhow::Result<TokenExchange> {
    let authority = authority(terms.endpoint.as_ref(), terms.issuer.as_deref())
        .context("neither token_exchange_endpoint nor issuer")?;
    let resource_authority = authority_of_resource(terms);
    Ok(TokenExchange {
        authority,
        client: token_client(&terms.client)?,
        profile: ExchangeProfile::IdJag(Box::new(IdJagTerms {
            subject_source: match terms.subject_source {
                portcullis_config::SubjectSource::Bearer => SubjectSource::Bearer,
                portcullis_config::SubjectSource::LoginAssertion => SubjectSource::LoginAssertion,
            },
            subject_type: terms.subject_token_type.clone(),
            audience: terms.audience.clone(),
            resource: terms.resource.clone(),
            resource_authority,
            resource_client: token_client(&terms.resource_client)?,
        })),
        scopes: terms.scopes.clone(),
        rules: TokenRules::new(terms.token_validation.clone()),
        chosen_by,
    })
}

fn authority(url: Option<&Url>, issuer: Option<&str>) -> Option<Authority> {
    let issuer = issuer.map(str::to_owned);
    match (url, issuer) {
        (Some(url), issuer) => Some(Authority::Endpoint {
            url: url.clone(),
            issuer,
        }),
        (None, Some(issuer)) => Some(Authority::Issuer(issuer)),
        (None, None) => None,
    }
}

fn authority_of_resource(terms: &IdJag) -> Authority {
    match &terms.resource_endpoint {
        Some(url) => Authority::Endpoint {
            url: url.clone(),
            issuer: Some(terms.audience.clone()),
        },
        None => Authority::Issuer(terms.audience.clone()),
    }
}
