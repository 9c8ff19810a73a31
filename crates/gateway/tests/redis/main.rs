//! Gateways on one database with Redis beside it: what they share there, and what becomes of them without it.

#[cfg(test)]
mod away;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod support;
