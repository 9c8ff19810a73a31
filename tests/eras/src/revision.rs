//! The revisions, the transports, and which has which.

use std::fmt;

/// A revision of the protocol, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// HTTP+SSE and stdio.
    V2024_11_05,
    /// Streamable HTTP, batches.
    V2025_03_26,
    /// Structured results, elicitation.
    V2025_06_18,
    /// Elicitation by URL.
    V2025_11_25,
    /// Without sessions.
    V2026_07_28,
}

impl Revision {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
        Self::V2026_07_28,
    ];

    /// Its date.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision of this date.
    pub fn of(date: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == date)
    }

    /// Whether it knows no sessions.
    pub fn is_modern(self) -> bool {
        self == Self::V2026_07_28
    }

    /// Whether later requests of a session name it in a header.
    pub fn has_header(self) -> bool {
        self >= Self::V2025_06_18
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Streamable HTTP.
    Http,
    /// One event stream of all messages to the client, single posts to the server.
    Sse,
    /// Lines of a child process.
    Stdio,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Http, Self::Sse, Self::Stdio];

    /// What people call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Sse => "HTTP+SSE",
            Self::Stdio => "stdio",
        }
    }
}

/// One side of a conversation: what it speaks, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Face {
    /// What it speaks.
    pub revision: Revision,
    /// How its messages travel.
    pub transport: Transport,
}

impl Face {
    /// Every pair that exists: Streamable HTTP came with 2025-03-26, and HTTP+SSE, though of
    /// 2024-11-05, is in use with every later revision that has sessions.
    pub fn all() -> Vec<Self> {
        let every = Revision::ALL.into_iter().flat_map(|revision| {
            Transport::ALL.into_iter().map(move |transport| Self {
                revision,
                transport,
            })
        });
        every
            .filter(|face| match face.transport {
                Transport::Http => face.revision > Revision::V2024_11_05,
                Transport::Sse => !face.revision.is_modern(),
                Transport::Stdio => true,
            })
            .collect()
    }

    /// A name that fits into a path and a configuration.
    pub fn name(self) -> String {
        let transport = match self.transport {
            Transport::Http => "http",
            Transport::Sse => "sse",
            Transport::Stdio => "stdio",
        };
        format!("v{}_{transport}", self.revision.as_str().replace('-', "_"))
    }
}

impl fmt::Display for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.revision, self.transport.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirteen_faces_exist() {
        let faces = Face::all();
        assert_eq!(faces.len(), 13);
        let oldest = faces
            .iter()
            .filter(|face| face.revision == Revision::V2024_11_05);
        assert!(oldest.clone().all(|face| face.transport != Transport::Http));
        assert_eq!(oldest.count(), 2);
    }
}
