#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod body;
mod error;
mod policy;

pub use body::{RequestBody, ResponseBody};
pub use error::{EgressError, EgressErrorKind};
pub use policy::{Destination, EgressPolicy};

use async_trait::async_trait;

/// The only way out of the house.
///
/// Implementations never follow a redirect, never read proxy variables from the environment, check
/// the address that the socket really connects to, and bound every wait and every size.
#[async_trait]
pub trait HttpClient: Send + Sync + std::fmt::Debug {
    /// Sends one request under `policy` and returns when the response head has arrived. Dropping
    /// the future or the response body cancels the exchange.
    async fn send(
        &self,
        request: http::Request<RequestBody>,
        policy: &EgressPolicy,
    ) -> Result<http::Response<ResponseBody>, EgressError>;
}
