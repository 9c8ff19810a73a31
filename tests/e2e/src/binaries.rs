//! Where the programs under test are.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::Context;

/// The folder of the workspace.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// For the task runner: programs are in `folder`. The first word counts.
pub fn look_in(folder: &Path) {
    FOLDER.get_or_init(|| folder.to_owned());
}

/// A program of the workspace: in `PORTCULLIS_BIN_DIR`, else beside the program that asks (cargo
/// puts tests into `deps/` below the binaries).
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the task runner says where it built to"
    )]
    let told = std::env::var_os("PORTCULLIS_BIN_DIR").map(PathBuf::from);
    let here = std::env::current_exe().context("where am I?")?;
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    FOLDER
        .get()
        .into_iter()
        .chain(told.iter())
        .map(PathBuf::as_path)
        .chain(here.ancestors().skip(1).take(2))
        .map(|folder| folder.join(&file))
        .find(|path| path.is_file())
        .with_context(|| format!("{name} is not built; `cargo build --workspace` builds it"))
}
