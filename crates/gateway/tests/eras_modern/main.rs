//! Clients of 2026-07-28 and servers that open with `initialize`.

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod departures;
#[cfg(test)]
mod listening;
#[cfg(test)]
mod questions;
#[cfg(test)]
mod support;
#[cfg(test)]
mod together;
