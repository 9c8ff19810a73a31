//! An identity at AWS. The rows of a server and of `secrets.aws` are the same.

use super::{Key, Kind};

pub(crate) const ACCESS_KEY_ID: Key = Key::new(
    "aws_access_key_id",
    Kind::Text,
    "Access key id. Without keys here: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` of the environment, else `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_ROLE_ARN`. Profiles and instance metadata are not asked.",
);
pub(crate) const SECRET_ACCESS_KEY: Key =
    Key::new("aws_secret_access_key", Kind::Secret, "Its secret.");
pub(crate) const SESSION_TOKEN: Key = Key::new(
    "aws_session_token",
    Kind::Secret,
    "The session token of temporary keys.",
);
pub(crate) const REGION: Key = Key::new(
    "aws_region_name",
    Kind::Text,
    "Region to sign for. When absent: what the address of a `bedrock-agentcore` server says, `AWS_REGION`, `AWS_DEFAULT_REGION`, `us-east-1`.",
);
pub(crate) const ROLE: Key = Key::new(
    "aws_role_name",
    Kind::Text,
    "ARN of a role that is assumed first; with `aws_web_identity_token_file` the role that trusts the token's issuer.",
)
.restricts();
pub(crate) const SESSION_NAME: Key = Key::new(
    "aws_session_name",
    Kind::Text,
    "What the session of that role is called in AWS's logs.",
)
.default("portcullis");
pub(crate) const EXTERNAL_ID: Key = Key::new(
    "aws_external_id",
    Kind::Text,
    "External id that the role's owner asks for.",
);
pub(crate) const TOKEN_FILE: Key = Key::new(
    "aws_web_identity_token_file",
    Kind::FilePath,
    "File with the token of a web identity, read anew whenever keys are asked for.",
);
pub(crate) const STS_ENDPOINT: Key = Key::new(
    "aws_sts_endpoint",
    Kind::Url,
    "The Security Token Service; when absent the region's own.",
);
