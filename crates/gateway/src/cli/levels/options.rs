//! What a command line says of a team, a person or an organization, as the members of a body.

use clap::Args;
use serde_json::{Map, Value, json};

use super::{ChangeArgs, Words};
use crate::cli::limits::LimitOptions;

/// Options that become members of a body.
pub trait Said {
    /// Puts what was said.
    fn say(&self, body: &mut Map<String, Value>);
}

/// What all of them have.
#[derive(Clone, Debug, Default, Args)]
pub struct LevelOptions {
    /// What people call it
    #[arg(long, value_name = "NAME")]
    pub alias: Option<String>,
    /// The only servers that it lets through, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub servers: Vec<String>,
    /// The access groups whose servers it lets through, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub access_groups: Vec<String>,
    /// The toolsets that it lets through, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub toolsets: Vec<String>,
    /// Whether whoever comes with it is refused
    #[arg(long, value_name = "YES", num_args = 0..=1, default_missing_value = "true")]
    pub blocked: Option<bool>,
    /// How much it may do.
    #[command(flatten)]
    pub limits: LimitOptions,
}

/// What only teams have.
#[derive(Clone, Debug, Default, Args)]
pub struct TeamOptions {
    /// The organization that it belongs to
    #[arg(long, value_name = "ID")]
    pub organization: Option<String>,
    /// All of its members, separated by commas; `NAME:admin` for one who administers it
    #[arg(long, value_name = "USERS", value_delimiter = ',')]
    pub members: Vec<String>,
}

/// What only people have.
#[derive(Clone, Debug, Default, Args)]
pub struct UserOptions {
    /// Their address
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
}

/// What only organizations have: nothing.
#[derive(Clone, Debug, Default, Args)]
pub struct OrganizationOptions {}

impl Said for TeamOptions {
    fn say(&self, body: &mut Map<String, Value>) {
        if let Some(organization) = &self.organization {
            body.insert("organization_id".to_owned(), organization.as_str().into());
        }
        if !self.members.is_empty() {
            let members = self.members.iter().map(|member| {
                let (user, role) = match member.rsplit_once(':') {
                    Some((user, role @ ("admin" | "user"))) => (user, role),
                    _ => (member.as_str(), "user"),
                };
                json!({"user_id": user, "role": role})
            });
            body.insert("members_with_roles".to_owned(), members.collect());
        }
    }
}

impl Said for UserOptions {
    fn say(&self, body: &mut Map<String, Value>) {
        if let Some(email) = &self.email {
            body.insert("user_email".to_owned(), email.as_str().into());
        }
    }
}

impl Said for OrganizationOptions {
    fn say(&self, _: &mut Map<String, Value>) {}
}

impl<O: Args + Clone + Said> ChangeArgs<O> {
    /// The body of `new` and `update`.
    pub(super) fn body(&self, words: &Words) -> Map<String, Value> {
        let options = &self.options;
        let mut body = Map::new();
        body.insert(words.id.to_owned(), self.id.as_str().into());
        if let Some(alias) = &options.alias {
            body.insert(words.alias.to_owned(), alias.as_str().into());
        }
        let mut seen = Map::new();
        for (name, values) in [
            ("mcp_servers", &options.servers),
            ("mcp_access_groups", &options.access_groups),
            ("mcp_toolsets", &options.toolsets),
        ] {
            if !values.is_empty() {
                seen.insert(name.to_owned(), json!(values));
            }
        }
        if !seen.is_empty() {
            body.insert("object_permission".to_owned(), Value::Object(seen));
        }
        if let Some(blocked) = options.blocked {
            body.insert("blocked".to_owned(), blocked.into());
        }
        options.limits.say(&mut body);
        self.own.say(&mut body);
        body
    }
}
