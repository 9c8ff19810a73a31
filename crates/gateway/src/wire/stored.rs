//! Values that live in secret stores: fetched while the file is read, looked at again and again
//! while we serve, and kept through an outage for as long as the file says.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use portcullis_config::{
    CommandLine, Config, ConfigErrors, Definition, JudgedDefinition, Loaded, Secrets, Stored,
    VaultAuth,
};
use portcullis_core::Clock;
use portcullis_egress::{Destination, HttpClient};
use portcullis_vault::{
    Found, Login, SecretBook, SecretStores, SecretsManager, StoreError, StoredRef, VaultKv,
    VaultSettings,
};

use super::defined::addresses;
use super::servers::aws_identity;
use super::{files, outbound};
use crate::cli::exit::{CommandError, with_causes};

/// Why values are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Somebody wants this file in force: what a store refuses is a mistake to be told.
    Asked,
    /// A value changed: what a store refuses now is kept as long as an outage would be.
    Refresh,
}

/// What each reference is worth now; `None`: nothing.
type Worth = BTreeMap<StoredRef, Option<[u8; 32]>>;

/// The stores, what they gave, and what of it is in force.
pub(super) struct StoredValues {
    clock: Arc<dyn Clock>,
    book: SecretBook,
    /// What was read last: a file may be sound, and still not come into force.
    read: Mutex<Read>,
    in_force: Mutex<Read>,
    /// Servers that the admin API defined: part of whatever is read.
    definitions: Mutex<Arc<Vec<Definition>>>,
    /// What was in force first.
    at_start: OnceLock<Arc<Config>>,
}

/// What one reading of a file came to.
#[derive(Clone, Default)]
struct Read {
    /// Stores keep their logins as long as their settings are the same. `None`: nobody was asked.
    open: Option<Open>,
    worth: Worth,
    /// What stands where the text refers to a store.
    answers: BTreeMap<StoredRef, Stored>,
    name: String,
    text: String,
    /// The servers that it was read with.
    definitions: Arc<Vec<Definition>>,
    config: Option<Arc<Config>>,
    judged: Vec<JudgedDefinition>,
}

#[derive(Clone)]
struct Open {
    secrets: Secrets,
    ca_file: Option<PathBuf>,
    stores: SecretStores,
}

