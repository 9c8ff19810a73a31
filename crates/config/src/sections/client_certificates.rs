//! `identity.client_certificates`: whose certificate means whom.

use std::collections::BTreeSet;
use std::path::PathBuf;

use portcullis_core::CertificateName;

use crate::fields::{At, Fields};
use crate::model::{ClientCa, ClientCertificate};
use crate::sections::grants::{self, Surroundings};

/// What the handshake asks for.
pub(crate) enum ClientCas<'a> {
    /// These, or nothing.
    Known(Option<&'a ClientCa>),
    /// What is written has mistakes of its own.
    Mistaken,
}

/// All rules.
pub(crate) fn read(
    fields: &Fields<'_, '_>,
    around: &Surroundings<'_>,
    client_cas: &ClientCas<'_>,
) -> Vec<ClientCertificate> {
    let entries = fields.sections("client_certificates");
    let client_ca = match client_cas {
        ClientCas::Known(known) => *known,
        ClientCas::Mistaken => None,
    };
    if !entries.is_empty() && matches!(client_cas, ClientCas::Known(None)) {
        fields.findings.error(
            fields.place("client_certificates"),
            "no connection is asked for a certificate",
            "write `server.tls.client_ca: FILE`; where TLS ends before us, callers are told apart by keys and tokens",
        );
    }
    let mut known = BTreeSet::new();
    let mut rules = Vec::new();
    for entry in entries {
        let Some(rule) = rule(&entry, around, client_ca) else {
            continue;
        };
        if !known.insert((rule.ca.clone(), rule.san.clone())) {
            entry.findings.error(
                entry.place("san"),
                format!("`{}` is in two rules for the same authority", rule.san),
                "write all of its grants into one: only the first would ever decide",
            );
        }
        rules.push(rule);
    }
    rules
}

fn rule(
    fields: &Fields<'_, '_>,
    around: &Surroundings<'_>,
    client_ca: Option<&ClientCa>,
) -> Option<ClientCertificate> {
    let ca = authority(fields, client_ca);
    let san = name(fields);
    let granted = grants::written(fields, around);
    if granted.is_none() {
        fields.findings.info(
            fields.own_place(),
            "without `servers` or `access_groups`, it sees only servers with `allow_all_keys`",
        );
    }
    let text = |name: &str| fields.text(name).map(|text| text.value);
    let (user_id, email, team, org) = (text("user_id"), text("email"), text("team"), text("org"));
    let scopes = fields.scopes("scopes");
    Some(ClientCertificate {
        ca: ca?,
        san: san?,
        user_id,
        email,
        team,
        org,
        scopes,
        grants: granted.unwrap_or_default(),
    })
}

/// One of the files that the handshake believes; a rule that names another would never fit.
fn authority(fields: &Fields<'_, '_>, client_ca: Option<&ClientCa>) -> Option<PathBuf> {
    let written = fields.file_path("ca");
    let believed = &client_ca?.files;
    if fields.has("ca") {
        let ca = written?;
        if !believed.contains(&ca) {
            fields.findings.error(
                fields.place("ca"),
                "not a file of `server.tls.client_ca`",
                "write it there too, in the same spelling",
            );
            return None;
        }
        return Some(ca);
    }
    if let [only] = believed.as_slice() {
        return Some(only.clone());
    }
    fields.findings.error(
        fields.own_place(),
        "`ca` is missing",
        "there are several files in `server.tls.client_ca`: say which authority vouches for the name",
    );
    None
}

fn name(fields: &Fields<'_, '_>) -> Option<CertificateName> {
    let At { value, place } = fields.require("san", fields.text("san"))?;
    let sound = |name: &str| !name.is_empty() && name.chars().all(|char| char.is_ascii_graphic());
    let split = value.split_once(':').filter(|(_, name)| sound(name));
    let Some(name) = split.and_then(|(kind, name)| CertificateName::of_kind(kind, name)) else {
        fields.findings.error(
            place,
            "not a subject alternative name",
            "write `dns:agent.example.com`, `uri:spiffe://example.com/agent` or `email:agent@example.com`",
        );
        return None;
    };
    if name.value().contains('*') {
        fields.findings.error(
            place,
            "names are compared whole: a `*` stands for nothing",
            "write one rule for each name",
        );
        return None;
    }
    Some(name)
}
