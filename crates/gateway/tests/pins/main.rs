//! Tools that are not what they were when they were first seen: told from outside, at every door.

#[cfg(test)]
mod administration;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod command_line;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod modes;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod support;
