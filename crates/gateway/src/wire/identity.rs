//! Who may call: the master key, the file's keys, the store's keys, tokens of trusted issuers, client
//! certificates, in this order.

use std::sync::Arc;

use anyhow::Context;
use portcullis_config::{Config, KeyMaterial};
use portcullis_core::{Clock, PrincipalId};
use portcullis_identity::authorization_server::AuthorizationServer;
use portcullis_identity::{
    Authentication, Authenticator, CertificateRule, ClientCertificates, Directory, FileKey,
    FileKeySecret, FileKeys, IdTokens, KeyIndex, MasterKey, Revocations, StoreKeys,
};

use super::issuers::{Issuers, SUBJECT_LEEWAY};
use super::sign_in;

/// What callers are recognised by beside the file.
#[derive(Clone, Copy)]
pub(super) struct Callers<'a> {
    pub(super) index: &'a Arc<KeyIndex>,
    pub(super) issuers: &'a Issuers,
    pub(super) revocations: &'a Arc<Revocations>,
    pub(super) directory: &'a Arc<Directory>,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) authorization: Option<&'a AuthorizationServer>,
    pub(super) id_tokens: &'a IdTokens,
}

impl Callers<'_> {
    /// The authenticators of this configuration, which is of this generation.
    pub(super) fn authentication(
        self,
        config: &Config,
        generation: u64,
    ) -> anyhow::Result<Authentication> {
        let authenticators = self.authenticators(config)?;
        let revocations = Arc::clone(self.revocations);
        let authentication =
            Authentication::new(authenticators, revocations).of_generation(generation);
        let authentication = authentication.with_directory(Arc::clone(self.directory));
        let verification = config
            .jwt_signer
            .as_ref()
            .map(|signer| &signer.verification);
        let authentication = match verification {
            Some(Some(verification)) => {
                authentication.with_issuer_of_subjects(&verification.issuer, SUBJECT_LEEWAY)
            }
            _ => authentication,
        };
        let authentication = match &config.identity.login.provider {
            None => authentication,
            Some(provider) => {
                authentication.with_provider(Arc::new(sign_in::trusted_provider(provider)))
            }
        };
        // Whoever an identity assertion names is somebody by what its issuer's tokens grant.
        let providers = super::issuers::people(&config.identity.issuers)?;
        let authentication = providers.into_iter().fold(authentication, |door, one| {
            door.with_provider(Arc::new(one))
        });
        let authentication = match self.authorization {
            Some(server) => authentication
                .with_authorization_server(server.clone())
                .with_id_tokens(self.id_tokens.clone()),
            None => authentication,
        };
        Ok(match certificates(config, self.clock) {
            Some(certificates) => authentication.with_certificates(certificates),
            None => authentication,
        })
    }

    fn authenticators(self, config: &Config) -> anyhow::Result<Vec<Arc<dyn Authenticator>>> {
        authenticators(config, self.index, self.issuers, self.clock)
    }
}

fn authenticators(
    config: &Config,
    index: &Arc<KeyIndex>,
    issuers: &Issuers,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Vec<Arc<dyn Authenticator>>> {
    let mut authenticators = keys(config, index, clock)?;
    if !config.identity.issuers.is_empty() {
        authenticators.push(Arc::new(issuers.recognise(&config.identity.issuers)?));
    }
    Ok(authenticators)
}

/// Those that know keys of ours: the master key, the file's keys, the store's keys.
pub(super) fn keys(
    config: &Config,
    index: &Arc<KeyIndex>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Vec<Arc<dyn Authenticator>>> {
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
    Ok(authenticators)
}

/// Who holds the names of the file's keys.
pub(super) fn holders(config: &Config) -> Vec<(PrincipalId, [u8; 32])> {
    let keys = config.identity.keys.iter().map(file_key);
    keys.map(|key| (key.principal_id(), key.holder())).collect()
}

fn certificates(config: &Config, clock: &Arc<dyn Clock>) -> Option<ClientCertificates> {
    let rules = &config.identity.client_certificates;
    let rules = rules.iter().map(certificate_rule).collect::<Vec<_>>();
    (!rules.is_empty()).then(|| ClientCertificates::new(rules, Arc::clone(clock)))
}

fn certificate_rule(rule: &portcullis_config::ClientCertificate) -> CertificateRule {
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
