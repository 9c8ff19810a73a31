#![doc = include_str!("../README.md")]

mod aws;
mod binaries;
mod dialogue;
mod driver;
mod foreign;
mod gateway;
mod issuer;
mod judges;
mod key_proxy;
mod page;
mod person;
mod post;
mod process;
mod stack;
mod under_test;
mod verifier;
mod web;

pub use aws::{Keys, Moto, Role, Rules, signed};
pub use binaries::{binary, look_in, workspace};
pub use dialogue::{Reader, converse, hold, opening};
pub use driver::{Driver, Target, visit_foreign};
pub use foreign::ForeignServers;
pub use gateway::{Gateway, KEY};
pub use issuer::{Issuer, Protected};
pub use judges::{Judges, browser};
pub use key_proxy::{KeyProxy, Recorded};
pub use person::{Arrival, Person};
pub use post::{Answer, Headers, call_tool, get_json, post};
pub use process::{Process, free_port, http_get};
pub use stack::{Fixture, Stack};
pub use under_test::{Scenario, visit};
pub use verifier::Verifier;
