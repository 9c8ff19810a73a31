//! A key that one replica made or took away.

use portcullis_testkit::eventually;
use portcullis_testkit::gateway::{Ask, Reply};
use portcullis_testkit::upstream::FakeUpstream;
use serde_json::json;

use super::support::{Cluster, MASTER, server};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_one_replica_is_good_at_the_others_until_one_of_them_revokes_it() {
    let upstream = FakeUpstream::legacy().await;
    let Some(cluster) = Cluster::of(&[server("a", &upstream)]).await else {
        return;
    };
    let master = cluster.client(MASTER, "/mcp/a");
    let wish = json!({"key_alias": "ci", "all_servers": true});
    let made = master.send(Ask::post("/key/generate", &wish)).await;
    assert_eq!(made.status, 200, "{made:?}");
    let key = made.json()["key"].as_str().unwrap().to_owned();
    let id = made.json()["key_id"].as_str().unwrap().to_owned();

    let bearer = cluster.client(&key, "/mcp/a");
    let list = async || -> Reply { bearer.send(Ask::get("/mcp-rest/tools/list")).await };
    // At every replica, whichever made it; each hears of it within a moment.
    eventually("the key is good everywhere", async || {
        let replies = [list().await, list().await, list().await];
        replies.iter().all(|reply| reply.status == 200)
    })
    .await;
    let revoked = master
        .send(Ask::post("/key/delete", &json!({"keys": [id]})))
        .await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
    eventually("the key is good nowhere", async || {
        let replies = [list().await, list().await, list().await];
        replies.iter().all(|reply| reply.status == 401)
    })
    .await;
    cluster.end().await;
}
