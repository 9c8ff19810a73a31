//! Clients with sessions in front of servers that open none (2026-07-28 alone).

#[cfg(test)]
mod calls;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod news;
#[cfg(test)]
mod questions;
#[cfg(test)]
#[path = "../mcp/support.rs"]
#[expect(
    dead_code,
    reason = "written for the stories of one era, of which these need a part"
)]
mod support;
