//! What the server does with a request.

use std::fmt;

use tokio::sync::{mpsc, watch};

use super::Recorded;

/// An answer, or what takes its place.
#[derive(Debug)]
pub enum Reply {
    /// What a decent server would do.
    Default,
    /// A whole response.
    Whole {
        /// The status.
        status: u16,
        /// Its headers.
        headers: Vec<(String, String)>,
        /// Its body.
        body: String,
    },
    /// A body that is written step by step.
    Steps {
        /// Its media type.
        content_type: &'static str,
        /// In this order.
        steps: Vec<Step>,
    },
    /// No answer, ever; the connection stays open.
    Hang,
    /// The connection is closed without an answer.
    Close,
    /// Another reply, when the gate opens.
    After(Gate, Box<Self>),
}

/// A part of a body.
#[derive(Debug)]
pub enum Step {
    /// These bytes, in one write.
    Bytes(String),
    /// Nothing until the gate opens.
    Wait(Gate),
    /// Nothing more, and no end either.
    Hang,
    /// The connection breaks.
    Reset,
    /// Whatever the story sends, until it lets go.
    Live(mpsc::UnboundedReceiver<String>),
}

impl Reply {
    /// A whole response.
    pub fn whole(status: u16, content_type: &str, body: impl Into<String>) -> Self {
        Self::Whole {
            status,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: body.into(),
        }
    }

    /// A JSON response.
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        Self::whole(status, "application/json", body)
    }

    /// A bare status.
    pub fn status(status: u16) -> Self {
        Self::Whole {
            status,
            headers: Vec::new(),
            body: String::new(),
        }
    }

    /// A redirect.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::status(status).header("location", location)
    }

    /// The JSON-RPC result of a request, as JSON text.
    pub fn result(request: &Recorded, result: &str) -> Self {
        Self::json(200, answer(request, result))
    }

    /// A JSON-RPC error.
    pub fn error(request: &Recorded, status: u16, error: &str) -> Self {
        Self::json(
            status,
            format!(
                r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#,
                request.id()
            ),
        )
    }

    /// An event stream.
    pub fn events(steps: Vec<Step>) -> Self {
        Self::Steps {
            content_type: "text/event-stream",
            steps,
        }
    }

    /// The same answer on a stream of its own.
    pub fn result_event(request: &Recorded, result: &str) -> Step {
        Step::Bytes(event(&answer(request, result)))
    }

    /// Another header on a whole response.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Whole { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

fn answer(request: &Recorded, result: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#,
        request.id()
    )
}

/// An event with this message.
pub fn event(data: &str) -> String {
    format!("event: message\ndata: {data}\n\n")
}

/// An event that a client can resume after.
pub fn event_with_id(id: &str, data: &str) -> String {
    format!("id: {id}\nevent: message\ndata: {data}\n\n")
}

/// Closed until it is opened, then open for ever.
#[derive(Clone)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// A closed gate.
    pub fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Lets everybody through.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) async fn passed(&self) {
        let mut open = self.0.subscribe();
        // The sender is part of `self`, so it cannot be gone.
        let _ = open.wait_for(|open| *open).await;
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gate").field(&*self.0.borrow()).finish()
    }
}
