#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod certificate;
mod digest;
mod entropy;
mod error_kind;
mod forwarded;
mod grants;
mod ids;
mod inbound;
mod network;
mod principal;
mod rate;
mod scope;
mod seal;
mod secret;
mod shares;
mod spelling;
mod time;
mod trusted_origin;

pub use certificate::CertificateName;
pub use digest::{Sha256, constant_time_eq, hex, sha256};
pub use entropy::{Entropy, EntropyUnavailable, SeededEntropy, Stocked, SystemEntropy};
pub use error_kind::ErrorKind;
pub use forwarded::{
    Brought, ForwardedHeader, ForwardedHeaders, Withheld, is_forwardable, normal_header_name,
};
pub use grants::{ALL_TOOLS, Level, LevelKind, ServerGrants, ToolGrants, ToolsByServer, Toolsets};
pub use ids::{
    ApprovalId, KeyId, PrincipalId, ReplicaId, RequestId, RevocationId, ServerId, ToolName,
};
pub use inbound::{OnBehalf, SubjectToken};
pub use network::{AddressRange, InvalidRange, Side, network_of};
pub use principal::{CredentialMarks, Principal, PrincipalKind, Role, SubjectKind, TokenMarks};
pub use rate::{Rate, gcra};
pub use scope::{InvalidScope, ScopeSet};
pub use seal::{Purpose, SealError, Sealer};
pub use secret::{AccessToken, ApiKey, ClientSecret, RefreshToken, SecretValue};
pub use shares::Shares;
pub use spelling::found_in_json;
pub use time::{Clock, InvalidTimestamp, ManualClock, SystemClock, Timestamp};
pub use trusted_origin::{InvalidTrustedOrigin, TrustedOrigin, plain_host_and_port};
