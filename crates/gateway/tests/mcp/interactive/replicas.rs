//! Several gateways on one store: any of them serves any step, and one of them renews.

use portcullis_core::{ServerId, SystemClock};
use portcullis_testkit::upstream::Gate;

use super::{
    FakeAuthorizationServer, FakeUpstream, House, Person, arrive, begin, connect, cookie, entry,
    is_good, person, wanted_consent,
};

/// Two gateways, and one person whom both know.
struct Two {
    upstream: FakeUpstream,
    authorization: FakeAuthorizationServer,
    rules: std::sync::Arc<std::sync::Mutex<super::Protected>>,
    first: House,
    second: House,
    _folder: tempfile::TempDir,
    database: std::path::PathBuf,
}

impl Two {
    async fn set() -> Self {
        let upstream = FakeUpstream::legacy().await;
        let authorization = FakeAuthorizationServer::start().await;
        let rules = authorization.protects(&upstream);
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("portcullis.db");
        let servers = [entry(&upstream, &[])];
        Self {
            first: House::beside(&database, &servers).await,
            second: House::beside(&database, &servers).await,
            upstream,
            authorization,
            rules,
            _folder: folder,
            database,
        }
    }

    /// The same person at the other gateway.
    fn at_second(&self, person: &Person) -> Person {
        Person {
            client: self.second.client(&person.client.key).at("/mcp/a"),
            id: person.id.clone(),
        }
    }

    /// A call at the second gateway, once it knows the key.
    async fn call_second(&self, person: &Person) -> super::Answer {
        let there = self.at_second(person);
        let known = async || {
            let answer = there.client.rpc("ping", "{}").await;
            answer.status == 200
        };
        portcullis_testkit::eventually("the second gateway knows the key", known).await;
        there.client.call("echo", "{}").await
    }

    async fn end(self, third: Option<House>) {
        let houses = [Some(self.first), Some(self.second), third];
        end_all(houses.into_iter().flatten().collect()).await;
    }
}

#[tokio::test]
async fn two_gateways_renew_a_token_once() {
    let two = Two::set().await;
    let alice = person(&two.first, "alice").await;
    // It has ended when it comes.
    two.authorization
        .manners(|manners| manners.expires_in = Some(0));
    connect(&two.first, &two.authorization, &alice).await;
    two.authorization
        .manners(|manners| manners.expires_in = Some(3600));
    let here = alice.client.clone();
    let (one, other) = tokio::join!(
        async { here.call("echo", "{}").await },
        two.call_second(&alice)
    );
    is_good(&one);
    is_good(&other);
    let forms = two.authorization.token_forms();
    let refreshes = forms
        .iter()
        .filter(|form| form["grant_type"] == "refresh_token");
    assert_eq!(refreshes.count(), 1);
    let seen = two.upstream.seen("tools/call");
    let tokens: std::collections::BTreeSet<_> = seen
        .iter()
        .map(|one| one.header("authorization").unwrap().to_owned())
        .collect();
    assert_eq!(tokens.len(), 1);
    Box::pin(two.end(None)).await;
}