impl StoredValues {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            book: SecretBook::new(Arc::clone(&clock)),
            clock,
            read: Mutex::default(),
            in_force: Mutex::default(),
            definitions: Mutex::default(),
            at_start: OnceLock::new(),
        }
    }

    /// Reads a file and everything that it refers to.
    pub(super) async fn load(
        &self,
        file: &Path,
        command_line: CommandLine<'_>,
        why: Why,
    ) -> Result<Loaded, CommandError> {
        let text = files::text(file)?;
        let name = file.display().to_string();
        self.parse(&name, &text, command_line, why)
            .await?
            .map_err(|errors| CommandError::Configuration(errors.to_string()))
    }

    /// Reads the text again that is in force, with the servers that are defined now.
    pub(super) async fn again(
        &self,
        command_line: CommandLine<'_>,
        why: Why,
    ) -> Result<Loaded, CommandError> {
        let Read { name, text, .. } = held(&self.in_force).clone();
        self.parse(&name, &text, command_line, why)
            .await?
            .map_err(|errors| CommandError::Configuration(errors.to_string()))
    }

    /// Reads a text, for it to come into force.
    pub(super) async fn parse(
        &self,
        name: &str,
        text: &str,
        command_line: CommandLine<'_>,
        why: Why,
    ) -> Result<Result<Loaded, ConfigErrors>, CommandError> {
        let definitions = Arc::clone(&held(&self.definitions));
        let reading = Reading::of(name, text, command_line, definitions);
        let looked = self.read_text(&reading, why, BTreeMap::new()).await?;
        Ok(looked.map(|(loaded, read)| {
            *held(&self.read) = read;
            loaded
        }))
    }

    /// The same without any consequence. Whoever may only look makes us ask stores for what is new in it, and for
    /// nothing that is in force.
    pub(super) async fn look_at(
        &self,
        name: &str,
        text: &str,
        command_line: CommandLine<'_>,
        why: Why,
    ) -> Result<Result<Loaded, ConfigErrors>, CommandError> {
        let definitions = Arc::clone(&held(&self.definitions));
        let reading = Reading::of(name, text, command_line, definitions);
        let known = held(&self.in_force).answers.clone();
        let looked = self.read_text(&reading, why, known).await?;
        Ok(looked.map(|(loaded, _)| loaded))
    }

    /// Judges a definition beside all others and the text in force, without any consequence. One of the same
    /// name makes room for it. Stores are asked only for what it adds, and only if nothing else is wrong with it.
    pub(super) async fn judge(
        &self,
        definition: &Definition,
        command_line: CommandLine<'_>,
        why: Why,
    ) -> Result<(Config, JudgedDefinition), CommandError> {
        let Read {
            name,
            text,
            answers: mut known,
            ..
        } = held(&self.in_force).clone();
        let mut definitions = Vec::clone(&held(&self.definitions));
        definitions.retain(|known| known.name != definition.name);
        let others = Reading::of(&name, &text, command_line, Arc::new(definitions.clone()));
        let (_, unanswered) = others.read(&known);
        known.extend(unanswered.into_iter().map(|one| (one, Stored::Unasked)));
        definitions.push(definition.clone());
        let reading = Reading::of(&name, &text, command_line, Arc::new(definitions));
        let wrong = |loaded: &Loaded| {
            let judged = loaded.judged.last();
            judged.is_some_and(|judged| !judged.errors.is_empty())
        };
        let looked = match reading.read(&known).0 {
            Ok(loaded) if wrong(&loaded) => Ok(loaded),
            _ => {
                let looked = self.read_text(&reading, why, known).await?;
                looked.map(|(loaded, _)| loaded)
            }
        };
        let mut loaded =
            looked.map_err(|errors| CommandError::Configuration(errors.to_string()))?;
        let judged = loaded.judged.pop();
        let judged = judged.ok_or_else(|| anyhow::anyhow!("nothing was judged"))?;
        Ok((loaded.config, judged))
    }

    /// Sets the servers that whatever is read from now on has beside those of its text.
    pub(super) fn define(&self, definitions: Vec<Definition>) {
        let mut known = held(&self.definitions);
        if **known != definitions {
            *known = Arc::new(definitions);
        }
    }

    /// The servers that are defined, if what is in force was read with others.
    pub(super) fn unserved(&self) -> Option<Arc<Vec<Definition>>> {
        let defined = Arc::clone(&held(&self.definitions));
        let served = Arc::clone(&held(&self.in_force).definitions);
        let same = Arc::ptr_eq(&defined, &served) || defined == served;
        (!same).then_some(defined)
    }

    /// Whether there are any.
    pub(super) fn has_definitions(&self) -> bool {
        !held(&self.definitions).is_empty()
    }

    /// What became of a definition when the text in force was read.
    pub(super) fn judged(&self, name: &str) -> Option<JudgedDefinition> {
        let in_force = held(&self.in_force);
        let mut judged = in_force.judged.iter();
        judged.find(|one| one.name == name).cloned()
    }

    /// Whether a server of the file in force is called so.
    pub(super) fn has_in_file(&self, name: &str) -> bool {
        let in_force = held(&self.in_force);
        let config = in_force.config.as_ref();
        config.is_some_and(|config| {
            let mut servers = config.mcp_servers.iter();
            servers.any(|server| !server.defined && server.id.as_str() == name)
        })
    }

    /// The text in force.
    pub(super) fn text_in_force(&self) -> String {
        held(&self.in_force).text.clone()
    }

    /// What the process began with: what cannot change meanwhile is as it says.
    pub(super) fn config_at_start(&self) -> Option<Arc<Config>> {
        self.at_start.get().cloned()
    }

    /// Reads a text: once to see what it refers to, and again with the answers. A file that is wrong
    /// in itself costs no question.
    async fn read_text(
        &self,
        reading: &Reading<'_>,
        why: Why,
        mut answers: BTreeMap<StoredRef, Stored>,
    ) -> Result<Result<(Loaded, Read), ConfigErrors>, CommandError> {
        let mut open = None;
        loop {
            let (loaded, asked) = reading.read(&answers);
            let found = match loaded {
                Ok(found) => found,
                Err(errors) => return Ok(Err(errors)),
            };
            if asked.is_empty() {
                let worth = answers.iter().map(worth).collect();
                let read = Read {
                    open,
                    worth,
                    answers,
                    name: reading.name.to_owned(),
                    text: reading.text.to_owned(),
                    definitions: Arc::clone(&reading.definitions),
                    config: Some(Arc::new(found.config.clone())),
                    judged: found.judged.clone(),
                };
                return Ok(Ok((found, read)));
            }
            let now = self.open(&found.config)?;
            answers.extend(self.ask(&now, &asked, why).await);
            open = Some(now);
        }
    }

    /// What was read last is what is served from now on. Until then `changed` compares with what was
    /// served before, so that a value which could not be taken up is tried again.
    pub(super) fn put_in_force(&self) {
        let read = held(&self.read).clone();
        self.book.keep_only(&read.worth.keys().cloned().collect());
        if let Some(config) = &read.config {
            self.at_start.get_or_init(|| Arc::clone(config));
        }
        *held(&self.in_force) = read;
    }

    /// How often to look, as the file in force says.
    pub(super) fn interval(&self) -> Duration {
        let in_force = held(&self.in_force);
        let open = in_force.open.as_ref();
        open.map_or(Duration::from_mins(5), |open| open.secrets.refresh)
    }

    /// Asks again for everything in force; whether anything is worth another value now.
    pub(super) async fn changed(&self) -> bool {
        let Read {
            open, worth: known, ..
        } = held(&self.in_force).clone();
        let wanted: BTreeSet<StoredRef> = known.into_keys().collect();
        let Some(open) = open.filter(|_| !wanted.is_empty()) else {
            return false;
        };
        let now = self.ask(&open, &wanted, Why::Refresh).await;
        let now: Worth = now.iter().map(worth).collect();
        now != held(&self.in_force).worth
    }

    async fn ask(
        &self,
        open: &Open,
        wanted: &BTreeSet<StoredRef>,
        why: Why,
    ) -> BTreeMap<StoredRef, Stored> {
        let max_stale = open.secrets.max_stale;
        let found = self.book.fetch(&open.stores, wanted, max_stale).await;
        found
            .into_iter()
            .map(|(reference, found)| {
                let answer = judge(&reference, found, why);
                (reference, answer)
            })
            .collect()
    }

    fn open(&self, config: &Config) -> Result<Open, CommandError> {
        let same =
            |open: &Open| open.secrets == config.secrets && open.ca_file == config.server.ca_file;
        for known in [&self.in_force, &self.read] {
            if let Some(open) = held(known).open.as_ref().filter(|open| same(open)) {
                return Ok(open.clone());
            }
        }
        let client = outbound::client(config.server.ca_file.clone())?;
        Ok(Open {
            stores: stores(&config.secrets, &client, &self.clock),
            secrets: config.secrets.clone(),
            ca_file: config.server.ca_file.clone(),
        })
    }
}

