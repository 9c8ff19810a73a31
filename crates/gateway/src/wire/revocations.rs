//! The revocation list without a running gateway: straight in the store that the configuration names.
//! Gateways that run on it follow within a second.

use std::path::Path;
use std::time::Duration;

use portcullis_config::{CommandLine, Config};
use portcullis_core::RevocationId;
use portcullis_identity::{
    Altered, MasterKey, PageRequest, RevocationAdmin, RevocationError, Revoke,
};
use portcullis_server::revocation_bodies;
use serde_json::{Value, json};

use super::files;
use super::issuers::SUBJECT_LEEWAY;
use super::rooms::{Storage, Vaults};
use crate::cli::exit::CommandError;

/// Entries of one look into the store.
const PAGE: usize = 1000;

/// Makes an entry; `wanted` and the answer are bodies of `POST /v1/revocations`.
pub async fn revoke(config: Option<&Path>, wanted: &Value) -> Result<Value, CommandError> {
    let (config, admin) = open(config).await?;
    let wish = revocation_bodies::new_revocation(wanted.clone()).map_err(CommandError::Usage)?;
    let known = |what: &Revoke| configured(&config, what);
    let made = admin.add(wish, known, &MasterKey::principal()).await;
    Ok(revocation_bodies::record(&made.map_err(failure)?))
}

/// Everything that is in force, as `GET /v1/revocations` shows a page.
pub async fn revocations(config: Option<&Path>) -> Result<Value, CommandError> {
    let (_, admin) = open(config).await?;
    let mut all: (Vec<Value>, Vec<Value>) = Default::default();
    let mut wanted = PageRequest::first(PAGE);
    loop {
        let page = admin.list(&wanted, &MasterKey::principal()).await;
        let page = page.map_err(failure)?;
        let mut shown = revocation_bodies::page(&page);
        for (name, list) in [("revocations", &mut all.0), ("damaged", &mut all.1)] {
            if let Some(Value::Array(items)) = shown.get_mut(name).map(Value::take) {
                list.extend(items);
            }
        }
        wanted.after = page.next;
        if wanted.after.is_none() {
            return Ok(json!({"revocations": all.0, "damaged": all.1, "next": null}));
        }
    }
}

/// Takes an entry back.
pub async fn lift_revocation(
    config: Option<&Path>,
    id: &str,
    altered: bool,
) -> Result<Value, CommandError> {
    let (_, admin) = open(config).await?;
    let id = RevocationId::from(id);
    let altered = if altered {
        Altered::Lift
    } else {
        Altered::Refuse
    };
    let lifted = admin.lift(&id, altered, &MasterKey::principal()).await;
    Ok(revocation_bodies::record(&lifted.map_err(failure)?))
}

async fn open(config: Option<&Path>) -> Result<(Config, RevocationAdmin), CommandError> {
    let file = files::path_of(config);
    let config = files::load(&file, CommandLine::default())?.config;
    let vaults = Vaults::open(&Storage::of(&config)).await?;
    let (_, admin) = vaults.revocations().await?;
    Ok((config, admin))
}

/// What the file has, the store need not; and how far an issuer's clock may differ.
fn configured(config: &Config, what: &Revoke) -> Option<Duration> {
    let identity = &config.identity;
    if let Revoke::Key(id) = what {
        let mut keys = identity.keys.iter();
        return keys
            .any(|key| format!("file:{}", key.id) == id.as_str())
            .then_some(Duration::ZERO);
    }
    let name = what.issuer()?;
    let issuer = identity.issuers.iter().find(|one| one.issuer == name);
    let signer = config.jwt_signer.as_ref();
    let verification = signer.and_then(|signer| signer.verification.as_ref());
    let verification = verification.filter(|verification| verification.issuer == name);
    let leeways = [
        issuer.map(|issuer| issuer.leeway),
        verification.map(|_| SUBJECT_LEEWAY),
    ];
    leeways.into_iter().flatten().max()
}

fn failure(error: RevocationError) -> CommandError {
    match error {
        wrong @ (RevocationError::Invalid(_)
        | RevocationError::UnknownKey
        | RevocationError::UnknownIssuer) => CommandError::Usage(wrong.to_string()),
        other => anyhow::Error::new(other).into(),
    }
}
