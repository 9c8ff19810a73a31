//! What users and attackers do on the MCP path, told on the real router in front of real sockets.

#[cfg(test)]
mod aggregate;
#[cfg(test)]
mod aws;
#[cfg(test)]
mod breaking_off;
#[cfg(test)]
mod capable;
#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod changed_lists;
#[cfg(test)]
mod consent;
#[cfg(test)]
mod downgrades;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod forwarded;
#[cfg(test)]
mod hello_and_goodbye;
#[cfg(test)]
mod herds;
#[cfg(test)]
mod id_jag;
#[cfg(test)]
mod interactive;
#[cfg(test)]
mod legacy;
#[cfg(test)]
mod modern;
#[cfg(test)]
mod on_behalf;
#[cfg(test)]
mod opaque_subjects;
#[cfg(test)]
mod questions;
#[cfg(test)]
mod refused_streams;
#[cfg(test)]
mod removed_servers;
#[cfg(test)]
mod rest;
#[cfg(test)]
mod rest_waits;
#[cfg(test)]
mod revoked;
#[cfg(test)]
mod shared_names;
#[cfg(test)]
mod shared_resources;
#[cfg(test)]
mod signer;
#[cfg(test)]
mod silent_hosts;
#[cfg(test)]
mod slow_readers;
#[cfg(test)]
mod sockets;
#[cfg(test)]
mod statuses;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tasks;
#[cfg(test)]
mod tokens;
