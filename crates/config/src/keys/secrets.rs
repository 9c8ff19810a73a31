//! Stores of secrets.

use super::{Key, Kind, Section, aws};

pub(crate) static SECRETS: Section = Section {
    name: "secrets",
    doc: "Stores that references `vault:path#field` and `aws-sm:name#field` lead to, where a secret is asked for.",
    keys: &[
        Key::new("refresh", Kind::Span, "How often values are asked for again; a changed one is put in force like a changed file.").default("5m"),
        Key::new("max_stale", Kind::Span, "How long a value is used that its store does not give any more. After that what needs it is not served.").default("1h"),
        Key::new("vault", Kind::Section(&VAULT), "HashiCorp Vault, KV version 2."),
        Key::new("aws", Kind::Section(&AWS), "AWS Secrets Manager; `{}` takes everything from the environment."),
    ],
};

pub(crate) static VAULT: Section = Section {
    name: "secrets_vault",
    doc: "HashiCorp Vault. Its certificate is believed like any other server's: `server.ca_file` names an own authority.",
    keys: &[
        Key::new(
            "address",
            Kind::Url,
            "Its address; also `VAULT_ADDR`. Required.",
        ),
        Key::new(
            "namespace",
            Kind::Text,
            "Namespace; also `VAULT_NAMESPACE`.",
        ),
        Key::new(
            "mount",
            Kind::Text,
            "Where the KV version 2 engine is mounted.",
        )
        .default("secret"),
        Key::new(
            "auth",
            Kind::Choice(&["token", "approle", "kubernetes"]),
            "How we log in; told by the other keys when absent.",
        ),
        Key::new(
            "auth_mount",
            Kind::Text,
            "Where that method is mounted; when absent at its own name.",
        ),
        Key::new(
            "token",
            Kind::Secret,
            "Token; also `VAULT_TOKEN`. It is not renewed.",
        ),
        Key::new("role_id", Kind::Text, "AppRole; also `VAULT_ROLE_ID`."),
        Key::new(
            "secret_id",
            Kind::Secret,
            "Its secret id; also `VAULT_SECRET_ID`.",
        ),
        Key::new("role", Kind::Text, "Role of the Kubernetes method."),
        Key::new("token_file", Kind::FilePath, "The service account's token.")
            .default("/var/run/secrets/kubernetes.io/serviceaccount/token"),
        Key::new(
            "allow_insecure_http",
            Kind::Flag,
            "Accept plain http beyond loopback: secrets cross the network in the clear.",
        )
        .default("false"),
    ],
};

pub(crate) static AWS: Section = Section {
    name: "secrets_aws",
    doc: "AWS Secrets Manager. The secret is a JSON object, as the console writes it.",
    keys: &[
        aws::ACCESS_KEY_ID,
        aws::SECRET_ACCESS_KEY,
        aws::SESSION_TOKEN,
        aws::REGION,
        aws::ROLE,
        aws::SESSION_NAME,
        aws::EXTERNAL_ID,
        aws::TOKEN_FILE,
        aws::STS_ENDPOINT,
        Key::new(
            "aws_endpoint",
            Kind::Url,
            "Secrets Manager's endpoint; when absent the region's own.",
        ),
        Key::new(
            "allow_insecure_http",
            Kind::Flag,
            "Accept plain http beyond loopback: secrets cross the network in the clear.",
        )
        .default("false"),
    ],
};
