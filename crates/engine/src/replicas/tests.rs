use portcullis_core::{ManualClock, SealError};
use portcullis_store::memory;

use super::*;

/// Seals nothing: what is under the seal is told elsewhere.
#[derive(Debug)]
struct Open;

impl Sealer for Open {
    fn seal(
        &self,
        _: Purpose,
        _: &[u8],
        _: Timestamp,
        plaintext: &[u8],
    ) -> Result<String, SealError> {
        Ok(String::from_utf8(plaintext.to_vec()).unwrap())
    }

    fn open(&self, _: Purpose, _: &[u8], _: Timestamp, sealed: &str) -> Result<Vec<u8>, SealError> {
        Ok(sealed.as_bytes().to_vec())
    }
}

/// Two of them, who have heard of each other.
async fn two() -> (Arc<ManualClock>, Replicas, Replicas) {
    let clock = Arc::new(ManualClock::at_millis(1_800_000_000_000));
    let stores = memory::stores();
    let entropy = portcullis_core::SeededEntropy::new(1);
    let one = || {
        let replica = Replicas::new(ReplicaDeps {
            own: ReplicaId::generate(&entropy).unwrap(),
            store: Arc::clone(&stores.replicas),
            homes: Arc::clone(&stores.session_homes),
            sealer: Arc::new(Open),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
        });
        replica.appear_at(format!("http://{}", replica.own()));
        replica
    };
    let (first, second) = (one(), one());
    second.beat().await;
    first.beat().await;
    assert!(first.address_of(second.own()).await.is_some());
    assert_eq!(first.doubt(second.own()), None);
    (clock, first, second)
}

#[tokio::test]
async fn one_that_cannot_be_reached_has_the_time_of_a_beat_before_it_is_gone() {
    let (clock, first, second) = two().await;
    first.suspect(second.own());
    assert_eq!(first.address_of(second.own()).await, None);
    assert_eq!(first.doubt(second.own()), Some(DOUBT));
    // It lives: its next beat says so.
    clock.advance(BEAT);
    assert_eq!(first.doubt(second.own()), DOUBT.checked_sub(BEAT));
    second.beat().await;
    first.beat().await;
    assert_eq!(first.doubt(second.own()), None);
    assert_eq!(first.runs(second.own()).await, Some(true));

    // It does not.
    first.suspect(second.own());
    clock.advance(DOUBT);
    first.beat().await;
    assert_eq!(first.doubt(second.own()), None);
    assert_eq!(first.runs(second.own()).await, Some(false));
}

#[tokio::test]
async fn one_that_left_is_gone_at_once_and_so_is_one_that_nobody_knows() {
    let (clock, first, second) = two().await;
    second.leave().await;
    clock.advance(BEAT);
    // Whatever it still does.
    second.beat().await;
    first.beat().await;
    assert_eq!(first.runs(second.own()).await, Some(false));
    assert_eq!(first.doubt(first.own()), None);
}

#[tokio::test]
async fn clocks_may_differ_by_ten_seconds_and_a_beat_may_be_missed() {
    let (clock, first, second) = two().await;
    clock.advance(BEAT * 2 + Duration::from_secs(10));
    first.look().await;
    assert!(first.known_address(second.own()).is_some());
}

#[tokio::test]
async fn replicas_whose_store_is_away_have_not_become_one() {
    let (clock, first, second) = two().await;
    first.suspect(second.own());
    clock.advance(SILENCE * 2);
    assert_eq!(first.others(), []);
    assert_eq!(first.known_last(), 1);
    // The store says that it has gone.
    first.look().await;
    assert_eq!(first.known_last(), 0);
}
