//! Obligations of [`crate::SessionStore`].

use std::sync::Arc;

use portcullis_core::{Timestamp, sha256};

use super::at_once;
use crate::{Stores, TerminatedSession};

fn session(number: u8, expires: i64) -> TerminatedSession {
    TerminatedSession {
        digest: sha256(&[number]),
        expires_at: Timestamp::from_millis(expires),
    }
}

pub(super) async fn a_terminated_session_stays_terminated(stores: Stores) {
    let (ended, living) = (session(1, 1000), session(2, 1000));
    stores.sessions.terminate(&ended).await.unwrap();
    stores.sessions.terminate(&ended).await.unwrap();
    assert!(stores.sessions.is_terminated(&ended.digest).await.unwrap());
    assert!(!stores.sessions.is_terminated(&living.digest).await.unwrap());
}

pub(super) async fn many_terminations_of_one_session_are_one_change(stores: Stores) {
    at_once(|_| {
        let sessions = Arc::clone(&stores.sessions);
        async move { sessions.terminate(&session(1, 1000)).await.unwrap() }
    })
    .await;
    let later = TerminatedSession {
        expires_at: Timestamp::from_millis(9999),
        ..session(1, 1000)
    };
    stores.sessions.terminate(&later).await.unwrap();
    let feed = stores.sessions.terminated_since(0, 100).await.unwrap();
    assert_eq!(feed.len(), 1);
    assert_eq!(feed[0].1, session(1, 1000));
}

pub(super) async fn the_feed_reports_in_order_and_resumes(stores: Stores) {
    for number in 0..7 {
        stores
            .sessions
            .terminate(&session(number, 1000))
            .await
            .unwrap();
    }
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let part = stores.sessions.terminated_since(after, 3).await.unwrap();
        assert!(part.len() <= 3);
        let Some((last, _)) = part.last() else { break };
        assert!(part.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(part[0].0 > after);
        after = *last;
        seen.extend(part.into_iter().map(|(_, session)| session));
    }
    let expected: Vec<_> = (0..7).map(|number| session(number, 1000)).collect();
    assert_eq!(seen, expected);
    stores.sessions.terminate(&session(7, 1000)).await.unwrap();
    let news = stores.sessions.terminated_since(after, 3).await.unwrap();
    assert_eq!(news.len(), 1);
    assert_eq!(news[0].1, session(7, 1000));
}

pub(super) async fn purging_forgets_only_the_expired(stores: Stores) {
    for (number, expires) in [(1, 999), (2, 1000), (3, 1001)] {
        stores
            .sessions
            .terminate(&session(number, expires))
            .await
            .unwrap();
    }
    let now = Timestamp::from_millis(1000);
    assert_eq!(stores.sessions.purge(now).await.unwrap(), 1);
    assert_eq!(stores.sessions.purge(now).await.unwrap(), 0);
    for (number, kept) in [(1, false), (2, true), (3, true)] {
        let digest = session(number, 0).digest;
        assert_eq!(stores.sessions.is_terminated(&digest).await.unwrap(), kept);
    }
}

pub(super) async fn numbers_are_not_used_again_after_a_purge(stores: Stores) {
    stores.sessions.terminate(&session(1, 10)).await.unwrap();
    let seen = stores.sessions.terminated_since(0, 10).await.unwrap()[0].0;
    stores
        .sessions
        .purge(Timestamp::from_millis(1000))
        .await
        .unwrap();
    stores.sessions.terminate(&session(2, 5000)).await.unwrap();
    let news = stores.sessions.terminated_since(seen, 10).await.unwrap();
    assert_eq!(
        news.len(),
        1,
        "a reader at {seen} must see the next session"
    );
}
