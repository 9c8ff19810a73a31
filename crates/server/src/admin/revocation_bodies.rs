//! Bodies of `/v1/revocations`: read strictly, so that a mistyped member revokes nothing else.

use portcullis_core::{KeyId, Timestamp};
use portcullis_identity::{
    ListedRevocation, NewRevocation, Page, RevocationRecord, Revoke, RevokedTarget,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// The entry that a `POST /v1/revocations` body asks for; `Err` says what is wrong with it.
pub fn new_revocation(body: Value) -> Result<NewRevocation, String> {
    let wish: Wish = serde_json::from_value(body).map_err(|error| error.to_string())?;
    wish.into_new()
}

/// What is to be refused: one of `key_id`, `user_id`, or `issuer` with one of `jti`, `sid`, `sub` or
/// `all_subjects: true`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = Revoke)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wish {
    key_id: Option<String>,
    user_id: Option<String>,
    issuer: Option<String>,
    jti: Option<String>,
    sid: Option<String>,
    sub: Option<String>,
    /// Every token of the issuer: said in words, never by leaving the rest out.
    all_subjects: bool,
    /// What was issued before this moment (RFC 3339), for `user_id`, `sub` and `all_subjects`; now, if left out.
    before: Option<String>,
    /// When the entry is over (RFC 3339).
    until: Option<String>,
    reason: Option<String>,
}

const WHAT: &str =
    "say one of key_id, user_id, or issuer with one of jti, sid, sub or all_subjects";

impl Wish {
    pub(super) fn into_new(self) -> Result<NewRevocation, String> {
        let all = self.all_subjects.then_some(());
        let what = match (
            self.key_id,
            self.user_id,
            self.issuer,
            (self.jti, self.sid, self.sub, all),
        ) {
            (Some(id), None, None, (None, None, None, None)) => {
                if id.starts_with("sk-") {
                    return Err(
                        "say the id that /key/list shows, never the key itself: it is known to others now"
                            .to_owned(),
                    );
                }
                Revoke::Key(KeyId::from(id))
            }
            (None, Some(user_id), None, (None, None, None, None)) => Revoke::User(user_id),
            (None, None, Some(issuer), (Some(jti), None, None, None)) => {
                Revoke::Token { issuer, jti }
            }
            (None, None, Some(issuer), (None, Some(sid), None, None)) => {
                Revoke::Session { issuer, sid }
            }
            (None, None, Some(issuer), (None, None, Some(sub), None)) => {
                Revoke::Subject { issuer, sub }
            }
            (None, None, Some(issuer), (None, None, None, Some(()))) => Revoke::Issuer(issuer),
            _ => return Err(WHAT.to_owned()),
        };
        Ok(NewRevocation {
            what,
            before: moment("before", self.before.as_deref())?,
            until: moment("until", self.until.as_deref())?,
            reason: self.reason,
        })
    }
}

fn moment(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, String> {
    text.map(str::parse)
        .transpose()
        .map_err(|error| format!("{name}: {error}"))
}

/// An entry, as it is shown: of the members that say what is refused those that `kind` has.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RevocationRow {
    id: String,
    /// `key`, `user`, `jti`, `sid`, `sub` or `issuer`.
    kind: &'static str,
    #[serde(flatten)]
    target: Target,
    reason: Option<String>,
    created_at: String,
    created_by: String,
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifted_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifted_by: Option<String>,
}

/// What is refused.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = RevocationTarget)]
struct Target {
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
}

/// A page of entries.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RevocationPage {
    revocations: Vec<RevocationRow>,
    /// Rows that are not as they were sealed, or cannot be read.
    damaged: Vec<DamagedRow>,
    /// `after` of the next page.
    next: Option<String>,
}

/// A row of the store that is not what it was.
#[derive(Debug, Serialize, ToSchema)]
struct DamagedRow {
    id: String,
    what: &'static str,
}

/// An entry, as it is shown.
pub fn record(record: &RevocationRecord) -> Value {
    json!(row(record))
}

pub(super) fn row(record: &RevocationRecord) -> RevocationRow {
    let (kind, target) = shown(&record.target);
    let lifted = record.lifted.as_ref();
    RevocationRow {
        id: record.id.to_string(),
        kind,
        target,
        reason: record.reason.clone(),
        created_at: record.created_at.to_string(),
        created_by: record.created_by.clone(),
        until: record.until.map(|until| until.to_string()),
        lifted_at: lifted.map(|lifted| lifted.at.to_string()),
        lifted_by: lifted.map(|lifted| lifted.by.clone()),
    }
}

