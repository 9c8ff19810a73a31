//! Who may call: the master key, the file's keys, the store's keys, tokens of trusted issuers, client
//! certificates, in this order.

use std::sync::Arc;

use anyhow::Context;
use portcullis_config::{Config, KeyMaterial};
use portcullis_core::Clock;
use portcullis_identity::{
    Authentication, Authenticator, CertificateRule, ClientCertificates, FileKey, FileKeySecret,
    FileKeys, KeyIndex, MasterKey, StoreKeys,
};

use super::issuers::Issuers;

pub(super) fn authentication(
    config: &Config,
    index: &Arc<KeyIndex>,
    issuers: &Issuers,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Authentication> {
    let mut authenticators: Vec<Arc<dyn Authenticator>> = Vec::new();
    if let Some(key) = &config.identity.master_key {
        authenticators.push(Arc::new(
            MasterKey::new(&key.value).context("the master key")?,
        ));
    }
    let keys = config.identity.keys.iter().map(file_key).collect();
    authenticators.push(Arc::new(
        FileKeys::new(keys, Arc::clone(clock)).context("identity.keys")?,
    ));
    authenticators.push(Arc::new(StoreKeys::new(Arc::clone(index))));
    if !config.identity.issuers.is_empty() {
        authenticators.push(Arc::new(issuers.recognise(&config.identity.issuers)?));
    }
    let authentication = Authentication::new(authenticators);
    if config.identity.client_certificates.is_empty() {
        return Ok(authentication);
    }
    let rules = config.identity.client_certificates.iter().map(rule);
    let certificates = ClientCertificates::new(rules.collect(), Arc::clone(clock));
    Ok(authentication.with_certificates(certificates))
}

fn rule(rule: &portcullis_config::ClientCertificate) -> CertificateRule {
    CertificateRule {
        authority: rule.ca.clone(),
        name: rule.san.clone(),
        user_id: rule.user_id.clone(),
        email: rule.email.clone(),
        team: rule.team.clone(),
        org: rule.org.clone(),
        scopes: rule.scopes.clone(),
        grants: rule.grants.clone(),
    }
}

fn file_key(key: &portcullis_config::FileKey) -> FileKey {
    FileKey {
        name: key.id.clone(),
        secret: match &key.key {
            KeyMaterial::Plain(key) => FileKeySecret::Plain(key.value.clone()),
            KeyMaterial::Sha256(hash) => FileKeySecret::Sha256(*hash),
        },
        user_id: key.user_id.clone(),
        team: key.team.clone(),
        org: key.org.clone(),
        role: key.role,
        grants: key.grants.clone(),
        scopes: key.scopes.clone(),
        expires_at: key.expires_at,
    }
}
