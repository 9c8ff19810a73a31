//! Whose the trail's files are.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::Path;

/// A command that root ran leaves files that the gateway's own user can read and append to: a new file
/// belongs to whom its folder belongs to.
pub(super) fn hand_over(file: &File, folder: &Path) -> io::Result<()> {
    let (of_file, of_folder) = (file.metadata()?, std::fs::metadata(folder)?);
    if of_file.uid() == 0 && of_folder.uid() != 0 {
        fchown(file, Some(of_folder.uid()), Some(of_folder.gid()))?;
    }
    Ok(())
}
