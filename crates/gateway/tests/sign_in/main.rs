//! People who sign in with a browser, and decide what applications may do for them.

#[cfg(test)]
mod acting;
#[cfg(test)]
mod consent;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod key;
#[cfg(test)]
mod provider;
#[cfg(test)]
mod scopes;
#[cfg(test)]
mod support;
