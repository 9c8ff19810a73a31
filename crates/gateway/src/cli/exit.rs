//! How the process ends. These numbers are a promise to scripts.

use std::process::ExitCode;

/// Shown at the end of `--help`.
pub const HELP: &str = "Exit codes:
  0  done
  1  failed: the operation was refused or went wrong
  2  usage or configuration error: nothing was done
  3  the gateway could not be reached
  4  the gateway did not accept the key, or the key may not do this";

/// How a command that ran to its end ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0.
    Done,
    /// 1: it has said why already.
    Failed,
    /// 2: it has said why already.
    Misconfigured,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0_u8,
            Exit::Failed => 1,
            Exit::Misconfigured => 2,
        })
    }
}

/// Why a command did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The configuration makes no sense; the text holds every finding.
    #[error("{0}")]
    Configuration(String),
    /// Nobody answers there.
    #[error("cannot reach the gateway at {url}")]
    Unreachable {
        /// The gateway's base URL.
        url: String,
        /// What happened on the way.
        #[source]
        source: portcullis_egress::EgressError,
    },
    /// 401, and nothing was presented.
    #[error("no key was given: set PORTCULLIS_API_KEY, or write --key")]
    NoKey,
    /// 401 or 403.
    #[error("the gateway refused with {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the gateway says about it.
        message: String,
    },
    /// Everything else.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

impl CommandError {
    /// The number that the process ends with.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.number())
    }

    /// What is written to standard error: the error with its causes, each said once.
    pub fn told(&self) -> String {
        // Every finding carries its own word and place.
        if let Self::Configuration(findings) = self {
            return findings.clone();
        }
        format!("error: {}", with_causes(self, "\n  because: "))
    }

    pub(crate) const fn number(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Configuration(_) => 2,
            Self::Unreachable { .. } => 3,
            Self::NoKey | Self::Refused { .. } => 4,
            Self::Failed(_) => 1,
        }
    }
}

/// An error and its causes; a cause whose words were said already is left out.
pub(crate) fn with_causes(error: &dyn std::error::Error, between: &str) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(because) = cause {
        let words = because.to_string();
        if !text.contains(&words) {
            text.push_str(between);
            text.push_str(&words);
        }
        cause = because.source();
    }
    text
}
