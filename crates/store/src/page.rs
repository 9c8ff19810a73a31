//! Paging by position.

/// The most items that one page holds, whatever was asked for.
pub const MAX_PAGE: usize = 1000;

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
    /// At most this many items; stores raise zero to one and cap it at 1,000.
    pub limit: usize,
}

impl PageRequest {
    /// The first page.
    pub const fn first(limit: usize) -> Self {
        Self { after: None, limit }
    }

    /// The limit that a store applies.
    pub fn effective_limit(&self) -> usize {
        self.limit.clamp(1, MAX_PAGE)
    }
}

impl<T> Page<T> {
    /// A page from up to `limit + 1` items: the one too many only proves that another page follows.
    pub fn from_probe(
        mut items: Vec<T>,
        limit: usize,
        position: impl FnOnce(&T) -> String,
    ) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(position);
        Self { items, next }
    }
}
