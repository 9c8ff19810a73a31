//! Servers that administrators define at run time, and those that members of a team submit.

#[cfg(test)]
mod changing;
#[cfg(test)]
mod closed;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod registry;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod submissions;
#[cfg(test)]
mod support;
#[cfg(test)]
mod trail;
#[cfg(test)]
mod trying;
