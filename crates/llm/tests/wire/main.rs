//! The room from outside: what one format says, as every other hears it.

#[cfg(test)]
mod golden;
#[cfg(test)]
mod pitfalls;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod support;
