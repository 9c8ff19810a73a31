//! Who asks.

use portcullis_core::{Principal, Side};

/// A principal, and where it is while it asks: what it may see depends on both.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Who.
    pub principal: &'a Principal,
    /// From which side of the operator's border.
    pub side: Side,
}
