//! Keys that were set apart for callers: whose they are goes to policy, what they are to credentials,
//! under names that neither has to understand.

use std::sync::Arc;

use anyhow::Context;
use portcullis_config::{Auth, KeyHolder, KeyStyle, MappedKeys as Written, McpServer};
use portcullis_core::SecretValue;
use portcullis_credentials::{MappedKeys, StaticHeader, UpstreamAuth};
use portcullis_policy::{Holder, KeyRule, KeyRules};

/// Who gets which key of a server; `None` where keys do not depend on the caller.
pub(super) fn rules(server: &McpServer) -> Option<KeyRules> {
    let Auth::MappedKeys(written) = &server.auth else {
        return None;
    };
    let rules = written.keys.iter().map(|key| {
        let holder = match &key.holder {
            KeyHolder::Subject(name) => Holder::Subject(name.clone()),
            KeyHolder::Client(name) => Holder::Client(name.clone()),
            KeyHolder::Scope(name) => Holder::Scope(name.clone()),
        };
        let rule = KeyRule {
            name: name_of(&key.holder),
            scopes: key.scopes.clone(),
            requires: key.requires.clone(),
        };
        (holder, rule)
    });
    Some(KeyRules::new(&written.issuer, rules))
}

/// What each of them looks like on the wire.
pub(super) fn auth(written: &Written) -> anyhow::Result<UpstreamAuth> {
    let keys = written.keys.iter().map(|key| {
        let header = match &written.style {
            KeyStyle::Bearer => {
                let bearer = SecretValue::new(format!("Bearer {}", key.key.expose()));
                StaticHeader::new("authorization", &bearer)
            }
            KeyStyle::Header(name) => StaticHeader::new(name, &key.key),
        };
        let header = header.with_context(|| key.holder.to_string())?;
        Ok((name_of(&key.holder), header))
    });
    let keys = keys.collect::<anyhow::Result<Vec<_>>>()?;
    Ok(UpstreamAuth::MappedKey(Arc::new(MappedKeys::new(keys))))
}

fn name_of(holder: &KeyHolder) -> Arc<str> {
    holder.to_string().into()
}
