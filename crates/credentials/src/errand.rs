//! What a credential is for, so that one that says so says no more than that.

/// What is about to be asked of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand<'a> {
    /// A request or notification of this MCP method.
    Method(&'a str),
    /// The session itself: its stream, its end, an answer to a question of the server.
    Session,
}

impl Errand<'_> {
    /// Opening a session: `initialize` and the notification that belongs to it.
    pub const OPEN: Self = Self::Method("initialize");
    /// Finding out which era a server speaks.
    pub const DISCOVER: Self = Self::Method("server/discover");
}
