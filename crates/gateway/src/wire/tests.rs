//! What the wiring makes of a configuration.

mod admin_listener;
mod authorization;
mod defined;
mod issuers;
mod keys;
mod not_on_record;
mod on_record;
mod reload;
mod servers;
mod signer;
mod small_world;
mod stored;

use portcullis_config::{CommandLine, Config};

/// The configuration that a text means.
pub(super) fn config(text: &str) -> Config {
    super::files::parse("test.yaml", text, CommandLine::default())
        .unwrap_or_else(|errors| panic!("{errors}"))
        .config
}

/// What a text is refused for.
pub(super) fn refused(text: &str) -> String {
    super::files::parse("test.yaml", text, CommandLine::default())
        .expect_err(text)
        .to_string()
}
