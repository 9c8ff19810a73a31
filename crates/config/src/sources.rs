//! What a configuration may look at besides its own text. The binary hands these in, so that it
//! stays the one door to the environment and the disk.

use std::fmt;
use std::io;
use std::path::Path;

use portcullis_core::SecretValue;

/// Doors to the outside.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// An environment variable's value.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The names of all environment variables: an unknown `PORTCULLIS__…` is an error too.
    pub env_names: &'a dyn Fn() -> Vec<String>,
    /// A file's text, for `file:` values.
    pub read_file: &'a dyn Fn(&Path) -> io::Result<String>,
    /// A secret's value in a store, by its reference as it is written.
    pub stored: &'a dyn Fn(&str) -> Stored,
    /// What the command line says.
    pub command_line: CommandLine<'a>,
}

/// What is known of a value in a secret store.
#[derive(Clone, Debug)]
pub enum Stored {
    /// The value.
    Value(SecretValue),
    /// There is none, for this reason.
    Failed(String),
    /// It was not asked for, or has not been given for too long: what needs it is left out.
    Unasked,
}

/// Values from the command line: they win over everything else.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommandLine<'a> {
    /// `--host`
    pub host: Option<&'a str>,
    /// `--port`
    pub port: Option<u16>,
}

impl Sources<'static> {
    /// An empty environment and no files: what fuzzers and schema checks use.
    pub fn none() -> Self {
        Self {
            env: &|_| None,
            env_names: &Vec::new,
            read_file: &|_| Err(io::ErrorKind::NotFound.into()),
            stored: &|_| Stored::Unasked,
            command_line: CommandLine::default(),
        }
    }
}

impl fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("command_line", &self.command_line)
            .finish_non_exhaustive()
    }
}
