//! Bodies of `/v1/revocations`: read strictly, so that a mistyped member revokes nothing else.

use portcullis_core::{KeyId, Timestamp};
use portcullis_identity::{
    ListedRevocation, NewRevocation, Page, RevocationRecord, Revoke, RevokedTarget,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// The entry that a `POST /v1/revocations` body asks for; `Err` says what is wrong with it.
pub fn new_revocation(body: Value) -> Result<NewRevocation, String> {
    let wish: Wish = serde_json::from_value(body).map_err(|error| error.to_string())?;
    wish.into_new()
}

/// Body of `POST /v1/revocations`.
#[derive(Debug, Default, Deserialize)]
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
    before: Option<String>,
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

/// An entry, as it is shown.
pub fn record(record: &RevocationRecord) -> Value {
    let mut shown = json!({
        "id": record.id.as_str(),
        "reason": record.reason,
        "created_at": record.created_at.to_string(),
        "created_by": record.created_by,
        "until": record.until.map(|until| until.to_string()),
    });
    let target = match &record.target {
        RevokedTarget::Key { id } => json!({"kind": "key", "key_id": id.as_str()}),
        RevokedTarget::User { user_id, before } => {
            json!({"kind": "user", "user_id": user_id, "before": before.to_string()})
        }
        RevokedTarget::Token { issuer, jti } => {
            json!({"kind": "jti", "issuer": issuer, "jti": jti})
        }
        RevokedTarget::Session { issuer, sid } => {
            json!({"kind": "sid", "issuer": issuer, "sid": sid})
        }
        RevokedTarget::Subject {
            issuer,
            sub,
            before,
        } => json!({"kind": "sub", "issuer": issuer, "sub": sub, "before": before.to_string()}),
        RevokedTarget::Issuer { issuer, before } => {
            json!({"kind": "issuer", "issuer": issuer, "before": before.to_string()})
        }
    };
    if let (Some(shown), Value::Object(target)) = (shown.as_object_mut(), target) {
        shown.extend(target);
        if let Some(lifted) = &record.lifted {
            shown.insert("lifted_at".to_owned(), lifted.at.to_string().into());
            shown.insert("lifted_by".to_owned(), lifted.by.as_str().into());
        }
    }
    shown
}

/// A page of entries; what is damaged is named beside them.
pub fn page(page: &Page<ListedRevocation>) -> Value {
    let (mut shown, mut damaged) = (Vec::new(), Vec::new());
    for entry in &page.items {
        match entry {
            ListedRevocation::Sound(entry) => shown.push(record(entry)),
            ListedRevocation::Altered(entry) => {
                shown.push(record(entry));
                damaged.push(json!({
                    "id": entry.id.as_str(),
                    "what": "its row is not as it was sealed: it may have named something else",
                }));
            }
            ListedRevocation::Unreadable(id) => damaged.push(json!({
                "id": id.as_str(),
                "what": "its row cannot be read: only processes that knew it refuse what it named",
            })),
        }
    }
    json!({"revocations": shown, "damaged": damaged, "next": page.next})
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