fn held<T>(read: &Mutex<T>) -> MutexGuard<'_, T> {
    // One assignment under these locks.
    read.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for StoredValues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredValues")
    }
}

/// What is read: a text, and the servers that the admin API defined.
struct Reading<'t> {
    name: &'t str,
    text: &'t str,
    command_line: CommandLine<'t>,
    definitions: Arc<Vec<Definition>>,
}

impl<'t> Reading<'t> {
    const fn of(
        name: &'t str,
        text: &'t str,
        command_line: CommandLine<'t>,
        definitions: Arc<Vec<Definition>>,
    ) -> Self {
        Self {
            name,
            text,
            command_line,
            definitions,
        }
    }

    /// What it comes to with these answers, and for what there is none.
    fn read(
        &self,
        answers: &BTreeMap<StoredRef, Stored>,
    ) -> (Result<Loaded, ConfigErrors>, BTreeSet<StoredRef>) {
        let asked = RefCell::new(BTreeSet::new());
        let (name, text, line) = (self.name, self.text, self.command_line);
        let loaded = files::parse_with(name, text, line, &self.definitions, &|raw| {
            let reference: StoredRef = match raw.parse() {
                Ok(reference) => reference,
                Err(error) => return Stored::Failed(format!("{error}")),
            };
            answers.get(&reference).cloned().unwrap_or_else(|| {
                asked.borrow_mut().insert(reference);
                Stored::Unasked
            })
        });
        let loaded = loaded.map(|mut loaded| {
            addresses::keep_outside(&mut loaded, &self.definitions);
            loaded
        });
        (loaded, asked.into_inner())
    }
}

