//! `portcullis schema`: the configuration's JSON Schema, for editors.

use super::exit::{CommandError, Exit};
use super::output::Output;
use crate::wire;

pub(super) fn run(out: &mut Output) -> Result<Exit, CommandError> {
    out.raw(wire::schema()?.trim_end())?;
    Ok(Exit::Done)
}
