//! Servers that know people: a person is sent to the server's authorization server, grants us access
//! there, and is from then on who our requests for them are made as (RFC 6749 §4.1).
//!
//! What joins a browser that comes back with the flow that sent it away is one value that is good
//! once, found by what the browser was sent with and by a cookie of that browser together. A token is
//! presented for exactly the principal whose browser brought it, and nothing of it ever leaves
//! towards a client.

mod account;
mod arrival;
mod authorization_server;
mod brought;
mod callback;
mod client;
mod connections;
mod departure;
mod disconnect;
mod finds;
mod first_use;
mod flow;
mod giving_back;
mod holder;
mod keeper;
mod place;
mod probe;
mod refresh;
mod refusal;
mod registration;
mod row;
mod scopes;
mod terms;
mod try_out;
mod unclaimed;

pub use arrival::{Arrived, NotArrived, WhyNot};
pub use brought::NotKept;
pub use connections::{Connection, ConnectionDeps, Connections};
pub use departure::Departure;
pub use disconnect::Disconnected;
pub use refusal::Refusal;
pub use terms::{AuthorizationCode, Document, Resource, client_document};
pub use try_out::{FoundForPeople, find_authorization_server};
pub use unclaimed::Claims;

pub(crate) use place::Granted;
