//! A client is let in at one replica and served by the others: a code, and the tokens that follow from it, are
//! good once for all of them together.

use std::collections::HashMap;
use std::net::SocketAddr;

use portcullis_testkit::eventually;
use portcullis_testkit::gateway::{Actor, Ask, Browser, Process, Reply, form_token};
use portcullis_testkit::upstream::FakeUpstream;
use serde_json::json;
use tokio::task::JoinSet;
use url::form_urlencoded::Serializer;

use super::support::{ALICE, Cluster, server};

const CALLBACK: &str = "http://localhost:7777/cb";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Three replicas, a client that registered itself, and Alice, who signed in; each of that at another one.
struct Stage {
    _upstream: FakeUpstream,
    cluster: Cluster,
    replicas: Vec<SocketAddr>,
    client: String,
    browser: Browser,
}

struct Tokens {
    access: String,
    refresh: String,
}

impl Stage {
    async fn set() -> Option<Self> {
        let upstream = FakeUpstream::legacy().await;
        let cluster = Cluster::of(&[server("a", &upstream)]).await?;
        let replicas: Vec<SocketAddr> = cluster.replicas.iter().map(Process::address).collect();
        let metadata = json!({
            "redirect_uris": [CALLBACK], "client_name": "Tool", "token_endpoint_auth_method": "none",
        });
        let made = Ask::post("/register", &metadata).send(replicas[0]).await;
        assert_eq!(made.status, 201, "{made:?}");
        let client = made.json()["client_id"].as_str().unwrap().to_owned();
        let mut browser = Browser::of(Actor::at(replicas[1]));
        let signed_in = browser.signs_in_with(ALICE, "/connect").await;
        assert_eq!(signed_in.status, 303, "{signed_in:?}");
        Some(Self {
            _upstream: upstream,
            cluster,
            replicas,
            client,
            browser,
        })
    }

