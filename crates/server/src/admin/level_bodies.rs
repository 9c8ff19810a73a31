//! Bodies of `/team/*`, `/organization/*`, `/user/*` and `/customer/*`, in LiteLLM's shapes: read strictly.
//! A member that would restrict and that we do not implement is refused, never ignored.
#![expect(
    clippy::option_option,
    reason = "absent, null and a value are three things to a change"
)]

use std::collections::BTreeMap;

use portcullis_core::ServerGrants;
use portcullis_engine::Snapshot;
use portcullis_identity::{Defined, DirectoryError, MemberRole, Shown};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::limit_bodies::with_limits;
use super::permission::{ObjectPermission, given, given_object, resolved, shown};

/// What shall be different; what is absent stays.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(super) id: Option<String>,
    /// The version that was seen.
    pub(super) version: Option<u64>,
    /// By LiteLLM's names.
    pub(super) limits: Map<String, Value>,
    alias: Option<Option<String>>,
    email: Option<Option<String>>,
    organization: Option<Option<String>>,
    blocked: Option<bool>,
    permission: Option<Option<ObjectPermission>>,
    members: Option<Vec<Member>>,
    metadata: Option<Option<Map<String, Value>>>,
}

impl Changes {
    /// Makes them.
    pub(super) fn apply(
        self,
        defined: &mut Defined,
        snapshot: &Snapshot,
    ) -> Result<(), DirectoryError> {
        if let Some(permission) = self.permission {
            defined.grants = match permission {
                Some(permission) => permission
                    .into_level()
                    .and_then(|grants| resolved(grants, snapshot))
                    .map_err(DirectoryError::Invalid)?,
                None => ServerGrants::default(),
            };
        }
        if let Some(alias) = self.alias {
            defined.alias = alias;
        }
        if let Some(email) = self.email {
            defined.email = email;
        }
        if let Some(organization) = self.organization {
            defined.organization = organization;
        }
        if let Some(blocked) = self.blocked {
            defined.blocked = blocked;
        }
        if let Some(metadata) = self.metadata {
            defined.metadata = metadata.unwrap_or_default();
        }
        if let Some(members) = self.members {
            defined.members = Some(named(members)?);
        }
        Ok(())
    }
}

/// One of LiteLLM's `members_with_roles`.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Member {
    user_id: String,
    /// `admin` or `user`.
    #[schema(value_type = String)]
    role: MemberRole,
}

/// Members by their names, each once.
pub(super) fn named(members: Vec<Member>) -> Result<BTreeMap<String, MemberRole>, DirectoryError> {
    let mut all = BTreeMap::new();
    for Member { user_id, role } in members {
        if user_id.trim().is_empty() || all.insert(user_id, role).is_some() {
            let detail = "each member has a user_id, and stands there once";
            return Err(DirectoryError::Invalid(detail.to_owned()));
        }
    }
    Ok(all)
}

/// What a body gives.
pub(crate) trait Wish: for<'de> Deserialize<'de> + Send {
    fn into_changes(self) -> Changes;
}

/// The body of one of the four: what all of them have, under the names that it has, and what it has besides.
macro_rules! level {
    (
        $schema:ident, $name:ident, id: $id:ident, alias: $alias:ident,
        { $($extra:tt)* }, |$wish:ident| { $($into:ident: $from:expr),* $(,)? }
    ) => {
        with_limits! {
            /// What is left out stays, `null` takes away what is.
            #[derive(Debug, Default, Deserialize, ToSchema)]
            #[schema(as = $schema)]
            #[serde(default, deny_unknown_fields)]
            pub(crate) struct $name {
                $id: Option<String>,
                version: Option<u64>,
                #[schema(value_type = Option<String>)]
                #[serde(deserialize_with = "given")]
                $alias: Option<Option<String>>,
                $($extra)*
                blocked: Option<bool>,
                #[schema(value_type = Option<Object>)]
                #[serde(deserialize_with = "given")]
                metadata: Option<Option<Map<String, Value>>>,
                #[schema(value_type = Option<ObjectPermission>)]
                #[serde(deserialize_with = "given_object")]
                object_permission: Option<Option<ObjectPermission>>,
            }
        }

        impl Wish for $name {
            fn into_changes(mut self) -> Changes {
                let limits = self.take_limits();
                let $wish = self;
                Changes {
                    id: $wish.$id,
                    version: $wish.version,
                    limits,
                    alias: $wish.$alias,
                    blocked: $wish.blocked,
                    permission: $wish.object_permission,
                    metadata: $wish.metadata,
                    $($into: $from,)*
                    ..Changes::default()
                }
            }
        }
    };
}

level!(
    Team, TeamWish, id: team_id, alias: team_alias,
    {
        #[schema(value_type = Option<String>)]
        #[serde(deserialize_with = "given")]
        organization_id: Option<Option<String>>,
        members_with_roles: Option<Vec<Member>>,
    },
    |wish| { organization: wish.organization_id, members: wish.members_with_roles }
);
level!(
    Organization, OrganizationWish, id: organization_id, alias: organization_alias,
    {}, |wish| {}
);
level!(
    User, UserWish, id: user_id, alias: user_alias,
    {
        #[schema(value_type = Option<String>)]
        #[serde(deserialize_with = "given")]
        user_email: Option<Option<String>>,
    },
    |wish| { email: wish.user_email }
);
level!(Customer, CustomerWish, id: user_id, alias: alias, {}, |wish| {});

/// How an entry is shown, under the names that its kind has.
pub(super) fn record(entry: &Shown<Defined>, id: &str, alias: &str) -> Value {
    let defined = &entry.body;
    let members = defined.members.as_ref().map(|members| {
        let members = members.iter();
        let members = members.map(|(user, role)| json!({"user_id": user, "role": role}));
        members.collect::<Vec<_>>()
    });
    let mut shown = json!({
        "blocked": defined.blocked,
        "object_permission": shown(&defined.grants),
        "metadata": defined.metadata,
        "version": entry.version,
        "updated_at": entry.changed_at.to_string(),
        "updated_by": entry.changed_by,
    });
    if let Some(object) = shown.as_object_mut() {
        object.insert(id.to_owned(), entry.id.as_str().into());
        object.insert(alias.to_owned(), defined.alias.as_deref().into());
        match id {
            "team_id" => {
                object.insert(
                    "organization_id".to_owned(),
                    defined.organization.as_deref().into(),
                );
                object.insert("members_with_roles".to_owned(), members.into());
            }
            "user_id" if alias == "user_alias" => {
                object.insert("user_email".to_owned(), defined.email.as_deref().into());
            }
            _ => {}
        }
    }
    shown
}
