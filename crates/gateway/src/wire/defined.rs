//! Servers that administrators define at run time: sealed in the store, judged by the reader of the file, and put
//! in force by every replica that follows the store.

pub(super) mod addresses;
mod judging;
mod kept;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use portcullis_config::{
    CommandLine, Configuration, Definition, JudgedDefinition, changed_server, masked_server,
};
use portcullis_core::{Entropy, Principal, ServerId};
use portcullis_identity::Followed;
use portcullis_server::{
    Approval, BookError, ChangedKey, ChangedServer, ConfigurationDiff, DefinedServer, NewServer,
    Provenance, ServerBook, Verdict,
};
use portcullis_store::{Defined, ServerStore, StoreError};
use serde_json::{Map, Value};

use self::kept::{Kept, Opened};
use super::reload::fixed_differences;
use super::rooms::Rooms;
use super::stored::{StoredValues, Why};
use super::{files, servers};
use crate::lifecycle::{ReloadCause, ReloadRequester};

/// Most servers that may be defined.
const ROOM: usize = 1000;
/// As many of them may be submissions: administrators find room whatever teams do.
const ROOM_OF_SUBMISSIONS: usize = 800;
/// Most of one team that wait for review or were turned down.
const ROOM_OF_TEAM: usize = 20;
/// All of them are read again this often: a database that came back without its latest commits gives change
/// numbers out twice.
const READ_AGAIN: Duration = Duration::from_mins(5);
/// Longest that a server may take to be tried out.
const TRIED_WITHIN: Duration = Duration::from_secs(30);
/// What could not be put in force is tried again this often; what changed since then at once.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// Who keeps servers, for this process.
pub(super) struct Book {
    rooms: Arc<Rooms>,
    stored: Arc<StoredValues>,
    reload: ReloadRequester,
    file: Option<std::path::PathBuf>,
    host: Option<String>,
    port: Option<u16>,
    known: Mutex<Arc<Vec<Opened>>>,
    /// Held while reading, so that two do not cross.
    reading: tokio::sync::Mutex<Reading>,
    /// Held from the count of a team's submissions until the next is stored.
    submitting: tokio::sync::Mutex<()>,
    /// What was asked to be put in force last, and when.
    asked: Mutex<Option<Asked>>,
}

type Asked = (Arc<Vec<Definition>>, Duration);

/// How far the store was read.
#[derive(Default)]
struct Reading {
    /// The last change; `None`: never read.
    change: Option<u64>,
    at: Duration,
}

/// Where the texts come from that are put in force.
pub(super) struct BookSource<'a> {
    pub(super) file: Option<&'a std::path::Path>,
    pub(super) command_line: CommandLine<'a>,
}

impl Book {
    /// A book that knows what the store holds now; nothing of it is in force yet.
    pub(super) async fn open(
        rooms: &Arc<Rooms>,
        stored: &Arc<StoredValues>,
        reload: &ReloadRequester,
        source: BookSource<'_>,
    ) -> Result<Arc<Self>, StoreError> {
        let book = Self {
            rooms: Arc::clone(rooms),
            stored: Arc::clone(stored),
            reload: reload.clone(),
            file: source.file.map(std::path::Path::to_path_buf),
            host: source.command_line.host.map(str::to_owned),
            port: source.command_line.port,
            known: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
            submitting: tokio::sync::Mutex::default(),
            asked: Mutex::default(),
        };
        book.read().await?;
        Ok(Arc::new(book))
    }

    fn store(&self) -> &dyn ServerStore {
        &*self.rooms.vaults.stores.servers
    }

