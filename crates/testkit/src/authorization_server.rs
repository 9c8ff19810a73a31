//! An authorization server of somebody else, on a loopback port, with everything that one may do
//! differently from the next: where its metadata is, what it says there, how it knows its clients, and
//! what it answers at each step.

mod endpoints;
mod guard;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use url::Url;

use crate::upstream::{FakeUpstream, Gate, Recorded, Reply};

pub use guard::Protected;

/// The server. It ends when it is dropped.
#[derive(Debug)]
pub struct FakeAuthorizationServer {
    http: FakeUpstream,
    shared: Arc<Shared>,
}

/// What an authorization response says of `iss` (RFC 9207).
#[derive(Clone, Debug, Default)]
pub enum Iss {
    /// Nothing.
    #[default]
    Unsaid,
    /// Its own issuer.
    Own,
    /// This.
    Exactly(String),
}

/// How the server behaves.
#[derive(Clone, Debug)]
pub struct Manners {
    /// Where the metadata is.
    pub metadata_at: Vec<String>,
    /// What it says.
    pub metadata: Value,
    /// `iss` in authorization responses.
    pub iss: Iss,
    /// The person, or the server, refuses with this code.
    pub refuses: Option<&'static str>,
    /// `expires_in` of tokens; `None`: not said.
    pub expires_in: Option<i64>,
    /// Whether refresh tokens are given.
    pub refreshes: bool,
    /// Further members of token responses.
    pub also: Value,
    /// Instead of what `/register` would answer: a status and a body.
    pub registration: Option<(u16, String)>,
    /// Instead of what `/token` would answer.
    pub tokens: Option<(u16, String)>,
    /// What `/token` waits for before it answers.
    pub tokens_wait: Option<Gate>,
    /// What `/revoke` waits for before it answers.
    pub revocations_wait: Option<Gate>,
}

#[derive(Debug)]
struct Shared {
    origin: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    manners: Manners,
    clients: HashMap<String, Known>,
    codes: HashMap<String, Granted>,
    tokens: BTreeMap<String, Granted>,
    refresh_tokens: BTreeMap<String, Granted>,
    made: usize,
    /// `jti` of every client assertion.
    assertions: BTreeSet<String>,
    /// Queries of authorization requests.
    asked: Vec<BTreeMap<String, String>>,
}

/// A client that it knows.
#[derive(Clone, Debug, Default)]
struct Known {
    secret: Option<String>,
    method: String,
    /// Where it may be answered; `None`: it was registered by hand, for wherever it asks from.
    redirect_uris: Option<Vec<String>>,
}

impl Known {
    fn comes_back_to(&self, uri: &str) -> bool {
        let listed = self.redirect_uris.as_ref();
        listed.is_none_or(|listed| listed.iter().any(|own| own == uri))
    }
}

/// What was granted.
#[derive(Clone, Debug, Default)]
struct Granted {
    client_id: String,
    redirect_uri: String,
    challenge: String,
    resource: String,
    scopes: BTreeSet<String>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn issuer(&self) -> String {
        let state = self.state();
        let issuer = state.manners.metadata.get("issuer");
        let issuer = issuer.and_then(Value::as_str);
        issuer.unwrap_or(&self.origin).to_owned()
    }
}

impl FakeAuthorizationServer {
    /// A server that takes everything that MCP asks of one, with metadata as RFC 8414 has it.
    pub async fn start() -> Self {
        let http = FakeUpstream::legacy().await;
        let origin = format!("http://{}", http.address());
        let metadata = json!({
            "issuer": origin,
            "authorization_endpoint": format!("{origin}/authorize"),
            "token_endpoint": format!("{origin}/token"),
            "registration_endpoint": format!("{origin}/register"),
            "revocation_endpoint": format!("{origin}/revoke"),
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
        });
        let state = State {
            manners: Manners {
                metadata_at: vec!["/.well-known/oauth-authorization-server".to_owned()],
                metadata,
                iss: Iss::Unsaid,
                refuses: None,
                expires_in: Some(3600),
                refreshes: true,
                also: json!({}),
                registration: None,
                tokens: None,
                tokens_wait: None,
                revocations_wait: None,
            },
            clients: HashMap::new(),
            codes: HashMap::new(),
            tokens: BTreeMap::new(),
            refresh_tokens: BTreeMap::new(),
            made: 0,
            assertions: BTreeSet::new(),
            asked: Vec::new(),
        };
        let shared = Arc::new(Shared {
            origin,
            state: Mutex::new(state),
        });
        let answering = Arc::clone(&shared);
        http.first(move |request| answering.answer(request));
        Self { http, shared }
    }

