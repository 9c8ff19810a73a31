//! Three processes on one database behind a balancer that sends every request to the next one: nobody in
//! front of them can tell that they are three, and what one of them held ends cleanly with it.

#[cfg(test)]
mod flows;
#[cfg(test)]
mod gone;
#[cfg(test)]
mod handles;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod letters;
#[cfg(test)]
mod parked;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod sse;
#[cfg(test)]
mod stateless;
#[cfg(test)]
mod support;

/// The same suite runs on PostgreSQL in `replicas_on_postgres`, and with Redis beside it in
/// `replicas_on_redis`.
#[cfg(test)]
const ON_POSTGRES: bool = false;
#[cfg(test)]
const ON_REDIS: bool = false;
