//! Teams, organizations, people and toolsets of the configuration file.

use std::sync::Arc;

use portcullis_config::{Config, WrittenLevel};
use portcullis_core::LevelKind;
use portcullis_identity::{Defined, EntryKind, FileDirectory, MemberRole, Toolset};

/// What this configuration says of the directory.
pub(super) fn directory(config: &Config) -> FileDirectory {
    let people = &config.people;
    let levels = people.levels.iter().filter_map(|((kind, id), written)| {
        let kind = match kind {
            LevelKind::Team => EntryKind::Team,
            LevelKind::Organization => EntryKind::Organization,
            LevelKind::User => EntryKind::User,
            LevelKind::EndUser => EntryKind::EndUser,
            // Requests are not configured.
            LevelKind::Request => return None,
        };
        Some(((kind, id.clone()), Arc::new(defined(written))))
    });
    let toolsets = people.toolsets.iter().map(|(name, written)| {
        let toolset = Toolset {
            description: written.description.clone(),
            tools: written.tools.clone(),
        };
        (name.clone(), toolset)
    });
    FileDirectory {
        levels: levels.collect(),
        toolsets: toolsets.collect(),
        undefined_users: people.undefined_users,
        ungranted_sees_all: people.ungranted_sees_all,
        end_users_need_lists: people.end_users_need_lists,
    }
}

fn defined(written: &WrittenLevel) -> Defined {
    let members = written.members.as_ref().map(|members| {
        let members = members.iter();
        members.map(|id| (id.clone(), MemberRole::User)).collect()
    });
    Defined {
        alias: written.alias.clone(),
        email: written.email.clone(),
        organization: written.organization.clone(),
        blocked: written.blocked,
        grants: written.grants.clone(),
        members,
        ..Defined::default()
    }
}
