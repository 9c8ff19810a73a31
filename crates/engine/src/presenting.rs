//! A credential on its way to a request.

use std::sync::Arc;

use portcullis_credentials::{Finished, UpstreamCredential};
use portcullis_upstream::{NotPresented, Presents, Unsent};

/// Puts an upstream credential on a request without showing it to the upstream room.
#[derive(Debug)]
pub struct Presenting<'a>(pub &'a UpstreamCredential);

impl Presents for Presenting<'_> {
    fn present(&self, request: Unsent<'_>) -> Result<(), NotPresented> {
        let Unsent {
            method,
            uri,
            headers,
            body,
        } = request;
        let finished = Finished {
            method,
            uri,
            headers,
            body,
        };
        self.0
            .apply(finished)
            .map_err(|error| NotPresented(Box::new(error)))
    }

    fn account(&self) -> Option<[u8; 32]> {
        self.0.account()
    }

    fn is_one_callers(&self) -> bool {
        self.0.is_one_callers()
    }

    fn appears_in(&self, answer: &[u8]) -> bool {
        self.0.appears_in(answer)
    }

    fn keep(&self) -> Option<Arc<dyn Presents>> {
        Some(Arc::new(Kept(self.0.clone())))
    }
}

/// The same, kept for the end of a session.
#[derive(Debug)]
pub(crate) struct Kept(pub(crate) UpstreamCredential);

impl Presents for Kept {
    fn present(&self, request: Unsent<'_>) -> Result<(), NotPresented> {
        Presenting(&self.0).present(request)
    }

    fn is_one_callers(&self) -> bool {
        self.0.is_one_callers()
    }

    fn appears_in(&self, answer: &[u8]) -> bool {
        self.0.appears_in(answer)
    }

    fn keep(&self) -> Option<Arc<dyn Presents>> {
        Presenting(&self.0).keep()
    }
}
