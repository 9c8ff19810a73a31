//! The transports that clients come through beside plain Streamable HTTP.

#[cfg(test)]
mod batches;
#[cfg(test)]
mod bridge;
#[cfg(test)]
mod sse;
#[cfg(test)]
mod support;
