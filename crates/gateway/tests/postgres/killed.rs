//! The server is killed while many call, and started again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use portcullis_testkit::eventually;
use portcullis_testkit::gateway::Actor;
use tokio::task::JoinSet;

use super::support::{CI, Stage, id};

/// a restart under load. Whoever was answered is on record, once, however the acknowledgement of
/// their event was lost; whoever was not is told so, and nobody restarts the gateway.
#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_under_load_it_loses_no_answered_call_and_counts_none_twice() {
    let Some(stage) = Stage::set(true).await else {
        return;
    };
    let over = Arc::new(AtomicBool::new(false));
    let (served, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let address = stage.gateway.address();
    let mut callers = JoinSet::new();
    for _ in 0..4 {
        let (over, served, refused) =
            (Arc::clone(&over), Arc::clone(&served), Arc::clone(&refused));
        callers.spawn(async move {
            let mut answered = Vec::new();
            while !over.load(Ordering::SeqCst) {
                let reply = Actor::echo_ask("load").bearer(CI).send(address).await;
                match reply.status {
                    200 => {
                        answered.push(id(&reply));
                        served.fetch_add(1, Ordering::SeqCst);
                    }
                    503 => {
                        refused.fetch_add(1, Ordering::SeqCst);
                    }
                    _ => panic!("{reply:?}"),
                }
            }
            answered
        });
    }
    let more = async |what: &str, count: &AtomicUsize| {
        let so_far = count.load(Ordering::SeqCst);
        eventually(what, async || count.load(Ordering::SeqCst) > so_far + 20).await;
    };
    for _ in 0..3 {
        more("calls are served", &served).await;
        stage.database.kill();
        let so_far = refused.load(Ordering::SeqCst);
        eventually("a call is refused", async || {
            refused.load(Ordering::SeqCst) > so_far
        })
        .await;
        stage.database.begin();
    }
    more("calls are served again", &served).await;
    over.store(true, Ordering::SeqCst);
    let answered = callers.join_all().await.concat();
    assert!(answered.len() >= 80, "{}", answered.len());
    stage.end(&answered).await;
}
