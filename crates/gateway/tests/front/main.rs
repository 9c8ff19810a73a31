//! The face that the gateway shows: what it calls itself, what it tells strangers, whom it takes
//! callers to be, and what it asks of them beyond a key.

#[cfg(test)]
mod debug;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod origin;
#[cfg(test)]
mod people;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod scopes;
#[cfg(test)]
mod sides;
#[cfg(test)]
mod support;
#[cfg(test)]
mod toolsets;
