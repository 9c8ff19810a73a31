//! The configuration file, read with the process's own environment and disk.

use std::path::{Path, PathBuf};

use anyhow::Context;
use portcullis_config::{
    CommandLine, ConfigErrors, Configuration, Definition, Loaded, Sources, Stored,
};
use portcullis_vault::StoredRef;

use crate::cli::exit::CommandError;
use crate::cli::init::DEFAULT_FILE;

/// The file that is meant: the given one, or `portcullis.yaml` of the working folder.
pub(super) fn path_of(given: Option<&Path>) -> PathBuf {
    given.map_or_else(|| PathBuf::from(DEFAULT_FILE), Path::to_path_buf)
}

/// Reads and resolves a file; the inner error holds every finding.
pub(super) fn read(
    file: &Path,
    command_line: CommandLine<'_>,
) -> Result<Result<Loaded, ConfigErrors>, CommandError> {
    let text = text(file)?;
    Ok(parse(&file.display().to_string(), &text, command_line))
}

/// A file's text.
pub(super) fn text(file: &Path) -> Result<String, CommandError> {
    std::fs::read_to_string(file)
        .with_context(|| format!("cannot read {}", file.display()))
        .map_err(|error| CommandError::Usage(format!("{error:#}")))
}

/// Resolves a text with the process's environment. Secret stores are not asked: what needs a value
/// of theirs is left out.
pub(super) fn parse(
    name: &str,
    text: &str,
    command_line: CommandLine<'_>,
) -> Result<Loaded, ConfigErrors> {
    parse_with(
        name,
        text,
        command_line,
        &[],
        &|raw| match raw.parse::<StoredRef>() {
            Ok(_) => Stored::Unasked,
            Err(error) => Stored::Failed(error.to_string()),
        },
    )
}

/// The same with servers that the admin API defined, and with what secret stores gave.
#[expect(
    clippy::disallowed_methods,
    reason = "the binary is the configuration's door to the environment"
)]
pub(super) fn parse_with(
    name: &str,
    text: &str,
    command_line: CommandLine<'_>,
    definitions: &[Definition],
    stored: &dyn Fn(&str) -> Stored,
) -> Result<Loaded, ConfigErrors> {
    let sources = Sources {
        env: &|name| std::env::var(name).ok(),
        env_names: &|| {
            std::env::vars_os()
                .filter_map(|(name, _)| name.into_string().ok())
                .collect()
        },
        read_file: &|path| std::fs::read_to_string(path),
        stored,
        command_line,
    };
    portcullis_config::load_with(name, text, &sources, definitions)
}

/// A text as it may be shown, with what the environment overrides.
#[expect(
    clippy::disallowed_methods,
    reason = "the binary is the configuration's door to the environment"
)]
pub(super) fn masked(text: &str) -> Option<Configuration> {
    let sources = Sources {
        env: &|name| std::env::var(name).ok(),
        env_names: &|| {
            std::env::vars_os()
                .filter_map(|(name, _)| name.into_string().ok())
                .collect()
        },
        ..Sources::none()
    };
    portcullis_config::masked_configuration(text, &sources)
}

/// A configuration, or the error that a command ends with; secret stores are not asked.
pub(super) fn load(file: &Path, command_line: CommandLine<'_>) -> Result<Loaded, CommandError> {
    read(file, command_line)?.map_err(|errors| CommandError::Configuration(errors.to_string()))
}
