//! What must hold between values, and rules too long to stand where a value is read.

pub(crate) mod exposure;
pub(crate) mod names;
pub(crate) mod sign_ins;
pub(crate) mod strength;
pub(crate) mod urls;
