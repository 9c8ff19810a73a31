//! What three processes do on one SQLite file (`replicas`), on one PostgreSQL database with Redis beside it.

#[cfg(test)]
#[path = "../replicas/flows.rs"]
mod flows;
#[cfg(test)]
#[path = "../replicas/gone.rs"]
mod gone;
#[cfg(test)]
#[path = "../replicas/handles.rs"]
mod handles;
#[cfg(test)]
#[path = "../replicas/keys.rs"]
mod keys;
#[cfg(test)]
#[path = "../replicas/letters.rs"]
mod letters;
#[cfg(test)]
#[path = "../replicas/parked.rs"]
mod parked;
#[cfg(test)]
#[path = "../replicas/sessions.rs"]
mod sessions;
#[cfg(test)]
#[path = "../replicas/sse.rs"]
mod sse;
#[cfg(test)]
#[path = "../replicas/stateless.rs"]
mod stateless;
#[cfg(test)]
#[path = "../replicas/support.rs"]
mod support;

#[cfg(test)]
const ON_POSTGRES: bool = true;
#[cfg(test)]
const ON_REDIS: bool = true;
