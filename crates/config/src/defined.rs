//! Servers that the admin API defined: read with the reader of the file, behind the file, and without what is the
//! operator's alone.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Map, Value};

use crate::diagnostic::{ConfigError, LITERAL_SECRET, Notice};
use crate::fields::json;
use crate::findings::{Findings, Place};
use crate::keys::ours::ROOT;
use crate::keys::servers::MCP_SERVER;
use crate::keys::{Kind, Section, Standing};
use crate::model::{Compat, McpServer};
use crate::overrides;
use crate::sections::mcp_server;
use crate::sections::signer::Draft;
use crate::sources::{CommandLine, Sources};
use crate::tree;
use crate::validate::names::Names;

/// A server as an administrator defined it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its name, as it would stand in `mcp_servers`.
    pub name: String,
    /// The entry, as JSON: the keys of a server of the file.
    pub text: String,
    /// Whether it may hold those references that `server.api_secret_stores` allows.
    pub may_ask_stores: bool,
}

/// What became of a definition.
#[derive(Clone, Debug)]
pub struct JudgedDefinition {
    /// Its name.
    pub name: String,
    /// Whether it is among the servers now; not when a value of it was not to be had.
    pub is_used: bool,
    /// What is wrong with it; without excerpts, because the text is nobody's file.
    pub errors: Vec<ConfigError>,
    /// What was noticed besides.
    pub notices: Vec<Notice>,
}

/// What becomes of all of them.
#[derive(Default)]
pub(crate) struct Judgement {
    pub(crate) servers: Vec<McpServer>,
    pub(crate) insecure: Vec<String>,
    pub(crate) judged: Vec<JudgedDefinition>,
}

/// What they are read with.
pub(crate) struct Judging<'f> {
    pub(crate) sources: &'f Sources<'f>,
    /// The secret stores that they may ask.
    pub(crate) stores: &'f [&'static str],
    /// The names of the file's servers.
    pub(crate) names: Names,
    pub(crate) compat: Compat,
    pub(crate) signer: Option<&'f Draft>,
}

impl Judging<'_> {
    pub(crate) fn judge(mut self, definitions: &[Definition]) -> Judgement {
        let mut judgement = Judgement::default();
        for definition in definitions {
            self.judge_one(definition, &mut judgement);
        }
        judgement
    }

    fn judge_one(&mut self, definition: &Definition, judgement: &mut Judgement) {
        let sources = Sources {
            env: &|_| None,
            env_names: &Vec::new,
            read_file: &|_| Err(io::ErrorKind::NotFound.into()),
            stored: self.sources.stored,
            command_line: CommandLine::default(),
        };
        let stores = if definition.may_ask_stores {
            self.stores
        } else {
            &[]
        };
        let findings = Findings::closed(&sources, stores);
        let name = &definition.name;
        let (node, flaws) = tree::parse(&definition.text);
        for flaw in flaws {
            let path = format!("mcp_servers.{name}");
            let span = flaw.span;
            findings.error(Place { path, span }, flaw.message, flaw.help);
        }
        let taken = |one: &JudgedDefinition| one.is_used && one.name == *name;
        if judgement.judged.iter().any(taken) {
            let place = Place {
                path: format!("mcp_servers.{name}"),
                span: node.as_ref().map(|node| node.span).unwrap_or_default(),
            };
            findings.error(place, "another definition has this name", ());
        }
        // A name that a refused definition would have had is free for the next.
        let mut names = self.names.clone();
        let server = node.as_ref().and_then(|node| {
            mcp_server::defined(&findings, name, node, &mut names, self.compat, self.signer)
        });
        let verdict = findings.verdict("", None);
        let server = server.filter(|_| verdict.errors.is_empty());
        judgement.judged.push(JudgedDefinition {
            name: name.clone(),
            is_used: server.is_some(),
            errors: verdict.errors,
            notices: without_literals(verdict.notices),
        });
        if let Some(server) = server {
            self.names = names;
            judgement.insecure.extend(verdict.insecure);
            judgement.servers.push(server);
        }
    }
}

/// Where the secret of a definition lies is known: sealed in the store.
fn without_literals(notices: Vec<Notice>) -> Vec<Notice> {
    let keeps = |notice: &Notice| notice.text != LITERAL_SECRET;
    notices.into_iter().filter(keeps).collect()
}

/// What stands in the place of a secret that is set.
pub fn set_mark() -> Value {
    Value::Object(Map::from_iter([("is_set".to_owned(), Value::Bool(true))]))
}

/// A server's entry as it may be shown: with a mark in the place of each secret, and addresses without user
/// name and query. What the table of keys does not know is not shown.
pub fn masked_server(entry: &Map<String, Value>) -> Map<String, Value> {
    masked(&MCP_SERVER, entry)
}

