//! Keeping in memory what a change feed tells: how far it has been read, for every kind of row alike.

use std::time::Duration;

use async_trait::async_trait;

use crate::StoreError;

/// How many changes one question to the store asks for.
const BATCH: usize = 1000;
/// All rows are read again this often: a database that came back without its latest commits gives change
/// numbers out twice, and what has one of them would never be asked for.
const READ_AGAIN: Duration = Duration::from_mins(5);

/// Rows whose changes have the numbers of one sequence, and where they are taken in.
#[async_trait]
pub trait Changes: Sync {
    /// What one change is.
    type Row: Send + Sync;

    /// Up to `limit` rows that changed after `after` (0: all), oldest change first, each with its number.
    async fn since(&self, after: u64, limit: usize) -> Result<Vec<(u64, Self::Row)>, StoreError>;

    /// What has to be known before anything that was read is taken in; until it is, nothing is.
    async fn first(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Takes one row in.
    fn take(&self, row: &Self::Row) -> Result<(), StoreError>;
}

/// How far a feed has been read. Held locked while reading, so that two readings do not cross.
#[derive(Debug, Default)]
pub struct Reading {
    /// When it was last read from the first change on.
    begun: Duration,
    /// The last change that was taken in.
    position: u64,
}

impl Reading {
    /// Takes in everything that changed since the last time, and every few minutes all there is. `now` is of a
    /// clock that only goes forward.
    pub async fn catch_up<C: Changes + ?Sized>(
        &mut self,
        changes: &C,
        now: Duration,
    ) -> Result<(), StoreError> {
        if now.saturating_sub(self.begun) >= READ_AGAIN {
            *self = Self {
                begun: now,
                position: 0,
            };
        }
        loop {
            let rows = changes.since(self.position, BATCH).await?;
            if !rows.is_empty() {
                changes.first().await?;
            }
            for (change, row) in &rows {
                changes.take(row)?;
                self.position = *change;
            }
            if rows.len() < BATCH {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// Rows from 1 to a last one, which say their own numbers.
    #[derive(Default)]
    struct Numbers {
        last: u64,
        not_yet: AtomicBool,
        asked: Mutex<Vec<u64>>,
        known: Mutex<Vec<u64>>,
    }

    #[async_trait]
    impl Changes for Numbers {
        type Row = u64;

        async fn since(&self, after: u64, limit: usize) -> Result<Vec<(u64, u64)>, StoreError> {
            self.asked.lock().unwrap().push(after);
            let rows = (after + 1..=self.last).take(limit);
            Ok(rows.map(|number| (number, number)).collect())
        }

        async fn first(&self) -> Result<(), StoreError> {
            if self.not_yet.load(Ordering::Relaxed) {
                return Err(StoreError::unavailable("first", "not yet"));
            }
            Ok(())
        }

        fn take(&self, row: &u64) -> Result<(), StoreError> {
            self.known.lock().unwrap().push(*row);
            Ok(())
        }
    }

    #[tokio::test]
    async fn everything_is_read_once_in_batches_and_again_after_a_while() {
        let numbers = Numbers {
            last: 2500,
            ..Numbers::default()
        };
        let mut reading = Reading::default();
        let all: Vec<u64> = (1..=2500).collect();
        for (minute, asked) in [
            (1, vec![0, 1000, 2000]),
            (2, vec![2500]),
            (5, vec![0, 1000, 2000]),
        ] {
            numbers.asked.lock().unwrap().clear();
            numbers.known.lock().unwrap().clear();
            let now = Duration::from_mins(minute);
            reading.catch_up(&numbers, now).await.unwrap();
            assert_eq!(*numbers.asked.lock().unwrap(), asked, "{minute}");
            let known = numbers.known.lock().unwrap().clone();
            assert_eq!(known, if minute == 2 { Vec::new() } else { all.clone() });
        }
    }

    #[tokio::test]
    async fn nothing_is_taken_in_before_what_has_to_be_known_first() {
        let numbers = Numbers {
            last: 3,
            not_yet: AtomicBool::new(true),
            ..Numbers::default()
        };
        let mut reading = Reading::default();
        assert!(reading.catch_up(&numbers, Duration::ZERO).await.is_err());
        assert_eq!(*numbers.known.lock().unwrap(), []);
        numbers.not_yet.store(false, Ordering::Relaxed);
        reading.catch_up(&numbers, Duration::ZERO).await.unwrap();
        assert_eq!(*numbers.known.lock().unwrap(), [1, 2, 3]);
    }
}
