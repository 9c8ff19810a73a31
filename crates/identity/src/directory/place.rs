//! Puts a caller under what stands above their credential.

use std::sync::Arc;

use portcullis_core::{
    Level, LevelKind, Principal, PrincipalKind, ServerGrants, ToolsByServer, Toolsets,
};

use super::entry::Defined;
use super::index::Directory;
use super::level::Found;
use crate::{AuthnErrorKind, OwnKey};

impl Directory {
    /// The same principal, as far as the directory leaves them their rights: by its team, its organization
    /// and that of its team, its person, and the end user for whom they say that they ask. Whoever names
    /// what is not defined, although others of its kind are, or what is blocked or cannot be read, is
    /// refused. Whoever is put in their place again is judged anew.
    pub fn place(
        &self,
        principal: Arc<Principal>,
        end_user: Option<&str>,
    ) -> Result<Arc<Principal>, AuthnErrorKind> {
        if principal.kind == PrincipalKind::Delegated {
            // Nobody that we know: they are under nobody either.
            return Ok(principal);
        }
        let is_open = self.opens(&principal);
        if !is_open && end_user.is_none() && is_under_nothing(&principal) {
            return Ok(principal);
        }
        if !self.is_fresh() {
            return Err(AuthnErrorKind::Unavailable);
        }
        let levels = self.levels(&principal, end_user)?;
        let mut placed = Principal::clone(&principal);
        self.resolve(&mut placed.grants);
        let team_lists = levels
            .iter()
            .any(|level| level.kind == LevelKind::Team && level.grants.is_list());
        if is_open && !team_lists {
            placed.grants.all = true;
        }
        placed.levels = levels.into_iter().map(Arc::new).collect();
        Ok(Arc::new(placed))
    }

    /// Whether a caller who was put in their place would have the same one still.
    pub fn stands(&self, principal: &Principal) -> bool {
        if is_under_nothing(principal) || principal.kind == PrincipalKind::Delegated {
            return true;
        }
        let mut own = principal.clone();
        own.levels.retain(|level| level.kind != LevelKind::Request);
        let end_user = own.levels.iter();
        let end_user = end_user.filter(|level| level.kind == LevelKind::EndUser);
        let end_user = end_user.map(|level| Arc::clone(&level.id)).next();
        let own = Arc::new(own);
        let now = self.place(Arc::clone(&own), end_user.as_deref());
        now.is_ok_and(|now| now.levels == own.levels && now.grants == own.grants)
    }

    /// Whether it is one that sees everything where its team has no list. A key of the file has what the
    /// file says, which was decided when that was read.
    fn opens(&self, principal: &Principal) -> bool {
        let of_file = OwnKey::of(&principal.id) == Some(OwnKey::File);
        self.file().ungranted_sees_all && !of_file && !principal.grants.is_list()
    }

    fn levels(
        &self,
        principal: &Principal,
        end_user: Option<&str>,
    ) -> Result<Vec<Level>, AuthnErrorKind> {
        let mut levels = Vec::new();
        let mut organizations: Vec<Arc<str>> = principal.org.iter().cloned().collect();
        if let Some(id) = &principal.team
            && let Some(team) = self.defined(LevelKind::Team, id)?
        {
            if !is_member(&team, principal) {
                return Err(AuthnErrorKind::NotAMember);
            }
            let of_team = team.organization.as_deref();
            if let Some(other) = of_team.filter(|one| principal.org.as_deref() != Some(one)) {
                organizations.push(other.into());
            }
            levels.push(self.level_of(LevelKind::Team, id, &team));
        }
        for id in &organizations {
            if let Some(organization) = self.defined(LevelKind::Organization, id)? {
                levels.push(self.level_of(LevelKind::Organization, id, &organization));
            }
        }
        if let Some(id) = &principal.user_id
            && let Some(user) = self.defined(LevelKind::User, id)?
        {
            levels.push(self.level_of(LevelKind::User, id, &user));
        }
        if let Some(id) = end_user {
            levels.push(self.end_user(id)?);
        }
        Ok(levels)
    }

    /// One that the credential names, if it is defined and not blocked.
    fn defined(&self, kind: LevelKind, id: &str) -> Result<Option<Arc<Defined>>, AuthnErrorKind> {
        match self.level(kind, id).required(kind)? {
            Some(defined) if defined.blocked => Err(AuthnErrorKind::Blocked(kind)),
            found => Ok(found),
        }
    }

    /// Callers make ids of end users up: one that nobody defined narrows nothing, unless the operator
    /// wants each to have a list.
    fn end_user(&self, id: &str) -> Result<Level, AuthnErrorKind> {
        const KIND: LevelKind = LevelKind::EndUser;
        let defined = match self.level(KIND, id) {
            Found::Label | Found::Undefined => Arc::default(),
            Found::Unreadable => return Err(AuthnErrorKind::UnreadableLevel(KIND)),
            Found::Standing(defined) if defined.blocked => {
                return Err(AuthnErrorKind::Blocked(KIND));
            }
            Found::Standing(defined) => defined,
        };
        let mut level = self.level_of(KIND, id, &defined);
        level.grants.none |= self.file().end_users_need_lists && !level.grants.is_list();
        Ok(level)
    }

    fn level_of(&self, kind: LevelKind, id: &str, defined: &Defined) -> Level {
        let mut grants = defined.grants.clone();
        self.resolve(&mut grants);
        Level {
            kind,
            id: id.into(),
            grants,
        }
    }

    /// Looks up what the toolsets hold. One that is not there holds nothing.
    fn resolve(&self, grants: &mut ServerGrants) {
        grants.toolset_tools = if grants.toolsets.is_empty() {
            Arc::default()
        } else {
            Arc::new(held(&self.toolsets(), grants))
        };
    }
}

/// Whether nothing that the directory holds could concern somebody.
fn is_under_nothing(principal: &Principal) -> bool {
    let mut named = [&principal.team, &principal.org, &principal.user_id].into_iter();
    named.all(Option::is_none)
        && principal.grants.toolsets.is_empty()
        && principal.levels.is_empty()
}

fn held(toolsets: &Toolsets, grants: &ServerGrants) -> ToolsByServer {
    let mut held = ToolsByServer::new();
    let named = grants.toolsets.iter();
    for (server, tools) in named.filter_map(|name| toolsets.get(name)).flatten() {
        let known = held.entry(server.clone()).or_default();
        known.extend(tools.iter().cloned());
    }
    held
}

/// An issuer says anew with each token who is in a team; of a key's person only the team's own list does.
fn is_member(team: &Defined, principal: &Principal) -> bool {
    let Some(members) = &team.members else {
        return true;
    };
    match (&principal.key_id, &principal.user_id) {
        (Some(_), Some(user)) => members.contains_key(user.as_ref()),
        _ => true,
    }
}