fn masked(section: &'static Section, entry: &Map<String, Value>) -> Map<String, Value> {
    let shown = entry.iter().filter_map(|(name, value)| {
        let key = section.key(name)?;
        let shown = match key.standing {
            Standing::Works => masked_value(key.kind, value),
            Standing::Inert(_) | Standing::Unavailable { .. } => set_mark(),
        };
        Some((name.clone(), shown))
    });
    shown.collect()
}

fn masked_value(kind: Kind, value: &Value) -> Value {
    match (kind, value) {
        (_, Value::Null) => Value::Null,
        (Kind::SecretMap, Value::Object(values)) => values
            .keys()
            .map(|name| (name.clone(), set_mark()))
            .collect(),
        (Kind::Section(section), Value::Object(entry)) => masked(section, entry).into(),
        (Kind::Sections(section), Value::Array(entries)) => entries
            .iter()
            .map(|entry| match entry {
                Value::Object(entry) => masked(section, entry).into(),
                _ => set_mark(),
            })
            .collect(),
        (Kind::Named(section), Value::Object(entries)) => entries
            .iter()
            .map(|(name, entry)| match entry {
                Value::Object(entry) => (name.clone(), masked(section, entry).into()),
                _ => (name.clone(), set_mark()),
            })
            .collect(),
        // A map or a list where the table has something else may hold anything.
        (
            Kind::Secret | Kind::SecretMap | Kind::Section(_) | Kind::Sections(_) | Kind::Named(_),
            _,
        ) => set_mark(),
        (Kind::Anything | Kind::Texts | Kind::Words | Kind::TextMap | Kind::TextsMap, value) => {
            value.clone()
        }
        (_, Value::String(text)) => plain_address(text).into(),
        (_, Value::Object(_) | Value::Array(_)) => set_mark(),
        (_, value) => value.clone(),
    }
}

/// An address without user name and query; any other text as it is.
fn plain_address(text: &str) -> String {
    match url::Url::parse(text) {
        Ok(mut url) if url.has_host() => {
            let named = !url.username().is_empty() || url.password().is_some();
            if !named && url.query().is_none() && url.fragment().is_none() {
                return text.to_owned();
            }
            // Both fail only where there is no host.
            let _ = (url.set_username(""), url.set_password(None));
            url.set_query(None);
            url.set_fragment(None);
            url.into()
        }
        _ => text.to_owned(),
    }
}

/// The whole file as it may be shown, in the same way. `None`: it cannot be read as a map at all.
pub fn masked_configuration(text: &str, sources: &Sources<'_>) -> Option<Configuration> {
    let (root, _) = tree::parse(text);
    let mut root = root?;
    overrides::apply(&mut root, &Findings::new(sources));
    let Value::Object(whole) = json(&root) else {
        return None;
    };
    Some(Configuration {
        shown: masked(&ROOT, &whole),
        whole,
    })
}

/// A file, as it may be shown and as it is.
#[derive(Clone)]
pub struct Configuration {
    shown: Map<String, Value>,
    whole: Map<String, Value>,
}

impl Configuration {
    /// With a mark in the place of each secret.
    pub fn shown(&self) -> &Map<String, Value> {
        &self.shown
    }

    /// Where another one differs: the path, what is shown here, and what is shown there.
    pub fn differences(&self, other: &Self) -> Vec<(String, Option<Value>, Option<Value>)> {
        let mut found = Vec::new();
        differ(
            "",
            [Some(&self.whole), Some(&other.whole)],
            [Some(&self.shown), Some(&other.shown)],
            &mut found,
        );
        found
    }
}

impl std::fmt::Debug for Configuration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Configuration")
    }
}

type Found = Vec<(String, Option<Value>, Option<Value>)>;

/// Compared is what is written, told what may be shown: a changed secret is a change.
fn differ(
    under: &str,
    whole: [Option<&Map<String, Value>>; 2],
    shown: [Option<&Map<String, Value>>; 2],
    found: &mut Found,
) {
    let names = whole.into_iter().flatten().flat_map(Map::keys);
    let names: std::collections::BTreeSet<&String> = names.collect();
    for name in names {
        let of = |maps: [Option<&Map<String, Value>>; 2]| {
            maps.map(|map| map.and_then(|map| map.get(name)).cloned())
        };
        let [before, after] = of(whole);
        if before == after {
            continue;
        }
        let path = format!("{under}{name}");
        let [shown_before, shown_after] = of(shown);
        let maps = [&before, &after].map(|value| value.as_ref().and_then(Value::as_object));
        let shown_maps =
            [&shown_before, &shown_after].map(|value| value.as_ref().and_then(Value::as_object));
        // A mark is told as a whole.
        let opens = maps.iter().all(Option::is_some)
            && shown_maps
                .iter()
                .all(|map| map.is_some_and(|map| Value::Object(map.clone()) != set_mark()));
        if opens {
            differ(&format!("{path}."), maps, shown_maps, found);
        } else {
            found.push((path, shown_before, shown_after));
        }
    }
}

