#![doc = include_str!("../README.md")]

mod admin;
mod admission;
mod challenge;
mod client_metadata;
mod debug;
mod delegation;
mod forwarded;
mod frontage;
pub mod handover;
mod headers;
mod health;
mod layers;
pub mod listen;
mod mcp;
mod oauth;
mod openapi;
mod origin;
mod own_credential;
mod pages;
mod protected_resource;
mod query;
mod reply;
mod rest;
mod router;
mod server_book;
mod signer_documents;
mod state;
mod wrong_method;

pub use admin::key_bodies;
pub use admin::reload::{NotReloaded, Reload};
pub use admin::revocation_bodies;
pub use debug::DebugHeaders;
pub use forwarded::Forwarded;
pub use frontage::{Frontage, ResourceFacts};
pub use health::{Probe, Readiness, ReadinessReport};
pub use layers::{Guarded, HostRule, OriginRule};
pub use openapi::openapi_json;
pub use router::{admin_router, router, sole_server_router};
pub use server_book::{
    Approval, BookError, ChangedKey, ChangedServer, ConfigurationDiff, DefinedServer, NewServer,
    Provenance, ServerBook, Verdict,
};
pub use signer_documents::{PublishedKeys, SignerFacts};
pub use state::{ServerDeps, ServerState};
