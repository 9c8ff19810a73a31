//! What the surfaces are told of the configuration, at the start and at each reload.

use std::sync::Arc;

use portcullis_config::Config;
use portcullis_engine::{QuotaRates, Rate};
use portcullis_identity::authorization_server::AuthorizationServer;
use portcullis_oauth::RedirectRules;
use portcullis_server::{DebugHeaders, Forwarded, Frontage, PublishedKeys, ResourceFacts};

use super::authorization::TokenBook;
use super::interactive;
use super::signer::Prepared;

pub(super) fn frontage(
    config: &Config,
    signer: Option<&Prepared>,
    authorization: Option<(AuthorizationServer, &Arc<TokenBook>)>,
) -> Frontage {
    let keys = authorization
        .as_ref()
        .map(|(_, keys)| Arc::clone(keys) as Arc<dyn PublishedKeys>);
    Frontage {
        authorization_server: authorization.map(|(server, _)| server),
        token_keys: keys,
        forwarded: config.server.forwarded.as_ref().map(|forwarded| Forwarded {
            proxies: forwarded.proxies.clone(),
            hops: forwarded.hops,
        }),
        inside: config.server.inside.clone(),
        redirects: RedirectRules::new(config.server.trusted_redirect_origins.clone()),
        resource: ResourceFacts {
            authorization_servers: config
                .identity
                .issuers
                .iter()
                .map(|issuer| issuer.issuer.clone())
                .collect(),
            scopes_supported: config.identity.scopes_supported.clone(),
            binds_tokens: config
                .server
                .tls
                .as_ref()
                .is_some_and(|tls| tls.client_ca.is_some()),
        },
        client_document: interactive::served_document(config),
        documents_at: interactive::documents_at(config).cloned(),
        signer: signer
            .zip(config.jwt_signer.as_ref())
            .map(|(prepared, signer)| prepared.facts(signer)),
        debug_headers: match config.server.debug_headers {
            portcullis_config::DebugHeaders::Off => DebugHeaders::Off,
            portcullis_config::DebugHeaders::Admin => DebugHeaders::Admin,
            portcullis_config::DebugHeaders::Authenticated => DebugHeaders::Authenticated,
        },
        registry: config.server.registry,
        quotas: quotas(&config.server),
    }
}

/// What one network may ask for without a key.
fn quotas(server: &portcullis_config::Server) -> QuotaRates {
    let limits = &server.limits;
    QuotaRates {
        strangers: Rate::per_minute(server.strangers_per_minute),
        registrations: Rate::per_minute(limits.register_per_minute),
        tokens: Rate::per_minute(limits.token_per_minute),
        authorization_requests: Rate::per_minute(limits.authorize_per_minute),
        introspections: Rate::per_minute(limits.introspect_per_minute),
        sign_ins: Rate::per_minute(limits.sign_in_per_minute),
    }
}
