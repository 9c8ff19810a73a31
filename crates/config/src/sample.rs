//! The file that `portcullis init` writes.

/// A documented starter file; it loads as it is when `PORTCULLIS_MASTER_KEY` is set.
pub fn sample_config() -> &'static str {
    include_str!("../sample.yaml")
}
