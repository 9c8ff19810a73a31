//! Why there are no keys, no answer, or no signature.

use portcullis_egress::EgressError;

/// A request that cannot be signed. Never holds a header's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// A header that is not text cannot be covered by the signature.
    #[error("a header of the request is not text, so it cannot be signed")]
    NotText,
    /// The address has no host, or the clock or the keys are not ones that can be written down.
    #[error("the request cannot be signed")]
    Unsignable,
}

/// AWS did not give what was asked for. Names no secret and nothing that AWS said in prose.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// It refused; `code` is one of the codes that are known.
    #[error("AWS refused the request (HTTP {status}{})", code.map(|code| format!(", {code}")).unwrap_or_default())]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The error code, if it is a known one.
        code: Option<&'static str>,
    },
    /// It cannot answer now.
    #[error("AWS cannot answer now (HTTP {0})")]
    Unavailable(u16),
    /// The answer has not the form that it should have.
    #[error("the answer of AWS has not the documented form")]
    BadResponse,
    /// The answer took too long.
    #[error("AWS took too long to answer")]
    Late,
    /// The address cannot be asked.
    #[error("the address of AWS's endpoint is not one that can be requested")]
    Address,
    /// The network gave no answer.
    #[error("AWS gave no answer")]
    Egress(#[from] EgressError),
    /// The web identity's token cannot be read.
    #[error("the web identity's token file cannot be read")]
    TokenFile(#[source] std::io::Error),
    /// The web identity's token is empty or no token.
    #[error("the web identity's token file holds no token")]
    NoToken,
    /// The request cannot be signed.
    #[error("no signature")]
    Signing(#[from] SigningError),
}

impl AwsError {
    /// Whether asking again later may help, without anybody changing anything.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Late | Self::Egress(_) => true,
            Self::Refused { code, .. } => matches!(
                code,
                Some("Throttling" | "ThrottlingException" | "RequestLimitExceeded")
            ),
            Self::BadResponse
            | Self::Address
            | Self::TokenFile(_)
            | Self::NoToken
            | Self::Signing(_) => false,
        }
    }
}

/// Codes that may be repeated in a log; what AWS says beside them may not.
const KNOWN: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "DecryptionFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IDPCommunicationError",
    "IDPRejectedClaim",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InternalFailure",
    "InternalServiceError",
    "InvalidClientTokenId",
    "InvalidIdentityToken",
    "InvalidParameterException",
    "InvalidRequestException",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "PackedPolicyTooLarge",
    "RegionDisabledException",
    "RequestExpired",
    "RequestLimitExceeded",
    "ResourceNotFoundException",
    "SignatureDoesNotMatch",
    "Throttling",
    "ThrottlingException",
    "UnrecognizedClientException",
    "ValidationError",
    "ValidationException",
];

/// The known code in what AWS calls a type or a code: without its namespace (`…#Code`) and without
/// the address behind it (`Code:http://…`).
pub fn known_error_code(text: &str) -> Option<&'static str> {
    let text = text.rsplit('#').next().unwrap_or(text);
    let text = text.split(':').next().unwrap_or(text).trim();
    KNOWN.iter().find(|known| **known == text).copied()
}
