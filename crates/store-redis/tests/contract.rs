//! Redis keeps every promise of the store traits that it is used for.

use portcullis_store::{Stores, memory};
use portcullis_store_redis::testing::Place;

async fn fresh() -> Option<(Stores, Place)> {
    let place = Place::fresh()?;
    let kept = place.open().await;
    let stores = Stores {
        one_time: kept.one_time.clone(),
        leases: kept.leases.clone(),
        counters: kept.counters.clone(),
        concurrency: kept.concurrency.clone(),
        shared_tokens: kept.shared_tokens.clone(),
        announcements: kept.announcements.clone(),
        ..memory::stores()
    };
    Some((stores, place))
}

portcullis_store::store_contract!(fresh beside the database, where there is one);
