//! Authorization codes.

use portcullis_oauth::authorization::PkceChallenge;
use serde::{Deserialize, Serialize};

/// What a code stands for.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Code {
    pub(super) grant: String,
    pub(super) client: String,
    pub(super) redirect_uri: String,
    pub(super) challenge: PkceChallenge,
}
