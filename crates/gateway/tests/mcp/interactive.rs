//! People who connect accounts of their own, at an authorization server of somebody else's.

mod arrivals;
mod clients;
mod discovery;
mod finding;
mod given_back;
mod keeping;
mod replicas;
mod rings;
mod scopes;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use portcullis_core::{ManualClock, PrincipalId, ServerGrants, ServerId};
use portcullis_credentials::{
    Arrived, Connection, CredentialError, CredentialErrorKind, Departure, NotArrived, ServerAuth,
};
use portcullis_testkit::authorization_server::{FakeAuthorizationServer, Protected};
use portcullis_testkit::upstream::FakeUpstream;

use super::support::{Answer, Client, House, server};

const REDIRECT: &str = "http://localhost:4000/callback";
const NOW: i64 = 1_795_000_000_000;

/// A gateway in front of one server whose people connect their own accounts.
struct Stage {
    upstream: FakeUpstream,
    authorization: FakeAuthorizationServer,
    rules: Arc<Mutex<Protected>>,
    clock: Arc<ManualClock>,
    house: House,
    /// Somebody who sees nothing, and whether the gateway lets them in.
    watch: Client,
}

/// Somebody with a key.
struct Person {
    client: Client,
    id: PrincipalId,
}

/// The server `a`, with further keys.
fn entry(upstream: &FakeUpstream, more: &[&str]) -> String {
    let mut lines = vec!["auth_type: oauth2", "oauth2_flow: authorization_code"];
    lines.extend(more);
    server("a", upstream, &lines)
}

async fn person(house: &House, name: &str) -> Person {
    let grants = ServerGrants {
        all: true,
        ..ServerGrants::default()
    };
    let created = house.mint(name, grants).await;
    Person {
        client: house.client(created.key.expose()).at("/mcp/a"),
        id: PrincipalId::from(format!("key:{}", created.record.id)),
    }
}

fn auth(house: &House) -> ServerAuth {
    let snapshot = house.embedded.gateway().snapshot();
    snapshot.servers()[0].auth.clone()
}

async fn begin(house: &House, person: &Person) -> Result<Departure, CredentialError> {
    let connections = house.embedded.connections();
    let auth = auth(house);
    let begun = connections.begin(&auth, &person.id, REDIRECT, "/connect/a");
    begun.await
}

/// The path that a flow comes back to.
fn back_to(departure: &Departure) -> String {
    let mut asked = departure.url.query_pairs();
    let back = asked.find(|(name, _)| name == "redirect_uri");
    let uri = url::Url::parse(&back.unwrap().1).unwrap();
    uri.path().to_owned()
}

/// What a browser sends back of what it was given.
fn cookie(departure: &Departure) -> &str {
    departure.cookie.split(';').next().unwrap()
}

async fn arrive(
    house: &House,
    person: &Person,
    query: &str,
    cookie: &str,
) -> Result<Arrived, NotArrived> {
    arrive_at(house, person, "/callback/a", query, cookie).await
}

async fn arrive_at(
    house: &House,
    person: &Person,
    path: &str,
    query: &str,
    cookie: &str,
) -> Result<Arrived, NotArrived> {
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, HeaderValue::try_from(cookie).unwrap());
    let auth = auth(house);
    let find = move |id: &ServerId| (auth.server == *id).then(|| auth.clone());
    let connections = house.embedded.connections();
    let arrived = connections.arrive(&person.id, path, query, &headers, find);
    arrived.await
}

async fn connect(
    house: &House,
    authorization: &FakeAuthorizationServer,
    person: &Person,
) -> Arrived {
    let departure = begin(house, person).await.unwrap();
    let query = authorization.agrees(&departure.url);
    let path = back_to(&departure);
    let arrived = arrive_at(house, person, &path, &query, cookie(&departure));
    arrived.await.unwrap()
}

async fn status(house: &House, person: &Person) -> Option<Connection> {
    let connections = house.embedded.connections();
    connections.status(&"a".into(), &person.id).await.unwrap()
}

/// The call went through, and with this person's own token.
fn is_good(answer: &Answer) {
    assert!(answer.json()["result"].is_object(), "{answer:?}");
}

/// The last request wanted its caller to connect an account, and nothing else happened.
async fn wanted_consent(house: &House) {
    let events = house.request_events().await;
    assert_eq!(events.last().unwrap()["outcome"], "consent_required");
}

impl Stage {
    async fn set(more: &[&str]) -> Self {
        let upstream = FakeUpstream::legacy().await;
        Self::around(upstream, FakeAuthorizationServer::start().await, "", more).await
    }

    async fn around(
        upstream: FakeUpstream,
        authorization: FakeAuthorizationServer,
        sections: &str,
        more: &[&str],
    ) -> Self {
        let rules = authorization.protects(&upstream);
        let clock = Arc::new(ManualClock::at_millis(NOW));
        let servers = [entry(&upstream, more)];
        let house = House::by_clock(Arc::clone(&clock), sections, &servers).await;
        let watch = house.limited("watch", &[], &[]).await;
        Self {
            upstream,
            authorization,
            rules,
            clock,
            house,
            watch,
        }
    }

    fn rules(&self) -> MutexGuard<'_, Protected> {
        self.rules.lock().unwrap()
    }

    async fn person(&self, name: &str) -> Person {
        person(&self.house, name).await
    }

    async fn begin(&self, person: &Person) -> Result<Departure, CredentialError> {
        begin(&self.house, person).await
    }

    /// Why nobody can be sent anywhere.
    async fn refused(&self, person: &Person) -> CredentialErrorKind {
        self.begin(person).await.unwrap_err().kind
    }

    async fn arrive(
        &self,
        person: &Person,
        query: &str,
        cookie: &str,
    ) -> Result<Arrived, NotArrived> {
        arrive(&self.house, person, query, cookie).await
    }

    async fn connect(&self, person: &Person) -> Arrived {
        connect(&self.house, &self.authorization, person).await
    }

    async fn call(&self, person: &Person) -> Answer {
        person.client.call("echo", "{}").await
    }

    /// A call that goes through; the token that it went with.
    async fn token_of(&self, person: &Person) -> String {
        is_good(&self.call(person).await);
        let seen = self.upstream.last("tools/call");
        let value = seen.header("authorization").unwrap();
        value.strip_prefix("Bearer ").unwrap().to_owned()
    }

    async fn wants_consent(&self, person: &Person) {
        let before = self.upstream.count("tools/call");
        self.call(person).await;
        wanted_consent(&self.house).await;
        assert_eq!(self.upstream.count("tools/call"), before);
    }

    /// Time goes by, and the gateway has looked at its lists since.
    async fn later(&self, span: Duration) {
        self.clock.advance(span);
        let fresh = async || self.watch.rpc("ping", "{}").await.status == 200;
        portcullis_testkit::eventually("the gateway has fresh lists", fresh).await;
    }

    /// What was found of the authorization server is too old to be believed.
    fn searches_anew(&self) {
        self.clock.advance(Duration::from_mins(1));
    }

    async fn end(self) {
        self.house.end().await;
    }
}
