use portcullis_store::AuditHead;

use super::*;
use crate::audit::Surface;

/// A trail of `count` events, two of each moment, every `nth` of them of REST.
async fn trail(count: u64, nth: u64, most: usize) -> AuditTrail {
    let store = portcullis_store::memory::stores().audit;
    for seq in 1..=count {
        let surface = if seq % nth == 0 { "rest" } else { "mcp" };
        let millis = i64::try_from(1_000 + seq / 2).unwrap();
        let row = AuditRow {
            writer: "w".to_owned(),
            seq,
            at: Timestamp::from_millis(millis),
            request_id: format!("r{seq}"),
            event: format!(r#"{{"event":"request","surface":"{surface}","n":{seq}}}"#),
            mac: [7; 32],
        };
        let head = AuditHead {
            writer: "w".to_owned(),
            seq,
            mac: [7; 32],
            anchor: [0; 32],
        };
        store.append(&[row], &head).await.unwrap();
    }
    AuditTrail { store, most }
}

fn of_rest() -> TrailQuestion {
    TrailQuestion {
        surface: Some(Surface::Rest),
        ..TrailQuestion::default()
    }
}

fn numbers(events: &[String]) -> Vec<u64> {
    let number = |event: &String| {
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        event["n"].as_u64().unwrap()
    };
    events.iter().map(number).collect()
}

async fn all_pages(trail: &AuditTrail, question: &TrailQuestion, limit: usize) -> Vec<u64> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = trail.page(question, after, limit).await.unwrap();
        found.extend(numbers(&page.events));
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

#[tokio::test]
async fn what_is_rare_is_found_whole_however_it_is_paged() {
    let wanted: Vec<u64> = (1..=10).map(|n| n * 250).collect();
    for most in [20_000, 1_000] {
        let trail = trail(2_600, 250, most).await;
        for limit in [1, 3, 1_000] {
            assert_eq!(all_pages(&trail, &of_rest(), limit).await, wanted);
        }
    }
}

#[tokio::test]
async fn the_newest_are_looked_for_backwards_and_an_unfinished_search_says_so() {
    let whole = trail(2_600, 250, 20_000).await;
    let found = whole.latest(&of_rest(), 4).await.unwrap();
    assert_eq!(numbers(&found.events), [2_500, 2_250, 2_000, 1_750]);
    assert_eq!(found.searched_since, None);
    let found = whole.latest(&of_rest(), 100).await.unwrap();
    assert_eq!((found.events.len(), found.searched_since), (10, None));

    let short = trail(2_600, 250, 1_000).await;
    let found = short.latest(&of_rest(), 100).await.unwrap();
    let since = found.searched_since.unwrap();
    assert_eq!(numbers(&found.events), [2_500, 2_250, 2_000, 1_750]);
    let rest = TrailQuestion {
        until: Some(since),
        ..of_rest()
    };
    let rest = short.latest(&rest, 100).await.unwrap();
    assert_eq!(numbers(&rest.events), [1_500, 1_250, 1_000, 750]);
}
