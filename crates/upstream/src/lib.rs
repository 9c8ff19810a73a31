#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod channel;
mod era;
mod error;
mod handshake;
mod line;
mod openapi;
mod pending;
mod probe;
mod server;
mod session;
mod sessions;
mod sse;
mod stateless;
mod stdio;
mod stream;
mod streamable;
mod transport;
mod upstream;

pub use error::{UpstreamError, UpstreamErrorKind};
pub use openapi::{DocumentSource, OpenApiEndpoint};
pub use pending::{Owner, Restored};
pub use probe::{own_meta, own_meta_text};
pub use server::{Endpoint, ProtocolChoice, UpstreamServer};
pub use session::{LegacySession, SessionReply};
pub use sessions::Closing;
pub use stdio::{Processes, StdioEnv, StdioServer};
pub use stream::EventStream;
pub use transport::{Means, NotPresented, Outgoing, Presents, Reply, Unsent};
pub use upstream::{SessionWish, Upstream};
