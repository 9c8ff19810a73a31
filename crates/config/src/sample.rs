//! The file that `portcullis init` writes.

/// A documented starter file; it loads as it is, in any environment.
pub fn sample_config() -> &'static str {
    include_str!("../sample.yaml")
}
