//! Secrets are a different substance: no `Display`, no `Serialize`, a `Debug` that says nothing,
//! memory wiped on drop, and one greppable way to the text: `expose()`.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::digest::{constant_time_eq, sha256};

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(SecretString);

        impl $name {
            /// Takes ownership of the secret text.
            pub fn new(text: impl Into<String>) -> Self {
                Self(SecretString::from(text.into()))
            }

            /// The secret text, for the one place that must have it.
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }

            /// The SHA-256 of the whole text: what caches are keyed by, never a prefix.
            pub fn fingerprint(&self) -> [u8; 32] {
                sha256(self.expose().as_bytes())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                constant_time_eq(self.expose().as_bytes(), other.expose().as_bytes())
            }
        }

        impl Eq for $name {}
    };
}

secret! {
    /// A key that a caller presents to us.
    ApiKey
}
secret! {
    /// An OAuth access token, ours or an upstream's.
    AccessToken
}
secret! {
    /// An OAuth refresh token.
    RefreshToken
}
secret! {
    /// An OAuth client's secret.
    ClientSecret
}
secret! {
    /// Any other secret value: a static header, a password, key material as text.
    SecretValue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints_itself() {
        let token = AccessToken::new("canary-8d1f");
        assert_eq!(format!("{token:?}"), "AccessToken(redacted)");
        assert_eq!(format!("{:?}", Some(&token)), "Some(AccessToken(redacted))");
        assert_eq!(token.expose(), "canary-8d1f");
    }
}
