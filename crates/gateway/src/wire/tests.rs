//! What the wiring makes of a configuration.

use portcullis_config::{CommandLine, Config};

/// The configuration that a text means.
pub(super) fn config(text: &str) -> Config {
    super::files::parse("test.yaml", text, CommandLine::default())
        .unwrap_or_else(|errors| panic!("{errors}"))
        .config
}
