//! Paging by position.

/// One page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in the listing's order.
    pub items: Vec<T>,
    /// Where the next page starts; `None` on the last page.
    pub next: Option<String>,
}

/// Which page is wanted.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// `next` of the page before, or `None` for the first.
    pub after: Option<String>,
    /// At most this many items; stores cap it at 1,000.
    pub limit: usize,
}
