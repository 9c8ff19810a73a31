//! The revocation list without a running gateway: straight in the store that the configuration names.
//! Gateways that run on it follow within a second.

use std::path::Path;
use std::time::Duration;

use portcullis_config::{CommandLine, Config, Sources, Stored};
use portcullis_core::RevocationId;
use portcullis_engine::audit::Target;
use portcullis_identity::{
    Altered, MasterKey, PageRequest, RevocationAdmin, RevocationError, RevocationRecord, Revoke,
};
use portcullis_server::revocation_bodies;
use serde_json::{Value, json};

use super::desk::Desk;
use super::files;
use super::issuers::SUBJECT_LEEWAY;
use super::rooms::{Storage, Vaults};
use crate::cli::exit::CommandError;

/// Entries of one look into the store.
const PAGE: usize = 1000;

/// Whose store it is.
#[derive(Clone, Copy, Debug)]
pub enum StoreOf<'a> {
    /// The one that this configuration, or that of the working directory, names.
    Config(Option<&'a Path>),
    /// This file, such as a proxy's, which has no configuration.
    File(&'a Path),
}

/// Makes an entry; `wanted` and the answer are bodies of `POST /v1/revocations`.
pub async fn revoke(store: StoreOf<'_>, wanted: &Value) -> Result<Value, CommandError> {
    let Opened {
        config,
        vaults,
        admin,
    } = open(store).await?;
    let wish = revocation_bodies::new_revocation(wanted.clone()).map_err(CommandError::Usage)?;
    let mut desk = Desk::open(&config, &vaults, "v1/revocations:add").await?;
    let wished = revocation_bodies::wished(&wish.what);
    desk.event().target(Target::revocation_wish(&wished));
    let known = |what: &Revoke| match store {
        StoreOf::Config(_) => configured(&config, what),
        // Which issuer its proxy trusts stands on that one's command line.
        StoreOf::File(_) => what.issuer().map(|_| SUBJECT_LEEWAY),
    };
    let made = admin.add(wish, known, &MasterKey::principal()).await;
    told(desk, made).await
}

async fn told(
    mut desk: Desk,
    done: Result<RevocationRecord, RevocationError>,
) -> Result<Value, CommandError> {
    if let Ok(record) = &done {
        let what = revocation_bodies::described(&record.target);
        desk.event().target(Target::revocation(&record.id, &what));
    }
    let failed = done.as_ref().err().map(RevocationError::error_kind);
    let recorded = desk.close(failed).await;
    let record = done.map_err(failure)?;
    recorded?;
    Ok(revocation_bodies::record(&record))
}

/// Everything that is in force, as `GET /v1/revocations` shows a page.
pub async fn revocations(store: StoreOf<'_>) -> Result<Value, CommandError> {
    let Opened { admin, .. } = open(store).await?;
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
    store: StoreOf<'_>,
    id: &str,
    altered: bool,
) -> Result<Value, CommandError> {
    let Opened {
        config,
        vaults,
        admin,
    } = open(store).await?;
    let mut desk = Desk::open(&config, &vaults, "v1/revocations:lift").await?;
    desk.event().target(Target::revocation_wish(id));
    let id = RevocationId::from(id);
    let altered = if altered {
        Altered::Lift
    } else {
        Altered::Refuse
    };
    let lifted = admin.lift(&id, altered, &MasterKey::principal()).await;
    told(desk, lifted).await
}

struct Opened {
    config: Config,
    vaults: Vaults,
    admin: RevocationAdmin,
}

async fn open(store: StoreOf<'_>) -> Result<Opened, CommandError> {
    let config = match store {
        StoreOf::Config(config) => {
            let file = files::path_of(config);
            files::load(&file, CommandLine::default())?.config
        }
        StoreOf::File(path) => of_file(path)?,
    };
    let vaults = Vaults::open(&Storage::of(&config)).await?;
    let (_, admin) = vaults.revocations().await?;
    Ok(Opened {
        config,
        vaults,
        admin,
    })
}

/// A configuration that says nothing but where the store is, which must be there: nobody would read
/// what is revoked in a new one.
fn of_file(path: &Path) -> Result<Config, CommandError> {
    if !path.is_file() {
        return Err(CommandError::Usage(format!(
            "--store: there is no store at {}",
            path.display()
        )));
    }
    let nothing = Sources {
        env: &|_| None,
        env_names: &Vec::new,
        read_file: &|path| std::fs::read_to_string(path),
        stored: &|_| Stored::Failed("the command line names no secret store".to_owned()),
        command_line: CommandLine::default(),
    };
    let written = json!({"store": {"path": path}}).to_string();
    let loaded = portcullis_config::load("the command line", &written, &nothing);
    Ok(loaded
        .map_err(|errors| CommandError::Configuration(errors.to_string()))?
        .config)
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
