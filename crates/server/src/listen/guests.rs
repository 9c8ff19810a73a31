//! Who is connected, so that when the house is full somebody who wants nothing can be asked to make
//! room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::activity::{Activity, Standing};

/// The open connections of one listener.
#[derive(Default)]
pub(super) struct Guests(Mutex<Book>);

#[derive(Default)]
struct Book {
    next: u64,
    guests: HashMap<u64, Guest>,
}

struct Guest {
    activity: Arc<Activity>,
    leave: CancellationToken,
}

/// One connection's entry, until it is dropped.
pub(super) struct Stay {
    guests: Arc<Guests>,
    number: u64,
    leave: CancellationToken,
}

impl Guests {
    /// A stay that is over at the latest when `everybody` leaves.
    pub(super) fn enter(
        self: &Arc<Self>,
        activity: &Arc<Activity>,
        everybody: &CancellationToken,
    ) -> Stay {
        let leave = everybody.child_token();
        let mut book = self.book();
        let number = book.next;
        book.next = number.wrapping_add(1);
        let guest = Guest {
            activity: Arc::clone(activity),
            leave: leave.clone(),
        };
        book.guests.insert(number, guest);
        drop(book);
        Stay {
            guests: Arc::clone(self),
            number,
            leave,
        }
    }

    /// Asks the connection to leave that was answered longest ago and has asked for nothing since;
    /// one that has not asked for anything yet is left to its time limit, or newcomers would push
    /// each other out.
    pub(super) fn ask_the_oldest_idle_to_leave(&self) {
        let book = self.book();
        let staying = book
            .guests
            .values()
            .filter(|guest| !guest.leave.is_cancelled());
        let idle = staying.filter_map(|guest| match guest.activity.standing() {
            Standing::Idle(since) => Some((since, guest)),
            Standing::Unused | Standing::Busy | Standing::Unread(_) => None,
        });
        if let Some((_, guest)) = idle.min_by_key(|(since, _)| *since) {
            guest.leave.cancel();
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stay {
    /// Ends when this connection should make room, or all should go.
    pub(super) async fn over(&self) {
        self.leave.cancelled().await;
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.guests.book().guests.remove(&self.number);
    }
}
