//! How long stories wait for what must happen.

use std::time::Duration;

/// Nothing in a story takes this long; what does, failed.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Between two looks at something that tells nobody when it happens.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Waits for something that happens elsewhere and tells nobody.
///
/// # Panics
/// When it does not happen.
pub async fn eventually(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !happened().await {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "{what}: did not happen");
}
