//! A credential on its way to a request.

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
}

/// The same, kept for the end of a session.
#[derive(Debug)]
pub(crate) struct Kept(pub(crate) UpstreamCredential);

impl Presents for Kept {
    fn present(&self, request: Unsent<'_>) -> Result<(), NotPresented> {
        Presenting(&self.0).present(request)
    }
}
