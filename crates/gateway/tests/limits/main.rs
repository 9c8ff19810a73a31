//! How much whoever may do: told from outside, at every door.

#[cfg(test)]
mod administration;
#[cfg(test)]
mod concurrency;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod money;
#[cfg(test)]
mod parked;
#[cfg(test)]
mod rates;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod support;
