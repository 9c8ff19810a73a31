//! Calls that somebody has to approve: how they wait, who decides, and that an approval is good for one
//! call and nothing else.

#[cfg(test)]
mod calls;
#[cfg(test)]
mod deciding;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod on_behalf;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod support;
