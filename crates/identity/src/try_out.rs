//! Issuers, asked once on purpose, for whoever looks for a fault: the whole reason goes to the
//! operator who asked, where a caller would only learn that nobody knows.

use portcullis_egress::{Destination, HttpClient};
use portcullis_oauth::jose::{TokenFault, read_introspected};

use crate::document::exchange;
use crate::{Introspection, JwksSource};

/// Why there is no usable answer.
pub type NoAnswer = Box<dyn std::error::Error + Send + Sync>;

/// A token that nobody issued.
const NOBODYS: &str = "portcullis-asks-whether-you-answer";

impl JwksSource {
    /// Asks for the issuer's keys, with discovery before if need be. They are read and forgotten.
    pub async fn try_out(&self, http: &dyn HttpClient) -> Result<(), NoAnswer> {
        self.fetch(http).await.map(drop).map_err(Into::into)
    }
}

impl Introspection {
    /// Asks about a token that nobody issued: whoever says that it is not active has understood the
    /// question and accepted our credential.
    pub async fn try_out(&self) -> Result<(), NoAnswer> {
        let request = self
            .request(NOBODYS)
            .ok_or("the question cannot be put into a request")?;
        let destination = Destination::Operator {
            allow_insecure_http: self.settings.allow_insecure_http,
        };
        let asking = exchange(&*self.http, &self.settings.endpoint, destination, request);
        let body = asking.await?;
        match read_introspected(&body, &self.issuer.rules, None, self.clock.now()) {
            Err(TokenFault::Inactive) => Ok(()),
            Err(TokenFault::Malformed) => Err("the answer is no introspection response".into()),
            _ => Err("it calls a token active that nobody issued".into()),
        }
    }
}
