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
    /// Publish a new key of the JWT signer, which signs a quarter of an hour later; the former one
    /// stays published until its last token has ended, and running gateways follow by themselves
    Signer {
        /// Sign with the new key at once, and publish no former key any more: for a key that somebody
        /// else may have. Servers refuse what was signed before
        #[arg(long)]
        distrust: bool,
    },
    /// Publish a new key of the authorization server, which signs access tokens a quarter of an hour
    /// later; the former one stays published until its last token has ended, and running gateways
    /// follow by themselves
    Tokens {
        /// Sign with the new key at once, and publish no former key any more: for a key that somebody
        /// else may have. Access tokens that were signed before are refused; clients get new ones by
        /// their refresh tokens
        #[arg(long)]
        distrust: bool,
    },
}

pub(super) async fn run(
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
        RotateVerb::Signer { distrust } => {
            let config = global.config.as_deref();
            tell(&wire::rotate_signer(config, distrust).await?, out)
        }
        RotateVerb::Tokens { distrust } => {
            let config = global.config.as_deref();
            tell(&wire::rotate_tokens(config, distrust).await?, out)
        }
    }
}

fn tell(rotated: &wire::RotatedKey, out: &mut Output) -> Result<Exit, CommandError> {
    out.json(&json!({
        "kid": rotated.kid,
        "signs_from": rotated.signs_from.to_string(),
        "removed": rotated.removed,
    }))?;
    out.line(&format!(
        "{} is published and signs from {}",
        rotated.kid, rotated.signs_from
    ))?;
    for kid in &rotated.removed {
        out.line(&format!("{kid} is no longer published"))?;
    }
    Ok(Exit::Done)
}