/// What another gateway notes while a refresh token is being used up does not lose its successor.
#[tokio::test]
async fn scopes_that_are_wanted_meanwhile_do_not_lose_a_rotated_token() {
    let two = Two::set().await;
    let alice = person(&two.first, "alice").await;
    connect(&two.first, &two.authorization, &alice).await;
    is_good(&two.call_second(&alice).await);
    let gate = Gate::closed();
    let waits = gate.clone();
    two.authorization
        .manners(|manners| manners.tokens_wait = Some(waits));
    two.rules.lock().unwrap().refuses_all = true;
    let here = alice.client.clone();
    let tasks = tokio_util::task::TaskTracker::new();
    let renewing = tasks.spawn(async move { here.call("echo", "{}").await });
    let asked = async || two.authorization.token_forms().len() == 2;
    portcullis_testkit::eventually("the first gateway renews", asked).await;
    {
        let mut rules = two.rules.lock().unwrap();
        rules.refuses_all = false;
        rules.needs = [("tools/call".to_owned(), "more".to_owned())].into();
    }
    two.call_second(&alice).await;
    wanted_consent(&two.second).await;
    two.rules.lock().unwrap().needs = [].into();
    gate.open();
    is_good(&renewing.await.unwrap());
    let connection = super::status(&two.first, &alice).await.unwrap();
    assert_eq!(connection.wanted.to_string(), "more");
    // Its successor is there, and good.
    two.authorization.end_tokens(false);
    is_good(&alice.client.call("echo", "{}").await);
    assert_eq!(two.authorization.token_forms().len(), 3);
    Box::pin(two.end(None)).await;
}

/// Within a second: a version is looked at, not believed.
#[tokio::test]
async fn who_disconnects_at_one_gateway_is_not_called_for_at_another() {
    let two = Two::set().await;
    let alice = person(&two.first, "alice").await;
    connect(&two.first, &two.authorization, &alice).await;
    is_good(&two.call_second(&alice).await);
    let auth = super::auth(&two.first);
    let connections = two.first.embedded.connections();
    let ended = connections.disconnect(&auth, &alice.id).await.unwrap();
    assert!(ended.was_connected);
    let there = two.at_second(&alice);
    let over = async || {
        there.client.call("echo", "{}").await;
        let events = two.second.request_events().await;
        events.last().unwrap()["outcome"] == "consent_required"
    };
    portcullis_testkit::eventually("the second gateway asks for an account", over).await;
    wanted_consent(&two.second).await;
    Box::pin(two.end(None)).await;
}

/// Any gateway ends what another one began, also when the key ring was rotated in between.
#[tokio::test]
async fn a_flow_outlives_its_gateway_and_its_key() {
    let two = Two::set().await;
    let alice = person(&two.first, "alice").await;
    let departure = begin(&two.first, &alice).await.unwrap();
    let query = two.authorization.agrees(&departure.url);
    let ring = two.database.with_extension("keyring.json");
    let entropy = std::sync::Arc::new(portcullis_core::SystemEntropy);
    let rotating = portcullis_vault::KeyRing::load(&ring, entropy).unwrap();
    let before = rotating.active_key();
    let after = rotating.rotate(&SystemClock::start()).unwrap();
    assert_ne!(before, after);
    let third = House::beside(&two.database, &[entry(&two.upstream, &[])]).await;
    let arrived = arrive(&third, &alice, &query, cookie(&departure))
        .await
        .unwrap();
    assert_eq!(arrived.principal, alice.id);
    // What the third sealed with the new key opens there, and what the first sealed still opens.
    let record = &third.embedded.stores().connections;
    let found = record.get(&alice.id, &ServerId::from("a")).await.unwrap();
    let sealed = portcullis_vault::SealedBox::from_bytes(found.unwrap().sealed);
    assert_eq!(sealed.key_id(), Some(after));
    let there = Person {
        client: third.client(&alice.client.key).at("/mcp/a"),
        id: alice.id.clone(),
    };
    is_good(&there.client.call("echo", "{}").await);
    Box::pin(two.end(Some(third))).await;
}

