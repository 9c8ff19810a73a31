//! The room's promises, from text to configuration or to messages.

mod audit;
mod aws;
mod callers;
mod certificates;
mod credential_forms;
mod defined;
mod drift;
mod exposure;
mod forms;
mod forwarding;
mod issuers;
mod jwt_auth;
mod limits;
mod login;
mod overrides;
mod people;
mod people_forms;
mod policy;
mod redis;
mod rendering;
mod semantics;
mod signer;
mod strictness;
mod table;
mod traces;
mod transports;
mod values;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::{CommandLine, ConfigErrors, Loaded, Sources, Stored, load};

/// A key that no rule calls weak.
const STRONG: &str = "sk-pc-7Qm2vT9dKx4RzP1sWn8uYb3";

/// A world with these variables and these files.
#[derive(Default)]
struct World {
    env: BTreeMap<&'static str, &'static str>,
    files: BTreeMap<&'static str, &'static str>,
    command_line: CommandLine<'static>,
    stored: BTreeMap<&'static str, Stored>,
}

impl World {
    fn with_env(env: &[(&'static str, &'static str)]) -> Self {
        Self {
            env: env.iter().copied().collect(),
            ..Self::default()
        }
    }

    fn load(&self, text: &str) -> Result<Loaded, ConfigErrors> {
        let env = |name: &str| self.env.get(name).map(|value| (*value).to_owned());
        let env_names = || self.env.keys().map(|name| (*name).to_owned()).collect();
        let read_file = |path: &Path| {
            path.to_str()
                .and_then(|path| self.files.get(path))
                .map(|text| (*text).to_owned())
                .ok_or_else(|| io::ErrorKind::NotFound.into())
        };
        load(
            "config.yaml",
            text,
            &Sources {
                env: &env,
                env_names: &env_names,
                read_file: &read_file,
                stored: &|raw| self.stored.get(raw).cloned().unwrap_or(Stored::Unasked),
                command_line: self.command_line,
            },
        )
    }
}

fn loaded(text: &str) -> Loaded {
    World::default()
        .load(text)
        .unwrap_or_else(|errors| panic!("{errors}"))
}

fn errors(text: &str) -> ConfigErrors {
    World::default()
        .load(text)
        .expect_err("this file must be refused")
}

/// The messages, each after its path.
fn messages(errors: &ConfigErrors) -> Vec<String> {
    errors
        .errors
        .iter()
        .map(|error| format!("{}: {}", error.path, error.message))
        .collect()
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let errors = errors(text);
    let text = errors.to_string();
    assert!(text.contains(expected), "expected `{expected}` in:\n{text}");
}

#[track_caller]
fn noticed(loaded: &Loaded, path: &str, expected: &str) {
    let found = loaded
        .notices
        .iter()
        .any(|notice| notice.path == path && notice.text.contains(expected));
    assert!(
        found,
        "no `{expected}` at `{path}` in {:#?}",
        loaded.notices
    );
}
