//! AWS as others wrote it: `moto` in the place of its services, `botocore` as who verifies signatures.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::verifier::ask;
use crate::{Judges, Process, Recorded, free_port, get_json, workspace};

/// Secrets Manager, the Security Token Service and who may ask them; it ends when dropped.
#[derive(Debug)]
pub struct Moto {
    port: u16,
    users: Users,
    _process: Process,
    _folder: TempDir,
}

/// Whom moto lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// Everybody, whatever they sign.
    None,
    /// Signatures are verified and policies asked.
    Kept,
}

/// Access keys.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Keys {
    /// The access key id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// The session token of temporary keys.
    #[serde(default)]
    pub token: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Users {
    gateway: Keys,
    assumer: Keys,
    operator: Keys,
}

/// A role that somebody assumed.
#[derive(Debug, Clone, Deserialize)]
pub struct Role {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    /// Which role.
    pub role_arn: String,
    /// What the session is called.
    pub session_name: String,
    /// What was said to be let in.
    pub external_id: Option<String>,
}

impl Role {
    /// The keys that were given for it.
    pub fn keys(&self) -> Keys {
        Keys {
            id: self.access_key_id.clone(),
            secret: self.secret_access_key.clone(),
            token: Some(self.session_token.clone()),
        }
    }
}

impl Moto {
    /// Starts it and waits until it answers. With rules it holds the secret `prod/app`.
    pub async fn start(judges: &Judges, rules: Rules) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let port = free_port().await?;
        let arguments = ["-m", "moto.server", "-p", &port.to_string()].map(str::to_owned);
        let mut process = Process::start(&judges.python(), &arguments, folder.path())?;
        process.ready(port, "/moto-api/data.json").await?;
        let mut moto = Self {
            port,
            users: Users::default(),
            _process: process,
            _folder: folder,
        };
        if rules == Rules::Kept {
            let users = moto.account(judges, "furnish", &Value::Null).await?;
            moto.users = serde_json::from_str(&users)?;
        }
        Ok(moto)
    }

    /// Every service's endpoint.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The keys of one who may read secrets.
    pub fn reader(&self) -> &Keys {
        &self.users.gateway
    }

    /// The keys of one who may only assume the role `mcp`, as `tenant-7`; the role may read secrets.
    pub fn assumer(&self) -> &Keys {
        &self.users.assumer
    }

    /// A new value of a secret, written by its operator with boto3.
    pub async fn put(&self, judges: &Judges, name: &str, fields: &Value) -> anyhow::Result<()> {
        let told = json!({"keys": self.users.operator, "name": name, "fields": fields});
        self.account(judges, "put", &told).await?;
        Ok(())
    }

    /// The roles that were assumed, in order.
    pub async fn roles(&self) -> anyhow::Result<Vec<Role>> {
        let mut data = get_json(self.port, "/moto-api/data.json").await?;
        let roles = data.pointer_mut("/sts/AssumedRole").map(Value::take);
        Ok(serde_json::from_value(roles.unwrap_or_else(|| json!([])))?)
    }

    async fn account(&self, judges: &Judges, verb: &str, told: &Value) -> anyhow::Result<String> {
        let script = workspace().join("tests/e2e/aws/account.py");
        let told = told.to_string();
        ask(
            judges,
            &judges.python(),
            &script,
            &[&self.url(), verb],
            &told,
        )
        .await
    }
}

/// The ids of the keys that signed these requests, if each is signed for `region` and `service` as
/// botocore would have signed it.
pub async fn signed(
    judges: &Judges,
    region: &str,
    service: &str,
    keys: &[Keys],
    requests: &[Recorded],
) -> anyhow::Result<Vec<String>> {
    let script = workspace().join("tests/e2e/aws/signatures.py");
    let told = json!({"region": region, "service": service, "keys": keys, "requests": requests});
    let said = ask(judges, &judges.python(), &script, &[], &told.to_string()).await?;
    Ok(serde_json::from_str(&said)?)
}
