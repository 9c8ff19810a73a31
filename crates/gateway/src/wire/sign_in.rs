//! `identity.login` as the rooms have it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use portcullis_config::{ClientAuth as WrittenClientAuth, Config, LoginProvider};
use portcullis_core::Sealer;
use portcullis_egress::HttpClient;
use portcullis_identity::{
    BrowserSessions, ClaimNames, ClientAuth, Consents, IdTokens, IssuerGrants, JwksSource,
    PersonScopes, Provider, ProviderSettings, SignIn, TrustedIssuer, TrustedProvider, Vouching,
};
use portcullis_oauth::jose::TokenRules;

use super::issuers::Issuers;
use super::rooms::Vaults;

/// An ID token is looked at once, at the moment that it is got: a longer life is a mistake.
const LONGEST_ID_TOKEN_LIFE: Duration = Duration::from_hours(24);

/// Sign-in by this configuration. Sessions that were begun by another stay.
pub(super) fn build(
    config: &Config,
    issuers: &Issuers,
    vaults: &Vaults,
    client: &Arc<dyn HttpClient>,
) -> anyhow::Result<SignIn> {
    let login = &config.identity.login;
    let sessions = BrowserSessions::new(
        Arc::clone(&vaults.ring) as Arc<dyn Sealer>,
        Arc::clone(&vaults.stores.sessions),
        Arc::clone(&vaults.clock),
        Arc::clone(&vaults.entropy),
        login.session_ttl,
    );
    let provider = login.provider.as_ref().map(|written| {
        let settings = settings(written).context("identity.login")?;
        let provider = Provider::new(
            settings,
            issuers.login_keys(source(written)),
            Arc::clone(client),
            (
                Arc::clone(&vaults.stores.one_time),
                Arc::clone(&vaults.ring),
            ),
            Arc::clone(&vaults.clock),
            Arc::clone(&vaults.entropy),
        );
        anyhow::Ok(Arc::new(provider))
    });
    Ok(SignIn {
        with_key: login.with_key,
        sessions,
        consents: Consents::new(
            Arc::clone(&vaults.stores.consents),
            Arc::clone(&vaults.ring),
            Arc::clone(&vaults.clock),
        ),
        id_tokens: id_tokens(vaults),
        provider: provider.transpose()?,
    })
}

/// What providers said of people when they signed in.
pub(super) fn id_tokens(vaults: &Vaults) -> IdTokens {
    IdTokens::new(
        Arc::clone(&vaults.stores.id_tokens),
        Arc::clone(&vaults.ring),
        Arc::clone(&vaults.clock),
    )
}

/// Whose word on people is taken.
pub(super) fn trusted_provider(written: &LoginProvider) -> TrustedProvider {
    let scopes = written.granted_scopes.clone();
    TrustedProvider {
        by: Vouching::SignIn,
        issuer: written.issuer.clone(),
        grants: grants(written),
        scopes: PersonScopes {
            everybody: scopes.everybody,
            groups: scopes.groups,
            teams: scopes.teams,
        },
    }
}

fn source(written: &LoginProvider) -> JwksSource {
    JwksSource {
        issuer: written.issuer.clone(),
        issuer_url: written.url.clone(),
        jwks_uri: None,
        allow_insecure_http: written.allow_insecure_http,
    }
}

fn grants(written: &LoginProvider) -> IssuerGrants {
    let grants = written.grants.clone();
    IssuerGrants {
        everybody: grants.everybody,
        groups: grants.groups,
        teams: grants.teams,
    }
}

fn settings(written: &LoginProvider) -> anyhow::Result<ProviderSettings> {
    let algorithms = written.algorithms.iter().map(|name| name.parse());
    let claims = written.claims.clone();
    Ok(ProviderSettings {
        trusted: TrustedIssuer {
            rules: TokenRules {
                issuer: written.issuer.clone(),
                audiences: Vec::new(),
                algorithms: algorithms.collect::<Result<_, _>>()?,
                types: Vec::new(),
                leeway: written.leeway,
                max_lifetime: LONGEST_ID_TOKEN_LIFE,
            },
            claims: ClaimNames {
                user_id: claims.user_id,
                email: claims.email,
                team: claims.team,
                org: claims.org,
                groups: claims.groups,
            },
            grants: grants(written),
        },
        name: written.name.clone(),
        client_id: written.client_id.clone(),
        client_secret: written.client_secret.as_ref().map(|(secret, method)| {
            let method = match method {
                WrittenClientAuth::Post => ClientAuth::Post,
                WrittenClientAuth::Basic => ClientAuth::Basic,
            };
            (secret.value.clone(), method)
        }),
        scope: written.scopes.to_string(),
    })
}
