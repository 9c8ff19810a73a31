//! An OpenAPI document as a server: it speaks 2026-07-28 within this process, and a call of a tool is
//! one request to the API.

mod call;
mod document;
mod messages;

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use portcullis_mcp::{Envelope, Kind, RpcError, code};

use self::call::ApiCalls;
use self::document::Documents;
pub use self::document::{DocumentSource, OpenApiEndpoint};
use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::server::UpstreamServer;
use crate::transport::{Means, Outgoing, Presents, Reply};

/// The one method for which anything leaves the process.
const CALL: &str = "tools/call";

/// Whether a method is answered within the process, so that nothing is presented for it.
pub(crate) fn answers_itself(method: &str) -> bool {
    method != CALL
}

/// The server that a document makes.
#[derive(Debug)]
pub(crate) struct OpenApiServer {
    server: Arc<UpstreamServer>,
    documents: Documents,
    calls: ApiCalls,
}

impl OpenApiServer {
    pub(crate) fn new(
        server: Arc<UpstreamServer>,
        endpoint: &OpenApiEndpoint,
        means: &Means,
    ) -> Self {
        Self {
            documents: Documents::new(&server, endpoint, means),
            calls: ApiCalls::new(Arc::clone(&server), Arc::clone(&means.client)),
            server,
        }
    }

    /// The document is read anew before it is used again.
    pub(crate) fn recheck(&self) {
        self.documents.recheck();
    }

    /// What is wrong with the document.
    pub(crate) async fn findings(&self) -> Result<Vec<String>, UpstreamError> {
        let api = self.documents.api().await?;
        Ok(api.findings().iter().map(ToString::to_string).collect())
    }

    /// Answers one message.
    pub(crate) async fn exchange(
        &self,
        presents: &dyn Presents,
        outgoing: Outgoing,
    ) -> Result<Reply, UpstreamError> {
        let bad = |_| self.server.error(UpstreamErrorKind::BadAnswer);
        let envelope = Envelope::parse(&outgoing.body).map_err(bad)?;
        let Kind::Request { id, method } = envelope.kind else {
            return Ok(Reply::Accepted);
        };
        let id = id.as_json();
        let api = self.documents.api().await?;
        let answered = match method {
            "server/discover" => Ok(messages::discover(&api)),
            "tools/list" => messages::list(&api, &envelope),
            CALL => {
                let called = self
                    .calls
                    .call(presents, &api, &envelope, &outgoing.headers);
                Box::pin(called).await?
            }
            other => Err(RpcError::new(
                code::METHOD_NOT_FOUND,
                format!("an OpenAPI document offers tools, and no {other}"),
            )),
        };
        Ok(match answered {
            Ok(members) => message(
                StatusCode::OK,
                format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{{members}}}}}"#),
            ),
            Err(error) => message(status_of(&error), error.response(Some(id))),
        })
    }
}

fn message(status: StatusCode, text: String) -> Reply {
    Reply::Message {
        status,
        body: text.into(),
    }
}

/// 2026-07-28 "Streamable HTTP": an unknown method is 404, everything else stays in-band.
fn status_of(error: &RpcError) -> StatusCode {
    if error.code == code::METHOD_NOT_FOUND {
        StatusCode::NOT_FOUND
    } else {
        StatusCode::OK
    }
}

/// What of a message's headers goes along to the API.
fn trace(headers: &HeaderMap) -> Option<&http::HeaderValue> {
    headers.get("traceparent")
}
