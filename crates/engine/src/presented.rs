//! What was presented for one call, all of it: a call may take several messages, and their credentials
//! need not be one. None of them may come back to the caller.

use portcullis_credentials::UpstreamCredential;

/// Most that are looked for besides the first; beyond it the oldest of them is forgotten.
const MOST: usize = 16;

/// The credentials of one call, in the order in which they were presented.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presented {
    /// The one that the server worked with.
    first: Option<UpstreamCredential>,
    /// Those of later messages. Hardly any call has any.
    later: Vec<UpstreamCredential>,
}

impl Presented {
    /// One more.
    pub(crate) fn add(&mut self, credential: Option<UpstreamCredential>) {
        let Some(credential) = credential else {
            return;
        };
        if self.first.is_none() {
            self.first = Some(credential);
            return;
        }
        if self.later.len() >= MOST {
            self.later.remove(0);
        }
        self.later.push(credential);
    }

    /// Whether a text repeats one of them.
    pub(crate) fn appears_in(&self, text: &[u8]) -> bool {
        let mut all = self.first.iter().chain(&self.later);
        all.any(|credential| credential.appears_in(text))
    }
}

impl From<Option<UpstreamCredential>> for Presented {
    fn from(first: Option<UpstreamCredential>) -> Self {
        Self {
            first,
            later: Vec::new(),
        }
    }
}