fn worth((reference, answer): (&StoredRef, &Stored)) -> (StoredRef, Option<[u8; 32]>) {
    let value = match answer {
        Stored::Value(value) => Some(value.fingerprint()),
        Stored::Failed(_) | Stored::Unasked => None,
    };
    (reference.clone(), value)
}

fn judge(reference: &StoredRef, found: Found, why: Why) -> Stored {
    let told = |error: &StoreError| Stored::Failed(with_causes(error, ": "));
    match found {
        Found::Fresh(value) => Stored::Value(value),
        Found::Failed(error) => told(&error),
        Found::Kept(_, error) | Found::Lapsed(error) if why == Why::Asked && !error.is_outage() => {
            told(&error)
        }
        Found::Kept(value, error) => {
            tracing::warn!(
                %reference,
                error = &*error as &dyn std::error::Error,
                "the value is not given any more; the last one stays in use for secrets.max_stale"
            );
            Stored::Value(value)
        }
        Found::Lapsed(error) => {
            tracing::error!(
                %reference,
                error = &*error as &dyn std::error::Error,
                "the value has not been given for longer than secrets.max_stale: what needs it is not served"
            );
            Stored::Unasked
        }
    }
}

fn stores(secrets: &Secrets, client: &Arc<dyn HttpClient>, clock: &Arc<dyn Clock>) -> SecretStores {
    let vault = secrets.vault.as_ref().map(|written| {
        let settings = VaultSettings {
            address: written.address.clone(),
            namespace: written.namespace.clone(),
            mount: written.mount.clone(),
            login: match &written.auth {
                VaultAuth::Token(token) => Login::Token(token.value.clone()),
                VaultAuth::AppRole {
                    mount,
                    role_id,
                    secret_id,
                } => Login::AppRole {
                    mount: mount.clone(),
                    role_id: role_id.clone(),
                    secret_id: secret_id.value.clone(),
                },
                VaultAuth::Kubernetes {
                    mount,
                    role,
                    token_file,
                } => Login::Kubernetes {
                    mount: mount.clone(),
                    role: role.clone(),
                    token_file: token_file.clone(),
                },
            },
            allow_insecure_http: written.allow_insecure_http,
        };
        Arc::new(VaultKv::new(
            settings,
            Arc::clone(client),
            Arc::clone(clock),
        )) as _
    });
    let aws = secrets.aws.as_ref().map(|written| {
        Arc::new(SecretsManager::new(
            written.endpoint.clone(),
            written.identity.region.clone(),
            aws_identity(
                &written.identity,
                Destination::Operator {
                    allow_insecure_http: written.identity.allow_insecure_http,
                },
            ),
            Arc::clone(client),
            Arc::clone(clock),
        )) as _
    });
    SecretStores { vault, aws }
}
