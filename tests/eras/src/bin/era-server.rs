//! The reference server over stdio: `era-server 2025-11-25`.

use anyhow::Context;
use clap::Parser;
use portcullis_eras::{Revision, server};

/// A reference server of one revision on standard input and output.
#[derive(Debug, Parser)]
struct Arguments {
    /// The date of the revision.
    revision: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let revision = Arguments::parse().revision;
    let revision = Revision::of(&revision).context("there is no such revision")?;
    server::over_stdio(revision).await
}
