//! Stories about the trail.

pub(super) mod fixture;
mod guard;
mod manipulation;
mod property;
mod retention;
mod trail;