fn shown(target: &RevokedTarget) -> (&'static str, Target) {
    let none = Target::default();
    let before = |moment: &Timestamp| Some(moment.to_string());
    match target.clone() {
        RevokedTarget::Key { id } => (
            "key",
            Target {
                key_id: Some(id.to_string()),
                ..none
            },
        ),
        RevokedTarget::User {
            user_id,
            before: at,
        } => (
            "user",
            Target {
                user_id: Some(user_id),
                before: before(&at),
                ..none
            },
        ),
        RevokedTarget::Token { issuer, jti } => (
            "jti",
            Target {
                issuer: Some(issuer),
                jti: Some(jti),
                ..none
            },
        ),
        RevokedTarget::Session { issuer, sid } => (
            "sid",
            Target {
                issuer: Some(issuer),
                sid: Some(sid),
                ..none
            },
        ),
        RevokedTarget::Subject {
            issuer,
            sub,
            before: at,
        } => (
            "sub",
            Target {
                issuer: Some(issuer),
                sub: Some(sub),
                before: before(&at),
                ..none
            },
        ),
        RevokedTarget::Issuer { issuer, before: at } => (
            "issuer",
            Target {
                issuer: Some(issuer),
                before: before(&at),
                ..none
            },
        ),
    }
}

/// A page of entries; what is damaged is named beside them.
pub fn page(page: &Page<ListedRevocation>) -> Value {
    json!(rows(page))
}

pub(super) fn rows(page: &Page<ListedRevocation>) -> RevocationPage {
    let (mut revocations, mut damaged) = (Vec::new(), Vec::new());
    for entry in &page.items {
        match entry {
            ListedRevocation::Sound(entry) => revocations.push(row(entry)),
            ListedRevocation::Altered(entry) => {
                revocations.push(row(entry));
                damaged.push(DamagedRow {
                    id: entry.id.to_string(),
                    what: "its row is not as it was sealed: it may have named something else",
                });
            }
            ListedRevocation::Unreadable(id) => damaged.push(DamagedRow {
                id: id.to_string(),
                what: "its row cannot be read: only processes that knew it refuse what it named",
            }),
        }
    }
    RevocationPage {
        revocations,
        damaged,
        next: page.next.clone(),
    }
}

/// What an entry refuses, in one line.
pub fn described(target: &RevokedTarget) -> String {
    match target {
        RevokedTarget::Key { id } => format!("key {id}"),
        RevokedTarget::User { user_id, .. } => format!("user {user_id}"),
        RevokedTarget::Token { issuer, jti } => format!("jti {jti} of {issuer}"),
        RevokedTarget::Session { issuer, sid } => format!("sid {sid} of {issuer}"),
        RevokedTarget::Subject { issuer, sub, .. } => format!("sub {sub} of {issuer}"),
        RevokedTarget::Issuer { issuer, .. } => format!("issuer {issuer}"),
    }
}

/// What is asked to be refused, in the same words.
pub fn wished(what: &Revoke) -> String {
    match what {
        Revoke::Key(id) => format!("key {id}"),
        Revoke::User(user_id) => format!("user {user_id}"),
        Revoke::Token { issuer, jti } => format!("jti {jti} of {issuer}"),
        Revoke::Session { issuer, sid } => format!("sid {sid} of {issuer}"),
        Revoke::Subject { issuer, sub } => format!("sub {sub} of {issuer}"),
        Revoke::Issuer(issuer) => format!("issuer {issuer}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_said_once_and_completely() {
        for bad in [
            json!({}),
            json!({"issuer": "https://a"}),
            json!({"jti": "x"}),
            json!({"issuer": "https://a", "jti": "x", "sub": "y"}),
            json!({"issuer": "https://a", "all_subjects": false}),
            json!({"issuer": "https://a", "sub": "y", "all_subjects": true}),
            json!({"key_id": "a", "issuer": "https://a"}),
            json!({"key_id": "a", "user_id": "b"}),
            json!({"key_id": "sk-secret"}),
            json!({"key_id": "a", "jtl": "x"}),
            json!({"issuer": "https://a", "sub": 7}),
            json!({"issuer": "https://a", "sub": "y", "before": "yesterday"}),
            json!({"issuer": "https://a", "sub": "y", "before": 1_700_000_000}),
        ] {
            let refused = new_revocation(bad.clone());
            assert!(refused.is_err(), "{bad}");
            assert!(!refused.unwrap_err().contains("secret"), "{bad}");
        }
    }

    #[test]
    fn a_cut_off_is_a_moment_of_any_zone() {
        let body = json!({
            "issuer": "https://a", "sub": "y", "before": "2026-11-21T10:00:00+02:00", "reason": "left"
        });
        let new = new_revocation(body).unwrap();
        assert_eq!(new.before.unwrap().to_string(), "2026-11-21T08:00:00.000Z");
        assert_eq!(new.until, None);
        assert_eq!(new.reason.as_deref(), Some("left"));
    }
}
