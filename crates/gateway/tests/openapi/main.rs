//! OpenAPI documents as servers: what their tools call, what comes back, and what attackers try.

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod support;
