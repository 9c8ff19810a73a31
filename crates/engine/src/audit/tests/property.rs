//! Any sequence of events verifies; any single manipulation of what is stored does not.

use std::sync::Arc;

use portcullis_core::{ErrorKind, ServerId, Timestamp};
use proptest::prelude::*;
use proptest::sample::Index;

use super::fixture::{Process, TestStore, quick};
use crate::audit::{CallerText, Outcome, Target};

#[derive(Clone, Debug)]
struct Told {
    outcome: usize,
    name: String,
    bytes: u64,
    denied: bool,
}

fn told() -> impl Strategy<Value = Told> {
    (
        0..Outcome::ALL.len(),
        ".{0,300}",
        any::<u64>(),
        any::<bool>(),
    )
        .prop_map(|(outcome, name, bytes, denied)| Told {
            outcome,
            name,
            bytes,
            denied,
        })
}

#[derive(Clone, Debug)]
enum Manipulation {
    Writer,
    Seq(u64),
    At(i64),
    RequestId(String),
    EventCharacter(Index, char),
    Mac(usize, u8),
    Remove,
    RemoveFromHere,
    Swap(Index),
    Duplicate,
    HeadSeq(u64),
    HeadMac(usize, u8),
    HeadAnchor(usize, u8),
    HeadGone,
}

fn manipulation() -> impl Strategy<Value = Manipulation> {
    use Manipulation as M;
    let flip = || (0..32_usize, 1..=u8::MAX);
    prop_oneof![
        Just(M::Writer),
        any::<u64>().prop_map(M::Seq),
        any::<i64>().prop_map(M::At),
        ".{0,40}".prop_map(M::RequestId),
        any::<(Index, char)>().prop_map(|(at, new)| M::EventCharacter(at, new)),
        flip().prop_map(|(at, bits)| M::Mac(at, bits)),
        Just(M::Remove),
        Just(M::RemoveFromHere),
        any::<Index>().prop_map(M::Swap),
        Just(M::Duplicate),
        any::<u64>().prop_map(M::HeadSeq),
        flip().prop_map(|(at, bits)| M::HeadMac(at, bits)),
        flip().prop_map(|(at, bits)| M::HeadAnchor(at, bits)),
        Just(M::HeadGone),
    ]
}

/// Whether anything is different afterwards.
fn manipulate(store: &TestStore, place: Index, how: &Manipulation) -> bool {
    use Manipulation as M;
    let mut rows = store.rows.lock().unwrap();
    let mut heads = store.kept_heads.lock().unwrap();
    let before = (rows.clone(), heads.clone());
    let here = place.index(rows.len());
    let writer = rows[here].writer.clone();
    let head = heads.get_mut(&writer).unwrap();
    match how {
        M::Writer => rows[here].writer.push('x'),
        M::Seq(seq) => rows[here].seq = *seq,
        M::At(at) => rows[here].at = Timestamp::from_millis(*at),
        M::RequestId(id) => rows[here].request_id.clone_from(id),
        M::EventCharacter(at, new) => {
            let mut text: Vec<char> = rows[here].event.chars().collect();
            let at = at.index(text.len());
            text[at] = *new;
            rows[here].event = text.into_iter().collect();
        }
        M::Mac(at, bits) => rows[here].mac[*at] ^= bits,
        M::Remove => {
            rows.remove(here);
        }
        M::RemoveFromHere => {
            let from = rows[here].seq;
            rows.retain(|row| row.writer != writer || row.seq < from);
        }
        M::Swap(other) => {
            let other = other.index(rows.len());
            let place = (rows[here].writer.clone(), rows[here].seq);
            let there = (rows[other].writer.clone(), rows[other].seq);
            (rows[here].writer, rows[here].seq) = there;
            (rows[other].writer, rows[other].seq) = place;
        }
        M::Duplicate => {
            let copy = rows[here].clone();
            rows.push(copy);
        }
        M::HeadSeq(seq) => head.seq = *seq,
        M::HeadMac(at, bits) => head.mac[*at] ^= bits,
        M::HeadAnchor(at, bits) => head.anchor[*at] ^= bits,
        M::HeadGone => {
            heads.remove(&writer);
        }
    }
    before != (rows.clone(), heads.clone())
}

async fn live(lives: &[Vec<Told>]) -> Arc<TestStore> {
    let store = TestStore::new();
    for (life, events) in (1..).zip(lives) {
        let process = Process::begin(&store, life, quick()).await;
        for told in events {
            let mut event = process.event(Outcome::ALL[told.outcome]);
            event.method = Some(CallerText::new(&told.name));
            event.target = Some(Target::resource(&told.name));
            event.server = Some(ServerId::from(told.name.as_str()));
            event.response_bytes = told.bytes;
            if told.denied {
                event.rule = Some("not_granted".into());
                event.outcome = ErrorKind::NotFound.into();
            }
            process.log.record(event);
        }
        // Every second process is killed after its events are stored.
        if life % 2 == 0 {
            process.stored().await;
        } else {
            process.log.close().await.unwrap();
        }
    }
    store
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_single_manipulation_is_found_and_nothing_else_is(
        lives in prop::collection::vec(prop::collection::vec(told(), 0..6), 1..4),
        place in any::<Index>(),
        how in manipulation(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = live(&lives).await;
            let untouched = store.verify().await;
            prop_assert!(untouched.findings.is_empty(), "{:?}", untouched.findings);
            if manipulate(&store, place, &how) {
                prop_assert!(!store.verify().await.is_intact());
            }
            Ok(())
        })?;
    }
}
