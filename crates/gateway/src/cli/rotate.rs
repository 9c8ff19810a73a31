//! `portcullis rotate`: new secrets in place of old ones.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Global;
use super::exit::{CommandError, Exit};
use super::output::Output;
use crate::wire;

/// Options of `rotate`.
#[derive(Clone, Debug, Args)]
pub struct RotateArgs {
    /// What to rotate.
    #[command(subcommand)]
    pub verb: RotateVerb,
}

/// What can be rotated.
#[derive(Clone, Debug, Subcommand)]
pub enum RotateVerb {
    /// Add a sealing key to the key ring of the configured store; what the former one sealed still
    /// opens, and running gateways take the new one up by themselves
    Ring,
}

pub(super) fn run(
    global: &Global,
    args: &RotateArgs,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    match args.verb {
        RotateVerb::Ring => {
            let (ring, active) = wire::rotate_ring(global.config.as_deref())?;
            out.json(&json!({"ring": ring, "active": active}))?;
            out.line(&format!("{} now seals with {active}", ring.display()))?;
            Ok(Exit::Done)
        }
    }
}
