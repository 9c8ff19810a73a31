//! Stories about the trail.

pub(crate) mod fixture;
mod guard;
mod manipulation;
mod property;
mod retention;
mod trail;
