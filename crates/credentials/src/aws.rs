//! Temporary keys of AWS, kept where tokens are kept.

use portcullis_aws::{AwsError, Identity, Source};
use portcullis_core::Sha256;

use crate::CredentialErrorKind;
use crate::auth::digest_of;
use crate::broker::Door;
use crate::error::Failure;
use crate::slot::Outcome;
use crate::token::{Moment, Token};

/// What keys are cached by: everything that they depend on. Servers with one identity share them.
pub(crate) fn cache_key(identity: &Identity) -> [u8; 32] {
    let key = Sha256::new().part(b"aws");
    let key = match &identity.source {
        Source::Keys(keys) => key.part(b"keys").part(keys.fingerprint()),
        Source::WebIdentity(web) => key
            .part(b"web")
            .part(web.token_file.as_os_str().as_encoded_bytes())
            .part(web.role_arn.as_bytes())
            .part(web.session_name.as_bytes()),
    };
    let key = match &identity.role {
        None => key.part(b""),
        Some(role) => key
            .part(role.arn.as_bytes())
            .part(role.session_name.as_bytes())
            .part(role.external_id.as_deref().unwrap_or_default().as_bytes()),
    };
    let sts = &identity.sts;
    key.part(sts.url.as_str().as_bytes())
        .part(sts.region.as_bytes())
        .part(&digest_of(sts.chosen_by))
        .finish()
}

/// The role that is assumed, for logs; no secret.
pub(crate) fn who(identity: &Identity) -> &str {
    match (&identity.role, &identity.source) {
        (Some(role), _) => &role.arn,
        (None, Source::WebIdentity(web)) => &web.role_arn,
        (None, Source::Keys(keys)) => keys.id(),
    }
}

impl Door {
    /// Asks the Security Token Service.
    pub(crate) async fn assume(&self, identity: &Identity) -> Outcome {
        let requested = Moment::now(&*self.clock);
        match identity.assume(&*self.http, &*self.clock).await {
            Ok(Some(temporary)) => Ok(Token::from_aws(temporary, requested).into()),
            // Fixed keys are asked of nobody.
            Ok(None) => Err(Failure::new(CredentialErrorKind::BadResponse)),
            Err(error) => Err(error.into()),
        }
    }
}

impl From<AwsError> for Failure {
    fn from(error: AwsError) -> Self {
        let kind = match error {
            AwsError::Egress(error) => return error.into(),
            AwsError::Refused { status, code } => CredentialErrorKind::AwsRefused { status, code },
            AwsError::Unavailable(_) | AwsError::Late => CredentialErrorKind::Unavailable,
            AwsError::BadResponse => CredentialErrorKind::BadResponse,
            AwsError::Address | AwsError::Signing(_) => CredentialErrorKind::NotAllowed,
            AwsError::TokenFile(_) | AwsError::NoToken => CredentialErrorKind::NoWebIdentity,
        };
        Self::new(kind).because(error)
    }
}
