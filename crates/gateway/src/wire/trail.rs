//! `audit verify`, on the store itself.

use std::path::Path;

use anyhow::Context;
use portcullis_config::CommandLine;
use portcullis_engine::audit::verify;
use portcullis_vault::MacPurpose;

use super::macs::RingMac;
use super::retention::{Alone, BUSY};
use super::rooms::{Storage, Vaults};
use super::{Verification, files};
use crate::cli::exit::CommandError;

/// Verifies the whole audit trail of the store that the configuration names.
pub async fn verify_audit(config: Option<&Path>) -> Result<Verification, CommandError> {
    let file = files::path_of(config);
    let config = files::load(&file, CommandLine::default())?.config;
    let storage = Storage::of(&config);
    if let Some((what, path)) = storage.missing() {
        return Err(CommandError::Usage(format!(
            "there is no {what} at {} (store.path)",
            path.display()
        )));
    }
    let vaults = Vaults::open(&storage).await?;
    let mac = RingMac::new(&vaults.ring, MacPurpose::AuditChain);
    // What is removed while it is read would look like manipulation.
    let alone = Alone::with(&vaults).await?.context(BUSY)?;
    let report = alone.during(verify(&*vaults.stores.audit, &*mac)).await;
    alone.release().await;
    let report = report.context("the audit trail cannot be read")?;
    let mut broken: Vec<String> = report
        .findings
        .iter()
        .map(|finding| {
            format!(
                "{}: {} at {}",
                finding.kind.as_str(),
                finding.writer,
                finding.seq
            )
        })
        .collect();
    if report.more_findings > 0 {
        broken.push(format!("and {} more", report.more_findings));
    }
    Ok(Verification {
        verified: report.rows,
        pruned: report.pruned,
        broken,
    })
}