    /// Its origin, which is its issuer as long as nothing else is said.
    pub fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// Changes how it behaves from now on.
    pub fn manners(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.shared.state().manners);
    }

    /// A client that was registered by hand; its method is `client_secret_basic` or another.
    pub fn knows(&self, client_id: &str, secret: Option<&str>, method: &str) {
        let known = Known {
            secret: secret.map(str::to_owned),
            method: method.to_owned(),
            redirect_uris: None,
        };
        let mut state = self.shared.state();
        state.clients.insert(client_id.to_owned(), known);
    }

    /// Forgets every client, as a server that was set up anew would.
    pub fn forget_clients(&self) {
        self.shared.state().clients.clear();
    }

    /// Forgets every token, or all but refresh tokens.
    pub fn end_tokens(&self, refresh_too: bool) {
        let mut state = self.shared.state();
        state.tokens.clear();
        if refresh_too {
            state.refresh_tokens.clear();
        }
    }

    /// A person opens an authorization request and agrees: the query that they are sent back with.
    ///
    /// # Panics
    /// When the request is not one that this server would answer.
    pub fn agrees(&self, url: &Url) -> String {
        assert!(
            url.as_str().starts_with(&self.shared.origin),
            "somebody else's: {url}"
        );
        self.shared.agree(url)
    }

    /// A refresh token that a client got elsewhere, for this `resource`.
    pub fn grants(&self, client_id: &str, resource: &str) -> String {
        let granted = Granted {
            client_id: client_id.to_owned(),
            resource: resource.to_owned(),
            ..Granted::default()
        };
        let mut state = self.shared.state();
        state.made += 1;
        let refresh = format!("upstream-refresh-{}", state.made);
        state.refresh_tokens.insert(refresh.clone(), granted);
        refresh
    }

    /// The same, with the path that they are sent back to.
    ///
    /// # Panics
    /// As [`agrees`](Self::agrees) does.
    pub fn sends_back(&self, url: &Url) -> String {
        let query = self.agrees(url);
        let asked = endpoints::query(url);
        let back = asked
            .get("redirect_uri")
            .and_then(|uri| Url::parse(uri).ok());
        format!("{}?{query}", back.as_ref().map_or("", Url::path))
    }

    /// Whether the client of an authorization request is known with the address that it wants to be
    /// answered at. Where it is not, nobody is asked and nobody is sent anywhere.
    pub fn knows_the_way_back(&self, url: &Url) -> bool {
        let asked = endpoints::query(url);
        let of = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
        let state = self.shared.state();
        let known = state.clients.get(of("client_id"));
        known.is_some_and(|known| known.comes_back_to(of("redirect_uri")))
    }

    /// The queries of all authorization requests, in order.
    pub fn asked(&self) -> Vec<BTreeMap<String, String>> {
        self.shared.state().asked.clone()
    }

    /// The token requests, as forms.
    pub fn token_forms(&self) -> Vec<BTreeMap<String, String>> {
        let seen = self.http.seen("TOKEN");
        seen.iter().map(|one| endpoints::form(&one.body)).collect()
    }

    /// Everything that arrived.
    pub fn requests(&self) -> Vec<Recorded> {
        self.http.requests()
    }

    /// What arrived at a path.
    pub fn at(&self, path: &str) -> Vec<Recorded> {
        let mut requests = self.http.requests();
        requests.retain(|one| one.path.split('?').next() == Some(path));
        requests
    }

    /// How many tokens it stands behind now, refresh tokens among them.
    pub fn alive(&self) -> usize {
        let state = self.shared.state();
        state.tokens.len() + state.refresh_tokens.len()
    }

    /// Whether it stands behind a token now.
    pub fn stands_behind(&self, token: &str) -> bool {
        self.shared.state().tokens.contains_key(token)
    }
}

impl Shared {
    fn answer(&self, request: &Recorded) -> Reply {
        let path = request.path.split('?').next().unwrap_or_default();
        match (request.http_method.as_str(), path) {
            ("POST", "/register") => self.register(request),
            ("POST", "/token") => {
                let gate = self.state().manners.tokens_wait.clone();
                let reply = self.token(request);
                match gate {
                    Some(gate) => Reply::After(gate, Box::new(reply)),
                    None => reply,
                }
            }
            ("POST", "/revoke") => {
                let gate = self.state().manners.revocations_wait.clone();
                let reply = self.revoke(request);
                match gate {
                    Some(gate) => Reply::After(gate, Box::new(reply)),
                    None => reply,
                }
            }
            ("GET", "/authorize") => {
                let url = format!("{}{}", self.origin, request.path);
                match Url::parse(&url) {
                    Ok(url) => {
                        let back = endpoints::query(&url);
                        let to = back.get("redirect_uri").cloned().unwrap_or_default();
                        Reply::redirect(302, &format!("{to}?{}", self.agree(&url)))
                    }
                    Err(_) => Reply::status(400),
                }
            }
            ("GET", path) => {
                let state = self.state();
                let known = state.manners.metadata_at.iter().any(|at| at == path);
                if known {
                    Reply::json(200, state.manners.metadata.to_string())
                } else {
                    Reply::status(404)
                }
            }
            _ => Reply::status(404),
        }
    }
}
