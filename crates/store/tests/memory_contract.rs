//! The memory backend keeps every promise of the store traits.

use portcullis_store::{Stores, memory};

async fn fresh() -> (Stores, ()) {
    (memory::stores(), ())
}

portcullis_store::store_contract!(fresh);
