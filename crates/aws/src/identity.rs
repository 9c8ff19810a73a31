//! Where access keys come from.

use std::path::PathBuf;

use portcullis_core::Clock;
use portcullis_egress::{Destination, HttpClient};
use url::Url;

use crate::sts;
use crate::{AccessKeys, AwsError, TemporaryKeys};

/// One identity at AWS, resolved: nothing is looked for anywhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What it begins with.
    pub source: Source,
    /// The role that is assumed with it, if one is.
    pub role: Option<Role>,
    /// Where temporary keys are asked for.
    pub sts: StsEndpoint,
}

/// What an identity begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Keys of the operator's own.
    Keys(AccessKeys),
    /// A token that somebody else signed, kept in a file that they renew.
    WebIdentity(WebIdentity),
}

/// `AssumeRoleWithWebIdentity`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebIdentity {
    /// Where the token is; read anew for each request, because it is short-lived and renewed there.
    pub token_file: PathBuf,
    /// The role that trusts the token's issuer.
    pub role_arn: String,
    /// What the session is called in AWS's logs.
    pub session_name: String,
}

/// `AssumeRole`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Which role.
    pub arn: String,
    /// What the session is called in AWS's logs.
    pub session_name: String,
    /// What the role's owner asks for, so that nobody else can send us there (the confused deputy).
    pub external_id: Option<String>,
}

/// The Security Token Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StsEndpoint {
    /// Its address.
    pub url: Url,
    /// The region that requests to it are signed for.
    pub region: String,
    /// Who chose the address, and hence how far it is trusted.
    pub chosen_by: Destination,
}

impl Identity {
    /// The keys, if they are fixed ones.
    pub const fn fixed(&self) -> Option<&AccessKeys> {
        match (&self.source, &self.role) {
            (Source::Keys(keys), None) => Some(keys),
            _ => None,
        }
    }

    /// Asks the Security Token Service, once for each step. `None` for fixed keys.
    pub async fn assume(
        &self,
        http: &dyn HttpClient,
        clock: &dyn Clock,
    ) -> Result<Option<TemporaryKeys>, AwsError> {
        let first = match &self.source {
            Source::Keys(_) => None,
            Source::WebIdentity(web) => Some(sts::with_web_identity(http, &self.sts, web).await?),
        };
        let Some(role) = &self.role else {
            return Ok(first);
        };
        let keys = match (&first, &self.source) {
            (Some(temporary), _) => &temporary.keys,
            (None, Source::Keys(keys)) => keys,
            (None, Source::WebIdentity(_)) => return Err(AwsError::BadResponse),
        };
        sts::assume_role(http, clock, &self.sts, keys, role)
            .await
            .map(Some)
    }
}
