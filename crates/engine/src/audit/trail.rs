//! Reading the trail back, for those who may.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::Timestamp;
use portcullis_store::{AuditCursor, AuditRow, AuditStore, PageRequest, StoreError};

use super::TrailQuestion;

/// Rows that are read from the store at once.
const STEP: usize = 1_000;
/// Rows that are looked at for one answer. Beyond it, the answer says how far it is from complete.
const MOST_LOOKED_AT: usize = 20_000;

/// The stored events.
#[derive(Clone, Debug)]
pub struct AuditTrail {
    store: Arc<dyn AuditStore>,
    most: usize,
}

/// Events as their exact JSON texts, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrailPage {
    /// The events. A page may hold fewer than asked for, or none, and not be the last.
    pub events: Vec<String>,
    /// Where the next page starts; `None` after the last.
    pub next: Option<String>,
}

/// The newest events as their exact JSON texts, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatestEvents {
    /// The events.
    pub events: Vec<String>,
    /// Where the search was given up before there were as many as asked for: nothing before this moment
    /// was looked at.
    pub searched_since: Option<Timestamp>,
}

impl AuditTrail {
    /// Reads from this store.
    pub fn new(store: Arc<dyn AuditStore>) -> Self {
        Self {
            store,
            most: MOST_LOOKED_AT,
        }
    }

    /// One page of the events that fit.
    pub async fn page(
        &self,
        question: &TrailQuestion,
        after: Option<String>,
        limit: usize,
    ) -> Result<TrailPage, StoreError> {
        let filter = question.filter();
        let mut found = TrailPage {
            events: Vec::new(),
            next: after,
        };
        let mut looked_at = 0;
        while looked_at < self.most {
            let step = if question.is_the_stores() {
                limit
            } else {
                STEP
            };
            let request = PageRequest {
                after: found.next.take(),
                limit: step,
            };
            let page = self.store.list(&filter, &request).await?;
            looked_at += page.items.len();
            for row in page.items {
                if !question.fits(&row.event) {
                    continue;
                }
                let place = AuditCursor::of(&row);
                found.events.push(row.event);
                if found.events.len() == limit {
                    // There may be nothing behind it: then the next page is empty and the last.
                    found.next = Some(place.to_string());
                    return Ok(found);
                }
            }
            found.next = page.next;
            if found.next.is_none() || question.is_the_stores() {
                break;
            }
        }
        Ok(found)
    }

    /// The newest of the events that fit.
    pub async fn latest(
        &self,
        question: &TrailQuestion,
        limit: usize,
    ) -> Result<LatestEvents, StoreError> {
        let mut filter = question.filter();
        let mut found = LatestEvents::default();
        let mut looked_at = 0;
        // The oldest rows of the step before: the next one begins with the same moment.
        let mut seen: Vec<AuditCursor> = Vec::new();
        loop {
            let step = if question.is_the_stores() {
                limit
            } else {
                STEP
            };
            let rows = self.store.latest(&filter, step).await?;
            let whole = rows.len() < step;
            let fresh: Vec<AuditRow> = rows
                .into_iter()
                .filter(|row| !seen.contains(&AuditCursor::of(row)))
                .collect();
            let Some(oldest) = fresh.last().map(|row| row.at) else {
                return Ok(found);
            };
            looked_at += fresh.len();
            seen.retain(|place| place.at == oldest);
            let same = fresh.iter().filter(|row| row.at == oldest);
            seen.extend(same.map(AuditCursor::of));
            for row in fresh {
                if question.fits(&row.event) {
                    found.events.push(row.event);
                }
                if found.events.len() == limit {
                    return Ok(found);
                }
            }
            if whole || question.is_the_stores() {
                return Ok(found);
            }
            if looked_at >= self.most {
                found.searched_since = Some(oldest);
                return Ok(found);
            }
            filter.until = Some(oldest.after(Duration::from_millis(1)));
        }
    }
}

#[cfg(test)]
mod tests;
