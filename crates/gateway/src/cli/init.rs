//! `portcullis init`: a first configuration.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::Global;
use super::exit::{CommandError, Exit};
use super::output::Output;
use crate::wire;

/// The file that is written, and read, unless told otherwise.
pub const DEFAULT_FILE: &str = "portcullis.yaml";

/// Options of `init`.
#[derive(Clone, Debug, Args)]
pub struct InitArgs {
    /// Replace a file that exists
    #[arg(long)]
    pub force: bool,
}

pub(super) async fn run(
    global: &Global,
    args: InitArgs,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let file = global
        .config
        .clone()
        .unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    write(&file, args.force)?;
    let first = wire::init(&file).await?;
    out.json(&json!({
        "config": file,
        "url": first.url,
        "admin_key": first.key.expose(),
    }))?;
    out.line(&format!("wrote {}", file.display()))?;
    out.line(&format!(
        "admin key, shown this once: {}",
        first.key.expose()
    ))?;
    out.line("start the gateway with:  portcullis")?;
    out.line(&format!("it will listen at:       {}", first.url))?;
    Ok(Exit::Done)
}

/// Writes the first configuration; an existing file is an error unless `force`.
///
/// Readable by its owner alone: people put secrets into such files.
pub fn write(file: &Path, force: bool) -> Result<(), CommandError> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let mut opened = options.open(file).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => CommandError::Usage(format!(
            "{} exists already; --force replaces it",
            file.display()
        )),
        _ => anyhow::Error::new(error)
            .context(format!("cannot write {}", file.display()))
            .into(),
    })?;
    opened
        .write_all(portcullis_config::sample_config().as_bytes())
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(())
}
