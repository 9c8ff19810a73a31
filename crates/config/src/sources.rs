//! What a configuration may look at besides its own text. The binary hands these in, so that it
//! stays the one door to the environment and the disk.

use std::fmt;
use std::io;
use std::path::Path;

/// Doors to the outside.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// An environment variable's value.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The names of all environment variables: an unknown `PORTCULLIS__…` is an error too.
    pub env_names: &'a dyn Fn() -> Vec<String>,
    /// A file's text, for `file:` values.
    pub read_file: &'a dyn Fn(&Path) -> io::Result<String>,
    /// What the command line says.
    pub command_line: CommandLine<'a>,
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