/// A key of the file hands on its name, and not what its former holder connected with it.
#[tokio::test]
async fn whoever_gets_a_name_of_the_file_does_not_get_its_accounts() {
    let upstream = FakeUpstream::legacy().await;
    let authorization = FakeAuthorizationServer::start().await;
    let _rules = authorization.protects(&upstream);
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("portcullis.db");
    let of = async |value: &str, more: &str| {
        let sections =
            format!("identity:\n  keys: [{{id: desk, key: '{value}', all_servers: true{more}}}]\n");
        let house = House::beside_with(&database, &sections, &[entry(&upstream, &[])]).await;
        let person = Person {
            client: house.client(value).at("/mcp/a"),
            id: "key:file:desk".into(),
        };
        (house, person)
    };
    let (first, alice) = of("sk-of-alice-0123456789", "").await;
    connect(&first, &authorization, &alice).await;
    is_good(&alice.client.call("echo", "{}").await);
    // Begun as one holder and ended as the next.
    let begun = begin(&first, &alice).await.unwrap();
    let before = upstream.count("tools/call");
    let mut houses = vec![first];
    for (value, more) in [
        ("sk-of-mallory-0123456789", ""),
        ("sk-of-mallory-0123456789", ", user_id: mallory"),
    ] {
        let (house, mallory) = of(value, more).await;
        mallory.client.call("echo", "{}").await;
        wanted_consent(&house).await;
        assert_eq!(super::status(&house, &mallory).await, None);
        assert_eq!(upstream.count("tools/call"), before);
        houses.push(house);
    }
    let query = authorization.agrees(&begun.url);
    let not = arrive(&houses[1], &alice, &query, cookie(&begun)).await;
    not.unwrap_err();
    let (second, same) = of("sk-of-alice-0123456789", "").await;
    is_good(&same.client.call("echo", "{}").await);
    houses.push(second);
    // Where the file says whose key it is, its value may change.
    let (third, carol) = of("sk-of-carol-0123456789", ", user_id: carol").await;
    connect(&third, &authorization, &carol).await;
    let (fourth, carol) = of("sk-of-carol-9876543210", ", user_id: carol").await;
    is_good(&carol.client.call("echo", "{}").await);
    houses.extend([third, fourth]);
    end_all(houses).await;
}

/// The trail is one for all.
pub(super) async fn end_all(houses: Vec<House>) {
    let asked: Vec<usize> = houses.iter().map(House::asked).collect();
    let all: usize = asked.iter().sum();
    for (house, own) in houses.iter().zip(asked) {
        house.also_asked(all - own);
    }
    for house in houses {
        house.end().await;
    }
}

/// What was granted under looser terms is not used under stricter ones.
#[tokio::test]
async fn stricter_terms_count_for_what_is_there() {
    let upstream = FakeUpstream::legacy().await;
    let authorization = FakeAuthorizationServer::start().await;
    let _rules = authorization.protects(&upstream);
    authorization.manners(|manners| manners.also = serde_json::json!({"team": {"id": "T2"}}));
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("portcullis.db");
    let key = "sk-of-alice-0123456789";
    let sections = format!("identity:\n  keys: [{{id: alice, key: {key}, all_servers: true}}]\n");
    let under = async |terms: &[&str]| {
        let servers = [entry(&upstream, terms)];
        let house = House::beside_with(&database, &sections, &servers).await;
        let person = Person {
            client: house.client(key).at("/mcp/a"),
            id: "key:file:alice".into(),
        };
        (house, person)
    };
    let (first, alice) = under(&["scopes: [read, write]"]).await;
    connect(&first, &authorization, &alice).await;
    is_good(&alice.client.call("echo", "{}").await);
    let before = upstream.count("tools/call");
    let mut houses = vec![first];
    for stricter in [
        &["scopes: [read, write]", "token_validation: {team.id: T1}"][..],
        &["scopes: [read, write]", "audience: other"],
        &["scopes: [read]"],
    ] {
        let (house, alice) = under(stricter).await;
        alice.client.call("echo", "{}").await;
        wanted_consent(&house).await;
        assert_eq!(upstream.count("tools/call"), before, "{stricter:?}");
        houses.push(house);
    }
    for as_good in [
        &["scopes: [read, write, more]"][..],
        &["token_storage_ttl_seconds: 600"],
    ] {
        let (house, alice) = under(as_good).await;
        is_good(&alice.client.call("echo", "{}").await);
        houses.push(house);
    }
    end_all(houses).await;
}
