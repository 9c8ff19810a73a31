#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod error;
mod handshake;
mod pending;
mod probe;
mod server;
mod session;
mod sessions;
mod stream;
mod transport;
mod upstream;

pub use error::{UpstreamError, UpstreamErrorKind};
pub use pending::{Owner, Restored};
pub use probe::{own_meta, own_meta_text};
pub use server::{ProtocolChoice, UpstreamServer};
pub use session::{LegacySession, SessionReply};
pub use sessions::Closing;
pub use stream::EventStream;
pub use transport::{NotPresented, Outgoing, Presents, Reply, Unsent};
pub use upstream::{SessionWish, Upstream};
