//! What arrives at the socket: malformed, oversized, slow, smuggled, too much.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod crowds;
#[cfg(test)]
mod headers;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod support;