    /// Alice lets the client in: asked for at one replica, agreed to at another.
    async fn code(&mut self) -> String {
        let query = encoded(&[
            ("response_type", "code"),
            ("client_id", &self.client),
            ("redirect_uri", CALLBACK),
            ("state", "af0ifjsldkj"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        let begun = self.browser.get(&format!("/authorize?{query}")).await;
        let path = sent(&begun);
        let mut browser = self.browser.moved_to(Actor::at(self.replicas[2]));
        let page = browser.get(&path).await;
        let back = if page.status == 303 {
            // She agreed before.
            sent(&page)
        } else {
            let token = form_token(&page, &path);
            let fields = [("token", &*token), ("decision", "allow")];
            sent(&browser.post(&path, &fields).await)
        };
        let back = url::Url::parse(&back).unwrap();
        let parameters: HashMap<_, _> = back.query_pairs().into_owned().collect();
        parameters["code"].clone()
    }

    async fn redeem(&self, replica: usize, code: &str) -> Reply {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", &self.client),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        token(self.replicas[replica], &encoded(&form)).await
    }

    async fn refresh(&self, replica: usize, refresh: &str) -> Reply {
        token(self.replicas[replica], &self.refreshing(refresh)).await
    }

    fn refreshing(&self, refresh: &str) -> String {
        encoded(&[
            ("grant_type", "refresh_token"),
            ("client_id", &self.client),
            ("refresh_token", refresh),
        ])
    }

    async fn tokens(&mut self, replica: usize) -> Tokens {
        let code = self.code().await;
        let given = self.redeem(replica, &code).await;
        assert_eq!(given.status, 200, "{given:?}");
        read(&given)
    }

    /// How each replica meets a token.
    async fn met(&self, access: &str) -> Vec<u16> {
        let mut met = Vec::new();
        for replica in &self.replicas {
            let reply = Ask::initialize("/mcp").bearer(access).send(*replica).await;
            met.push(reply.status);
        }
        met
    }

    async fn is_good_everywhere(&self, access: &str) {
        // A replica that started a moment ago learns of the keys of the others with its next look.
        eventually("the token is good everywhere", async || {
            self.met(access).await == [200, 200, 200]
        })
        .await;
    }

    async fn is_good_nowhere(&self, access: &str) {
        eventually("the token is good nowhere", async || {
            self.met(access).await == [401, 401, 401]
        })
        .await;
    }
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

async fn token(replica: SocketAddr, form: &str) -> Reply {
    Ask::new("POST", "/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send(replica)
        .await
}

#[track_caller]
fn sent(reply: &Reply) -> String {
    assert_eq!(reply.status, 303, "{reply:?}");
    reply.header("location").unwrap().to_owned()
}

#[track_caller]
fn refused(reply: &Reply) {
    assert_eq!(reply.status, 400, "{reply:?}");
    assert_eq!(reply.json()["error"], "invalid_grant", "{reply:?}");
}

fn read(reply: &Reply) -> Tokens {
    let text = |name: &str| reply.json()[name].as_str().unwrap().to_owned();
    Tokens {
        access: text("access_token"),
        refresh: text("refresh_token"),
    }
}

/// PKCE-04.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_redeemed_at_another_replica_and_a_second_time_nowhere() {
    let Some(mut stage) = Stage::set().await else {
        return;
    };
    let code = stage.code().await;
    let given = stage.redeem(0, &code).await;
    assert_eq!(given.status, 200, "{given:?}");
    let tokens = read(&given);
    stage.is_good_everywhere(&tokens.access).await;
    // Whoever brings it again, wherever, ends what the first one got.
    refused(&stage.redeem(1, &code).await);
    stage.is_good_nowhere(&tokens.access).await;
    refused(&stage.refresh(2, &tokens.refresh).await);
    stage.cluster.end().await;
}

/// PKCE-04: at the same moment at all of them.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_redeem_a_code_at_all_replicas_at_once_one_gets_tokens_at_most() {
    let Some(mut stage) = Stage::set().await else {
        return;
    };
    for _ in 0..3 {
        let code = stage.code().await;
        let mut crowd = JoinSet::new();
        for number in 0..12 {
            let replica = stage.replicas[number % 3];
            let form = encoded(&[
                ("grant_type", "authorization_code"),
                ("client_id", &stage.client),
                ("code", &code),
                ("redirect_uri", CALLBACK),
                ("code_verifier", VERIFIER),
            ]);
            crowd.spawn(async move { token(replica, &form).await });
        }
        let replies = crowd.join_all().await;
        let (given, not): (Vec<_>, Vec<_>) = replies.iter().partition(|it| it.status == 200);
        assert!(given.len() <= 1, "{given:?}");
        for reply in not {
            refused(reply);
        }
        for reply in given {
            stage.is_good_nowhere(&read(reply).access).await;
        }
    }
    stage.cluster.end().await;
}

/// PKCE-20: one of the two who had the same refresh token is a thief, wherever either comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_comes_again_at_another_replica_ends_the_family_everywhere() {
    let Some(mut stage) = Stage::set().await else {
        return;
    };
    let first = stage.tokens(0).await;
    let mut family = vec![first];
    for replica in [1, 2, 0] {
        let last = &family.last().unwrap().refresh;
        let next = stage.refresh(replica, last).await;
        assert_eq!(next.status, 200, "{next:?}");
        family.push(read(&next));
    }
    for tokens in &family {
        stage.is_good_everywhere(&tokens.access).await;
    }
    // The one before the last, at a replica that gave neither.
    refused(&stage.refresh(1, &family[2].refresh).await);
    for tokens in &family {
        stage.is_good_nowhere(&tokens.access).await;
    }
    for replica in 0..3 {
        refused(&stage.refresh(replica, &family[3].refresh).await);
    }
    // Another grant of the same person to the same client stands on its own.
    let other = stage.tokens(2).await;
    stage.is_good_everywhere(&other.access).await;
    stage.cluster.end().await;
}

/// At the same moment at all of them: one family never has two ends.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_refresh_at_all_replicas_at_once_one_gets_the_next_at_most() {
    let Some(mut stage) = Stage::set().await else {
        return;
    };
    let tokens = stage.tokens(1).await;
    let mut crowd = JoinSet::new();
    for number in 0..12 {
        let replica = stage.replicas[number % 3];
        let form = stage.refreshing(&tokens.refresh);
        crowd.spawn(async move { token(replica, &form).await });
    }
    let replies = crowd.join_all().await;
    let given: Vec<_> = replies.iter().filter(|it| it.status == 200).collect();
    assert!(given.len() <= 1, "{given:?}");
    // The others were taken for thieves.
    for reply in given {
        refused(&stage.refresh(0, &read(reply).refresh).await);
    }
    stage.is_good_nowhere(&tokens.access).await;
    stage.cluster.end().await;
}

/// A replica that is killed takes no flow along.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_replica_gave_is_redeemed_and_refreshed_at_the_others() {
    let Some(mut stage) = Stage::set().await else {
        return;
    };
    let tokens = stage.tokens(0).await;
    stage.is_good_everywhere(&tokens.access).await;
    let code = stage.code().await;
    // It agreed to the code; the first one gave the tokens.
    stage.cluster.kill(2).await;
    stage.cluster.kill(0).await;
    let left = stage.replicas[1];
    let given = stage.redeem(1, &code).await;
    assert_eq!(given.status, 200, "{given:?}");
    let next = stage.refresh(1, &tokens.refresh).await;
    assert_eq!(next.status, 200, "{next:?}");
    for reply in [&given, &next] {
        let access = read(reply).access;
        let met = Ask::initialize("/mcp").bearer(&access).send(left).await;
        assert_eq!(met.status, 200, "{met:?}");
    }
    stage.cluster.end().await;
}
