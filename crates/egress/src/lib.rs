#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod address;
mod body;
mod client;
mod connect;
mod dialer;
mod error;
mod hops;
mod policy;
mod roots;

pub use address::{AddressClass, class, is_loopback};
pub use body::{RequestBody, ResponseBody};
pub use client::{EgressClient, Settings};
pub use dialer::Dialer;
pub use error::{EgressError, EgressErrorKind};
pub use hops::{Connected, Hops, Resolved, Secured};
pub use policy::{Destination, EgressPolicy};
pub use roots::{RootSource, RootsError};

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
