//! The operator's rules with conditions.

use portcullis_policy::Rules;

/// `policy`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `rules`, compiled, in the order of the file.
    pub rules: Rules,
}
