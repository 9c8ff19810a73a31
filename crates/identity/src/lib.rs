#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod authentication;
mod authn;
mod brought;
mod cookies;
mod document;
mod extract;
mod failures;
mod file_keys;
mod introspection;
mod issuer;
mod issuers;
mod jwks_cache;
mod jwks_fetch;
mod key_admin;
mod key_form;
mod key_index;
mod key_seal;
mod master_key;
mod on_behalf;
mod own_credentials;
mod store_keys;
mod stranger;

pub use authentication::Authentication;
pub use authn::{
    Authenticated, Authenticator, AuthnError, AuthnErrorKind, CredentialSource, Presented,
};
pub use extract::{AUTHORIZATION, KEY_HEADERS, extract};
pub use failures::FailureThrottle;
pub use file_keys::{FileKey, FileKeyError, FileKeySecret, FileKeys};
pub use introspection::{ClientAuth, Introspection, IntrospectionSettings};
pub use issuer::{ClaimNames, IssuerGrants, TrustedIssuer};
pub use issuers::TokenIssuers;
pub use jwks_cache::{JwksCache, JwksSettings, JwksUnavailable};
pub use jwks_fetch::JwksSource;
pub use key_admin::{CreatedKey, KeyAdmin, KeyAdminError, KeySelector, NewKey, Revocable};
pub use key_form::{KeyForm, MintedKey, PREFIX, key_mac, mint};
pub use key_index::{KeyIndex, KeyIndexSettings};
pub use key_seal::key_seal;
pub use master_key::{EmptyMasterKey, MasterKey};
pub use store_keys::StoreKeys;
pub use stranger::Stranger;

// What `KeyAdmin` speaks in, so that a surface needs no store to use it.
pub use portcullis_store::{ApiKeyRecord, Page, PageRequest};
