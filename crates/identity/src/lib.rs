#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod answers;
mod arrival;
mod authentication;
mod authn;
pub mod authorization_server;
mod brought;
mod certificate;
mod client_certificates;
mod cookies;
mod directory;
mod document;
mod end_user;
mod extract;
mod failures;
mod file_keys;
mod follow;
mod introspection;
mod issuer;
mod issuers;
mod jwks_cache;
mod jwks_fetch;
mod key_admin;
mod key_form;
mod key_index;
mod key_seal;
mod login_assertion;
mod master_key;
mod on_behalf;
mod opaque_subject;
mod own_credentials;
mod person;
mod revocation_admin;
mod revocation_seal;
mod revocation_set;
mod revocations;
mod seal_parts;
mod sign_in;
mod store_keys;
mod stranger;
mod subject_check;
mod try_out;
mod turns;

pub use arrival::Arrival;
pub use authentication::Authentication;
pub use authn::{
    Authenticated, Authenticator, AuthnError, AuthnErrorKind, CredentialSource, Presented,
};
pub use certificate::{ClientCertificate, UnreadableCertificate, certificate_end};
pub use client_certificates::{CertificateRule, ClientCertificates, certificate_id};
pub use directory::{
    Changed, Defined, Directory, DirectoryAdmin, DirectoryError, FileDirectory, Listed, MemberRole,
    Shown, Toolset, entry_seal, is_unlimited,
};
pub use end_user::END_USER;
pub use extract::{AUTHORIZATION, KEY_HEADERS, extract};
pub use failures::FailureThrottle;
pub use file_keys::{FileKey, FileKeyError, FileKeySecret, FileKeys};
pub use follow::{Followed, FreshnessSettings, follow};
pub use introspection::{ClientAuth, Introspection, IntrospectionSettings};
pub use issuer::{ClaimNames, IssuerGrants, TrustedIssuer};
pub use issuers::TokenIssuers;
pub use jwks_cache::{JwksCache, JwksSettings, JwksUnavailable};
pub use jwks_fetch::JwksSource;
pub use key_admin::{
    ChangedKey, CreatedKey, KeyAdmin, KeyAdminError, KeyChange, KeySelector, ListedKey, NewKey,
    PreparedKey, Revocable,
};
pub use key_form::{KeyForm, MintedKey, PREFIX, key_mac, mint};
pub use key_index::{KeyIndex, OwnKey};
pub use key_seal::key_seal;
pub use master_key::{EmptyMasterKey, MasterKey};
pub use opaque_subject::{Judged, Told};
pub use person::{Asserted, KeyHolder, Person, PersonScopes, Proved, TrustedProvider, Vouching};
pub use revocation_admin::{
    Altered, ListedRevocation, NewRevocation, RevocationAdmin, RevocationError, Revoke,
};
pub use revocation_seal::revocation_seal;
pub use revocations::Revocations;
pub use sign_in::{
    Arrived, BrowserSession, BrowserSessions, Consent, ConsentError, Consents, IdTokens, NoSession,
    Provider, ProviderSettings, SignIn, SignInFault,
};
pub use store_keys::StoreKeys;
pub use stranger::Stranger;
pub use subject_check::SubjectCheck;
pub use try_out::NoAnswer;

// What the administrations speak in, so that a surface needs no store to use them.
pub use portcullis_store::{
    ApiKeyRecord, EntryKind, Page, PageRequest, RevocationRecord, RevokedTarget,
};
