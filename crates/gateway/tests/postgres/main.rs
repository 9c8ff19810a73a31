//! The real binary on a PostgreSQL server that stands still, is killed, and comes back.

#[cfg(test)]
mod killed;
#[cfg(test)]
mod still;
#[cfg(test)]
mod support;