/// Every address in a server's entry, with the path at which it stands.
pub fn addresses_of_server(entry: &Map<String, Value>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(&MCP_SERVER, entry, "", &mut found);
    found.extend(issuer_by_its_audience(entry));
    found
}

fn collect(
    section: &'static Section,
    entry: &Map<String, Value>,
    under: &str,
    found: &mut Vec<(String, String)>,
) {
    for (name, value) in entry {
        let path = format!("{under}{name}");
        match (section.key(name).map(|key| key.kind), value) {
            (Some(Kind::Url), Value::String(text)) => found.push((path, text.clone())),
            (_, Value::String(text)) if name == "spec_path" => found.push((path, text.clone())),
            (Some(Kind::Section(inner)), Value::Object(entry)) => {
                collect(inner, entry, &format!("{path}."), found);
            }
            _ => {}
        }
    }
}

/// The one text that is an address beside another key only: the issuer by whose metadata the second leg's token
/// endpoint is found.
fn issuer_by_its_audience(entry: &Map<String, Value>) -> Option<(String, String)> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    let has = |name: &str| entry.get(name).is_some_and(|value| !value.is_null());
    let in_two_legs = text("auth_type")?
        .trim()
        .eq_ignore_ascii_case("oauth2_id_jag");
    let audience = text("audience").filter(|_| in_two_legs);
    let audience = audience.filter(|_| !has("id_jag_resource_token_endpoint"))?;
    Some(("audience".to_owned(), audience.to_owned()))
}

/// The entry that an administrator means who was shown the masked form of `before` and sends `changes`: what is
/// sent as it was shown is as it was, and a mark is the secret that it stands for. `null` takes a key away.
/// `Err` names a mark that stands for nothing, or a secret that would go to an address for which it was never meant.
pub fn changed_server(
    before: &Map<String, Value>,
    changes: Map<String, Value>,
) -> Result<Map<String, Value>, String> {
    let shown = masked_server(before);
    let mut sent = Map::new();
    let mut after = before.clone();
    for (name, value) in changes {
        if value.is_null() {
            after.remove(&name);
            continue;
        }
        sent.insert(name.clone(), value.clone());
        let value = restored(before.get(&name), shown.get(&name), value, &name)?;
        after.insert(name, value);
    }
    if origins(before) != origins(&after)
        && let Some(path) = carried_over(&MCP_SERVER, &after, Some(&sent), "")
    {
        return Err(format!(
            "an address changes, so what is secret does not go along unsaid: send `{path}` again, or `null`"
        ));
    }
    Ok(after)
}

fn restored(
    before: Option<&Value>,
    shown: Option<&Value>,
    value: Value,
    path: &str,
) -> Result<Value, String> {
    if let Some(before) = before
        && (shown == Some(&value) || value == set_mark())
    {
        return Ok(before.clone());
    }
    if value == set_mark() {
        return Err(format!("`{path}` is not set, so it cannot stay as it is"));
    }
    let Value::Object(members) = value else {
        return Ok(value);
    };
    let members = members.into_iter().map(|(name, value)| {
        let path = format!("{path}.{name}");
        let [before, shown] = [before, shown].map(|of| of.and_then(|of| of.get(&name)));
        let value = restored(before, shown, value, &path)?;
        Ok((name, value))
    });
    members
        .collect::<Result<Map<_, _>, String>>()
        .map(Value::Object)
}

/// Who is spoken to, by the key that says it: what is no address by itself stands for itself.
fn origins(entry: &Map<String, Value>) -> BTreeMap<String, String> {
    let origin = |text: String| match url::Url::parse(text.trim()) {
        Ok(url) if url.has_host() => url.origin().ascii_serialization(),
        _ => text,
    };
    let addresses = addresses_of_server(entry).into_iter();
    addresses
        .map(|(path, address)| (path, origin(address)))
        .collect()
}

/// A secret of `after` that was not sent with it, if there is any.
fn carried_over(
    section: &'static Section,
    after: &Map<String, Value>,
    sent: Option<&Map<String, Value>>,
    under: &str,
) -> Option<String> {
    let is_said = |value: Option<&Value>| value.is_some_and(|value| *value != set_mark());
    after.iter().find_map(|(name, value)| {
        let path = format!("{under}{name}");
        let said = sent.and_then(|sent| sent.get(name));
        let maps = (value.as_object(), said.and_then(Value::as_object));
        match (section.key(name)?.kind, maps) {
            _ if value.is_null() => None,
            (Kind::SecretMap, (Some(members), said)) => members
                .keys()
                .find(|name| !is_said(said.and_then(|said| said.get(*name))))
                .map(|name| format!("{path}.{name}")),
            (Kind::Secret | Kind::SecretMap, _) => (!is_said(said)).then_some(path),
            (Kind::Section(inner), (Some(members), said)) => {
                carried_over(inner, members, said, &format!("{path}."))
            }
            _ => None,
        }
    })
}
