//! Running other programs, in the open.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    portcullis_e2e::workspace()
}

/// Are we the judge whose word counts? Then nothing may be skipped.
pub(crate) fn in_ci() -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "CI systems say so in the environment"
    )]
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    #[expect(
        clippy::disallowed_methods,
        reason = "cargo says where it is in the environment"
    )]
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root());
    command
}

/// A cargo call with its arguments.
pub(crate) fn cargo_with<A: AsRef<OsStr>>(arguments: &[A]) -> Command {
    let mut command = cargo();
    command.args(arguments);
    command
}

/// Cargo's folder for everything that it builds.
pub(crate) fn target() -> PathBuf {
    #[expect(
        clippy::disallowed_methods,
        reason = "cargo's own variable for its folder"
    )]
    let told = std::env::var_os("CARGO_TARGET_DIR");
    told.map_or_else(|| root().join("target"), PathBuf::from)
}

/// Where cargo puts the programs of a profile.
pub(crate) fn binaries(release: bool) -> PathBuf {
    target().join(if release { "release" } else { "debug" })
}

/// Builds all targets in the development profile. Every step that needs a program uses this very
/// call: another selection of packages would mean other features, and building most of it again.
pub(crate) fn build_everything() -> anyhow::Result<()> {
    run(&mut cargo_with(&[
        "build",
        "--workspace",
        "--all-targets",
        "--locked",
    ]))
}

/// Is there such a program, and does it work?
pub(crate) fn works(command: &mut Command) -> bool {
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs it with its output in view; a failure is an error.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let shown = show(command);
    println!("    $ {shown}");
    let status = command
        .status()
        .with_context(|| format!("cannot start {shown}"))?;
    if status.success() {
        Ok(())
    } else {
        bail!("`{shown}` ended with {status}")
    }
}

/// Runs it and takes what it prints.
pub(crate) fn read(command: &mut Command) -> anyhow::Result<String> {
    let shown = show(command);
    let output = command
        .output()
        .with_context(|| format!("cannot start {shown}"))?;
    if !output.status.success() {
        bail!(
            "`{shown}` ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    String::from_utf8(output.stdout).context("output that is not UTF-8")
}

fn show(command: &Command) -> String {
    let name = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default();
    std::iter::once(name)
        .chain(command.get_args())
        .map(|part| part.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}
