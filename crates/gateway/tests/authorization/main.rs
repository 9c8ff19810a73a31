//! The authorization server, as clients, their people and thieves meet it.

#[cfg(test)]
mod stage;

#[cfg(test)]
mod assertions;
#[cfg(test)]
mod codes;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod endpoints;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod narrowing;
#[cfg(test)]
mod refreshing;
#[cfg(test)]
mod registering;
#[cfg(test)]
mod requests;
