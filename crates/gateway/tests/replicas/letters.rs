//! What replicas believe: what one of them sealed for this one, a moment ago, and not yet again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Clock, Purpose, RequestId, Sealer, SystemClock, SystemEntropy, hex, sha256};
use portcullis_testkit::gateway::{Ask, Process, Reply};
use portcullis_testkit::upstream::FakeUpstream;
use portcullis_vault::KeyRing;
use serde_json::{Value, json};

use super::support::{ALICE, Cluster, server};

/// One replica, and the keys that all of them have.
struct Post {
    to: String,
    at: SocketAddr,
    ring: KeyRing,
    clock: SystemClock,
}

impl Post {
    fn of(cluster: &Cluster, number: usize) -> Self {
        let clock = SystemClock::start();
        let ring = cluster.folder().join("portcullis.keyring.json");
        let (to, at) = place(&cluster.replicas[number]);
        Self {
            to,
            at,
            ring: KeyRing::load_or_create(&ring, Arc::new(SystemEntropy), &clock).unwrap(),
            clock,
        }
    }

    /// A letter with a `tools/list` of alice's, who connected from there.
    fn letter(&self, to: &str, peer: &str, lives: Duration) -> (String, String) {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
        let request = RequestId::generate(self.clock.now(), &SystemEntropy).unwrap();
        let head = json!({
            "request": request.text(), "method": "POST", "uri": "/mcp/a", "peer": peer,
            "chain": null, "digest": hex(&sha256(body.as_bytes())),
        });
        let headers = format!(
            "host:localhost\nauthorization:Bearer {ALICE}\ncontent-type:application/json\naccept:application/json, text/event-stream\n"
        );
        let text = format!("{head}\n{headers}");
        let expires = self.clock.now().after(lives);
        let sealed = self
            .ring
            .seal(Purpose::HandOver, to.as_bytes(), expires, text.as_bytes());
        (sealed.unwrap(), body)
    }

    async fn post(&self, sealed: &str, body: &str) -> Reply {
        let letter = format!("{sealed}\n{body}");
        Ask::new("POST", "/handover")
            .body(letter)
            .send(self.at)
            .await
    }
}

/// Its name and where the others reach it, as it says of itself.
fn place(replica: &Process) -> (String, SocketAddr) {
    let log = replica.log();
    let line = log.lines().find(|line| line.contains("shares its store"));
    let line: Value = serde_json::from_str(line.unwrap()).unwrap();
    let url = line["url"].as_str().unwrap();
    let at = url.strip_prefix("http://").unwrap().parse().unwrap();
    (line["replica"].as_str().unwrap().to_owned(), at)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_counts_once_for_its_addressee_and_unchanged() {
    let upstream = FakeUpstream::legacy().await;
    let Some(cluster) = Cluster::of(&[server("a", &upstream)]).await else {
        return;
    };
    let (post, other) = (Post::of(&cluster, 0), Post::of(&cluster, 1));
    let (long, local) = (Duration::from_secs(20), "127.0.0.1:5000");

    let (sealed, body) = post.letter(&post.to, local, long);
    let taken = post.post(&sealed, &body).await;
    assert_eq!(taken.status, 200, "{taken:?}");
    assert!(taken.text().contains("delete_user"), "{taken:?}");
    assert_eq!(post.post(&sealed, &body).await.status, 403, "a second time");

    let (sealed, body) = post.letter(&post.to, local, long);
    let changed = body.replace("tools/list", "tools/call");
    assert_eq!(
        post.post(&sealed, &changed).await.status,
        403,
        "another body"
    );
    assert_eq!(
        other.post(&sealed, &body).await.status,
        403,
        "another replica"
    );
    assert_eq!(post.post(&sealed, &body).await.status, 200, "the control");

    let (sealed, body) = post.letter(&post.to, local, Duration::ZERO);
    assert_eq!(post.post(&sealed, &body).await.status, 403, "too late");
    for forged in ["", "x", &sealed[1..], "{}"] {
        assert_eq!(post.post(forged, &body).await.status, 403, "{forged}");
    }
    for elsewhere in ["/mcp/a", "/", "/health/live", "/metrics"] {
        let ask = Ask::get(elsewhere).bearer(ALICE);
        assert_eq!(ask.send(post.at).await.status, 404, "{elsewhere}");
    }
    let (sealed, body) = post.letter(&post.to, local, long);
    let letter = Ask::new("POST", "/handover").body(format!("{sealed}\n{body}"));
    let outside = letter.send(cluster.replicas[0].address()).await;
    assert_eq!(outside.status, 404, "callers have no such door");
    // Who can reach the port cannot fill the disk.
    let log = cluster.replicas[0].log();
    let refusals = log.lines().filter(|line| line.contains("was handed over"));
    assert_eq!(refusals.count(), 1);
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_judges_the_caller_by_where_it_came_from() {
    let upstream = FakeUpstream::legacy().await;
    let inside = format!(
        "{}    available_on_public_internet: false\n",
        server("a", &upstream)
    );
    let Some(cluster) = Cluster::of(&[inside]).await else {
        return;
    };
    let post = Post::of(&cluster, 0);
    for (peer, seen) in [("127.0.0.1:5000", true), ("203.0.113.9:5000", false)] {
        let (sealed, body) = post.letter(&post.to, peer, Duration::from_secs(20));
        let taken = post.post(&sealed, &body).await;
        assert_eq!(taken.text().contains("delete_user"), seen, "{taken:?}");
        assert_eq!(taken.text().contains("\"status\":404"), !seen, "{taken:?}");
    }
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_changed_at_one_replica_is_another_at_all() {
    let upstream = FakeUpstream::legacy().await;
    let Some(cluster) = Cluster::of(&[server("a", &upstream)]).await else {
        return;
    };
    let post = Post::of(&cluster, cluster.next());
    let alice = cluster.client(ALICE, "/mcp/a").initialized().await;
    let session = async || {
        let params = json!({"name": "echo", "arguments": {}});
        alice.result("tools/call", &params).await;
        let call = upstream.last("tools/call");
        call.header("mcp-session-id").map(str::to_owned)
    };
    let before = session().await;
    let news = |whose: &str| {
        let id = RequestId::generate(post.clock.now(), &SystemEntropy).unwrap();
        let text = json!({"news": id.text(), "principal": whose, "server": "a"}).to_string();
        let (to, expires) = (
            post.to.as_bytes(),
            post.clock.now().after(Duration::from_secs(20)),
        );
        let sealed = post
            .ring
            .seal(Purpose::HandOver, to, expires, text.as_bytes());
        sealed.unwrap()
    };
    let tell = async |news: &str| {
        let ask = Ask::new("POST", "/news").body(news.to_owned());
        ask.send(post.at).await.status
    };
    assert_eq!(tell("nothing that was sealed").await, 403);
    assert_eq!(tell(&news("key:file:bob")).await, 200);
    assert_eq!(session().await, before, "that was about somebody else");
    let of_alice = news("key:file:alice");
    assert_eq!(tell(&of_alice).await, 200);
    assert_ne!(session().await, before);
    assert_eq!(tell(&of_alice).await, 403, "a second time");
    cluster.end().await;
}
