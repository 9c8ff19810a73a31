//! An authorization server (and metadata host) on a real loopback socket, which says what a story
//! wants and remembers what it was asked.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::in_time;

#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) form: HashMap<String, String>,
}

#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(body: impl Into<String>) -> Self {
        Self::status(200, body)
    }

    pub(crate) fn status(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

struct State {
    seen: Mutex<Vec<Seen>>,
    /// Answers to come at `/token`; when there are none, each request gets a fresh hour-long token.
    script: Mutex<VecDeque<Answer>>,
    documents: Mutex<HashMap<String, Answer>>,
    open: watch::Sender<bool>,
    issued: Mutex<u32>,
}

#[derive(Clone)]
pub(crate) struct AuthorizationServer {
    pub(crate) origin: String,
    state: Arc<State>,
}

impl AuthorizationServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            origin: format!("http://{}", listener.local_addr().unwrap()),
            state: Arc::new(State {
                seen: Mutex::default(),
                script: Mutex::default(),
                documents: Mutex::default(),
                open: watch::Sender::new(true),
                issued: Mutex::default(),
            }),
        };
        let state = server.state.clone();
        TaskTracker::new().spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let state = state.clone();
                TaskTracker::new().spawn(async move {
                    let service =
                        hyper::service::service_fn(move |request| answer(state.clone(), request));
                    let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(socket), service)
                        .await;
                });
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("{}{path}", self.origin)).unwrap()
    }

    /// The next answer at `/token`.
    pub(crate) fn next(&self, answer: Answer) {
        self.state.script.lock().unwrap().push_back(answer);
    }

    pub(crate) fn publish(&self, path: &str, answer: Answer) {
        let mut documents = self.state.documents.lock().unwrap();
        documents.insert(path.to_owned(), answer);
    }

    /// From now on requests are received and not answered.
    pub(crate) fn hold(&self) {
        self.state.open.send_replace(false);
    }

    pub(crate) fn release(&self) {
        self.state.open.send_replace(true);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.path).collect()
    }

    pub(crate) fn token_requests(&self) -> usize {
        self.paths().iter().filter(|path| *path == "/token").count()
    }

    /// Returns when the endpoint has received this many token requests.
    pub(crate) async fn received(&self, count: usize) {
        let received = async {
            while self.token_requests() < count {
                tokio::task::yield_now().await;
            }
        };
        in_time(received).await;
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let path = head.uri.path().to_owned();
    state.seen.lock().unwrap().push(Seen {
        path: path.clone(),
        headers: head.headers,
        form: url::form_urlencoded::parse(&body).into_owned().collect(),
    });
    state
        .open
        .subscribe()
        .wait_for(|is_open| *is_open)
        .await
        .unwrap();
    let published = state.documents.lock().unwrap().get(&path).cloned();
    let answer = match published {
        Some(document) => document,
        None if path == "/token" => {
            let scripted = state.script.lock().unwrap().pop_front();
            scripted.unwrap_or_else(|| {
                let mut issued = state.issued.lock().unwrap();
                *issued += 1;
                Answer::json(token(&format!("token-{issued}"), "3600"))
            })
        }
        None => Answer::status(404, "nothing here"),
    };
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::from(answer.body)).unwrap())
}

/// A token response.
pub(crate) fn token(token: &str, expires_in: &str) -> String {
    format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{expires_in}}}"#)
}