    fn command_line(&self) -> CommandLine<'_> {
        CommandLine {
            host: self.host.as_deref(),
            port: self.port,
        }
    }

    fn known(&self) -> MutexGuard<'_, Arc<Vec<Opened>>> {
        // One assignment under this lock.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what changed since the last time. Nothing of it is in force yet: whoever follows the store sees to that.
    async fn read(&self) -> Result<(), StoreError> {
        let mut reading = self.reading.lock().await;
        let now = self.rooms.vaults.clock.monotonic();
        let change = self.store().last_change().await?;
        let is_old = now.saturating_sub(reading.at) >= READ_AGAIN;
        if reading.change == Some(change) && !is_old {
            return Ok(());
        }
        let rows = self.store().all().await?;
        let opened: Vec<Opened> = rows
            .iter()
            .filter_map(|row| kept::open(&self.rooms.vaults.ring, row))
            .collect();
        let served = opened
            .iter()
            .filter(|one| one.kept.approval == Approval::Active);
        self.stored.define(served.map(Opened::definition).collect());
        *self.known() = Arc::new(opened);
        *reading = Reading {
            change: Some(change),
            at: now,
        };
        Ok(())
    }

    /// Whether what is defined is to be put in force now. What was refused is not asked for with every pulse.
    fn is_due(&self) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(unserved) = self.stored.unserved() else {
            *asked = None;
            return false;
        };
        let now = self.rooms.vaults.clock.monotonic();
        let lately =
            |(of, at): &Asked| Arc::ptr_eq(of, &unserved) && now.saturating_sub(*at) < ASK_AGAIN;
        if asked.as_ref().is_some_and(lately) {
            return false;
        }
        *asked = Some((unserved, now));
        true
    }

    /// Puts in force what the store holds now, and returns when this process serves it.
    async fn settle(&self) -> Result<(), BookError> {
        self.read().await.map_err(unavailable)?;
        match self.reload.ask_because(ReloadCause::ServersChanged).await {
            Some(Ok(_)) => Ok(()),
            // Logged where it was refused.
            Some(Err(_)) | None => Err(BookError::Unavailable),
        }
    }

    async fn opened(&self, id: &ServerId) -> Result<Option<Opened>, BookError> {
        let row = self.store().get(id).await.map_err(unavailable)?;
        let Some(row) = row else {
            return Ok(None);
        };
        let opened = kept::open(&self.rooms.vaults.ring, &row);
        opened.map(Some).ok_or(BookError::Unavailable)
    }

    /// The one of this name, in the state that the caller saw.
    async fn seen(&self, id: &ServerId, seen: Option<u64>) -> Result<Opened, BookError> {
        let opened = self.opened(id).await?.ok_or(BookError::Unknown)?;
        match seen {
            Some(seen) if seen != opened.version => Err(BookError::Changed),
            _ => Ok(opened),
        }
    }

    /// A team that submits more than anybody reviews, or wants, waits.
    async fn require_room_of_team(&self, team: Option<&str>) -> Result<(), BookError> {
        self.read().await.map_err(unavailable)?;
        let known = Arc::clone(&self.known());
        let waiting = known.iter().filter(|one| {
            one.kept.approval != Approval::Active
                && one.kept.provenance.submitted_by_team.as_deref() == team
        });
        if waiting.count() < ROOM_OF_TEAM {
            Ok(())
        } else {
            Err(BookError::Full)
        }
    }

    /// Puts `kept` in the place of a state, and serves it.
    async fn replaced(&self, before: &Opened, kept: Kept) -> Result<ChangedServer, BookError> {
        let vaults = &self.rooms.vaults;
        let version = version(&*vaults.entropy)?;
        let after = Opened {
            id: before.id.clone(),
            version,
            kept,
        };
        let row = after.seal(&vaults.ring)?;
        let replaced = self.store().replace(&row, before.version).await;
        if !replaced.map_err(unavailable)? {
            return Err(BookError::Changed);
        }
        self.settle().await?;
        Ok(ChangedServer {
            server: self.shown(&after),
            from: Some(before.version),
            fields: differing(&before.kept, &after.kept),
        })
    }

    /// A server without its secrets, and what its judge said when it was read last.
    fn shown(&self, opened: &Opened) -> DefinedServer {
        let judged = self.stored.judged(opened.id.as_str());
        let is_active = opened.kept.approval == Approval::Active;
        let (mut problems, warnings) = judged.as_ref().map(told).unwrap_or_default();
        let unused = judged.is_none_or(|judged| !judged.is_used);
        if is_active && unused && problems.is_empty() {
            problems.push("a value of it could not be had from its secret store".to_owned());
        }
        DefinedServer {
            id: opened.id.clone(),
            version: opened.version,
            approval: opened.kept.approval,
            is_behind_file: self.stored.has_in_file(opened.id.as_str()),
            entry: masked_server(&opened.kept.entry),
            provenance: opened.kept.provenance.clone(),
            problems,
            warnings,
        }
    }

    fn now(&self) -> String {
        self.rooms.vaults.clock.now().to_string()
    }
}

impl std::fmt::Debug for Book {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Book")
            .field("servers", &self.known().len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Followed for Book {
    fn name(&self) -> &'static str {
        "servers"
    }

    async fn take_in(&self) -> Result<(), StoreError> {
        self.read().await?;
        // Not whether this reading was news: others read too, and what they found may not be in force either.
        if self.is_due() {
            self.reload.request(ReloadCause::ServersChanged);
        }
        Ok(())
    }
}

#[async_trait]
impl ServerBook for Book {
    async fn all(&self) -> Result<Vec<DefinedServer>, BookError> {
        self.read().await.map_err(unavailable)?;
        let known = Arc::clone(&self.known());
        Ok(known.iter().map(|one| self.shown(one)).collect())
    }

