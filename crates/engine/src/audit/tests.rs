//! Stories about the trail.

mod fixture;
mod guard;
mod manipulation;
mod property;
mod trail;
