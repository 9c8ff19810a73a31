//! What happens to a tool that is not what it was when it was first seen.

/// `on_drift` of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnDrift {
    /// It is served, and nobody is told.
    Allow,
    /// It is served, and the operator is told.
    #[default]
    Warn,
    /// It is neither listed nor called until somebody has approved it.
    Block,
}

impl OnDrift {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Allow, Self::Warn, Self::Block];

    /// The word of the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Block => "block",
        }
    }

    /// By its word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}