    async fn get(&self, id: &ServerId) -> Result<Option<DefinedServer>, BookError> {
        let opened = self.opened(id).await?;
        Ok(opened.map(|one| self.shown(&one)))
    }

    async fn define(&self, wish: NewServer, by: &Principal) -> Result<ChangedServer, BookError> {
        let NewServer {
            id,
            entry,
            submitted,
        } = wish;
        let taken = || BookError::Taken(id.to_string());
        if self.stored.has_in_file(id.as_str()) {
            return Err(taken());
        }
        let (now, who) = (self.now(), by.id.to_string());
        let mut provenance = Provenance {
            created_at: now.clone(),
            created_by: who.clone(),
            updated_at: now.clone(),
            updated_by: who.clone(),
            ..Provenance::default()
        };
        let mut one_at_a_time = None;
        if submitted {
            one_at_a_time = Some(self.submitting.lock().await);
            self.require_room_of_team(by.team.as_deref()).await?;
            provenance.submitted_at = Some(now);
            provenance.submitted_by = Some(who);
            provenance.submitted_by_team = by.team.as_deref().map(str::to_owned);
        }
        let opened = Opened {
            version: version(&*self.rooms.vaults.entropy)?,
            id: id.clone(),
            kept: Kept {
                approval: if submitted {
                    Approval::PendingReview
                } else {
                    Approval::Active
                },
                entry,
                provenance,
            },
        };
        self.judge(&opened.definition()).await?;
        let row = opened.seal(&self.rooms.vaults.ring)?;
        let room = if submitted { ROOM_OF_SUBMISSIONS } else { ROOM };
        let stored = self.store().define(&row, room).await;
        drop(one_at_a_time);
        match stored.map_err(unavailable)? {
            Defined::Stored => {}
            Defined::Taken => return Err(taken()),
            Defined::Full => return Err(BookError::Full),
        }
        if submitted {
            // Nothing of it is in force.
            self.read().await.map_err(unavailable)?;
        } else {
            self.settle().await?;
        }
        Ok(ChangedServer {
            server: self.shown(&opened),
            from: None,
            fields: opened.kept.entry.keys().cloned().collect(),
        })
    }

    async fn change(
        &self,
        id: &ServerId,
        changes: Map<String, Value>,
        seen: Option<u64>,
        by: &Principal,
    ) -> Result<ChangedServer, BookError> {
        let before = self.seen(id, seen).await?;
        let mut kept = before.kept.clone();
        kept.entry = changed_server(&kept.entry, changes).map_err(BookError::Invalid)?;
        kept.provenance.updated_at = self.now();
        kept.provenance.updated_by = by.id.to_string();
        let definition = Opened {
            kept: kept.clone(),
            ..before.clone()
        }
        .definition();
        self.judge(&definition).await?;
        self.replaced(&before, kept).await
    }

    async fn remove(&self, id: &ServerId, seen: Option<u64>) -> Result<u64, BookError> {
        let row = self.store().get(id).await.map_err(unavailable)?;
        // Also one that cannot be opened any more can be taken away.
        let row = row.ok_or(BookError::Unknown)?;
        if seen.is_some_and(|seen| seen != row.version) {
            return Err(BookError::Changed);
        }
        let snapshot = self.rooms.gateway.snapshot();
        let mut entries = snapshot.servers().iter();
        let entry = entries.find(|entry| entry.id == *id).cloned();
        let is_of_file = self.stored.has_in_file(id.as_str());
        let removed = self.store().remove(id, row.version).await;
        if !removed.map_err(unavailable)? {
            return Err(BookError::Changed);
        }
        let settled = self.settle().await;
        let mut ended = 0;
        // What people connected at a server of the file is not this one's. Otherwise it ends also where what is left
        // could not be put in force: nobody asks for it again.
        if !is_of_file {
            let auth = entry.as_ref().map(|entry| &entry.auth);
            let outcome = self.rooms.connections.end_server(id, auth).await;
            ended = outcome.map_err(unavailable)?;
        }
        tracing::info!(mcp.server.id = %id, connections = ended, "a server was taken away");
        settled?;
        Ok(row.version)
    }

    async fn review(
        &self,
        id: &ServerId,
        verdict: Verdict,
        seen: Option<u64>,
        by: &Principal,
    ) -> Result<ChangedServer, BookError> {
        let before = self.seen(id, seen).await?;
        let mut kept = before.kept.clone();
        let notes = match (verdict, kept.approval) {
            (Verdict::Approve, Approval::Active) => {
                return Err(BookError::Already("MCP server is already active."));
            }
            (Verdict::Reject { .. }, Approval::Rejected) => {
                return Err(BookError::Already("MCP server is already rejected."));
            }
            (Verdict::Approve, _) => {
                self.judge(&before.definition()).await?;
                kept.approval = Approval::Active;
                None
            }
            (Verdict::Reject { notes }, _) => {
                kept.approval = Approval::Rejected;
                notes
            }
        };
        kept.provenance.reviewed_at = Some(self.now());
        kept.provenance.reviewed_by = Some(by.id.to_string());
        kept.provenance.review_notes = notes;
        self.replaced(&before, kept).await
    }

    async fn try_out(&self, entry: Map<String, Value>) -> Result<Option<Vec<Value>>, BookError> {
        let definition = Definition {
            name: "test-connection".to_owned(),
            text: Value::Object(entry).to_string(),
            may_ask_stores: true,
        };
        let made = self.judge(&definition).await?;
        let trying = self.rooms.gateway.try_out(Arc::new(made));
        let tools = match tokio::time::timeout(TRIED_WITHIN, trying).await {
            Ok(Ok(tools)) => tools,
            Ok(Err(error)) => {
                tracing::info!(
                    error = &error as &dyn std::error::Error,
                    "a server that was tried out does not answer"
                );
                return Ok(None);
            }
            Err(_) => return Ok(None),
        };
        let tools = tools.iter().map(|tool| serde_json::from_str(tool.get()));
        Ok(tools.collect::<Result<_, _>>().ok())
    }

    async fn configuration(&self) -> Result<Value, BookError> {
        let text = self.stored.text_in_force();
        Ok(Value::Object(configuration_of(&text)?.shown().clone()))
    }

    async fn configuration_diff(&self) -> Result<ConfigurationDiff, BookError> {
        let Some(file) = &self.file else {
            return Ok(ConfigurationDiff::default());
        };
        let refused = |refused: String| ConfigurationDiff {
            refused: Some(refused),
            ..ConfigurationDiff::default()
        };
        let text = match files::text(file) {
            Ok(text) => text,
            Err(error) => return Ok(refused(error.to_string())),
        };
        let name = file.display().to_string();
        let line = self.command_line();
        let read = self.stored.look_at(&name, &text, line, Why::Asked).await;
        let config = match read {
            Ok(Ok(loaded)) => loaded.config,
            Ok(Err(errors)) => return Ok(refused(errors.to_string())),
            Err(error) => return Ok(refused(error.to_string())),
        };
        let before = configuration_of(&self.stored.text_in_force())?;
        let changes = before.differences(&configuration_of(&text)?);
        let changes = changes
            .into_iter()
            .map(|(path, in_force, in_file)| ChangedKey {
                path,
                in_force,
                in_file,
            });
        let since_start = self.stored.config_at_start();
        let fixed = since_start.map(|before| fixed_differences(&before, &config));
        Ok(ConfigurationDiff {
            changes: changes.collect(),
            at_next_start: fixed
                .unwrap_or_default()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            refused: None,
        })
    }
}

/// The keys of which an entry says something else than before, and what became of the server.
fn differing(before: &Kept, after: &Kept) -> Vec<String> {
    let (was, is) = (&before.entry, &after.entry);
    let names = was
        .keys()
        .chain(is.keys().filter(|name| !was.contains_key(*name)));
    let differ = names
        .filter(|name| was.get(*name) != is.get(*name))
        .cloned();
    let status = (before.approval != after.approval).then(|| "approval_status".to_owned());
    differ.chain(status).collect()
}

/// A state that there was not before.
fn version(entropy: &dyn Entropy) -> Result<u64, BookError> {
    let mut bytes = [0; 8];
    let filled = entropy.fill(&mut bytes);
    filled.map_err(|_| BookError::Unavailable)?;
    Ok(u64::from_be_bytes(bytes) >> 1)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what `map_err` hands over"
)]
fn unavailable(error: StoreError) -> BookError {
    tracing::error!(
        error = &error as &dyn std::error::Error,
        "the servers of the store cannot be read or changed"
    );
    BookError::Unavailable
}

/// A text as it may be shown.
fn configuration_of(text: &str) -> Result<Configuration, BookError> {
    files::masked(text).ok_or(BookError::Unavailable)
}

/// What a judge said, in sentences.
fn told(judged: &JudgedDefinition) -> (Vec<String>, Vec<String>) {
    let problems = judged.errors.iter().map(judging::sentence);
    let warnings = judged.notices.iter();
    let warnings = warnings.map(|notice| format!("{}: {}", notice.path, notice.text));
    (problems.collect(), warnings.collect())
}
