//! The one door to an upstream: credential, forward, and the two repeats that are safe because the
//! upstream said that it did nothing: a refused token (401, or ended keys of AWS) and a forgotten
//! session (404).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use portcullis_core::ErrorKind;
use portcullis_credentials::{
    CredentialError, CredentialKind, Errand, Refusal, UpstreamCredential,
};
use portcullis_mcp::{Edits, Envelope, Kind, Revision};
use portcullis_policy::Evidence;
use portcullis_upstream::{
    EventStream, LegacySession, Outgoing, Owner, Reply, SessionReply, SessionWish, UpstreamError,
    UpstreamErrorKind,
};

use crate::audit::AuditGuard;
use crate::catalog::failed;
use crate::challenge::refused;
use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::metrics::{ServerMeters, UpstreamOutcome};
use crate::presenting::{Kept, Presenting};
use crate::snapshot::ServerEntry;
use crate::traces::Outbound;

/// How long a server that was silent for too long may take to hear that nobody waits any more.
const GIVING_UP: Duration = Duration::from_secs(2);

/// Which era's wire a request takes.
#[derive(Clone, Debug)]
pub(crate) enum Speech {
    /// Stateless; the headers of the revision come along.
    Modern,
    /// In the session of this wish, on behalf of one of its clients.
    Legacy(SessionWish, Option<Owner>),
}

/// What came back.
#[derive(Debug)]
pub(crate) enum Opened {
    Modern(Reply),
    Legacy(Arc<LegacySession>, SessionReply),
}

impl Opened {
    const fn reply(&self) -> &Reply {
        match self {
            Self::Modern(reply) => reply,
            Self::Legacy(_, waiting) => &waiting.reply,
        }
    }

    /// Whether the answer is still to come.
    const fn streams(&self) -> bool {
        matches!(self.reply(), Reply::Stream(_))
    }

    /// The HTTP status that came with it.
    fn status(&self) -> u16 {
        match self.reply() {
            Reply::Accepted => 202,
            Reply::Message { status, .. } => status.as_u16(),
            Reply::Stream(_) => 200,
        }
    }
}

/// What the audit event should say of the upstream's side.
#[derive(Debug, Default)]
pub(crate) struct Note {
    credential: Option<CredentialKind>,
    status: Option<u16>,
    /// Whether the request may have reached the server: set before its bytes leave, so that whoever stops
    /// waiting in the middle finds it set.
    pub(crate) sent: bool,
    /// What the answered request carried.
    pub(crate) presented: Option<UpstreamCredential>,
    /// What it goes out under, where spans are told.
    trace: Option<Outbound>,
}

impl Note {
    /// Of what goes out because of this request.
    pub(crate) fn of(audit: &AuditGuard) -> Self {
        Self {
            trace: audit.outbound(),
            ..Self::default()
        }
    }

    pub(crate) fn record(&self, audit: &mut AuditGuard) {
        if let Some(kind) = self.credential {
            audit.credential(kind);
        }
        if let Some(status) = self.status {
            audit.upstream_status(status);
        }
    }
}

impl Gateway {
    /// Sends one request. `edits` are applied to the envelope's text; in a session the ids become
    /// ours as well.
    pub(crate) async fn exchange(
        &self,
        entry: &ServerEntry,
        evidence: &Evidence,
        speech: &Speech,
        envelope: &Envelope<'_>,
        edits: Edits<'_>,
        headers: HeaderMap,
        note: &mut Note,
    ) -> Result<Opened, EngineError> {
        let mut refreshed = false;
        let mut reopened = false;
        loop {
            let credential = self.obtain(entry, evidence, errand_of(envelope)).await?;
            let opening = self.opening(entry, evidence, speech).await?;
            note.credential = Some(credential.kind());
            let (mut edits, mut headers) = (edits.clone(), headers.clone());
            let watch = Watch::start(self, entry);
            let told = note.trace.clone();
            let told = told.as_ref().and_then(|trace| {
                let told = trace.begin(
                    entry,
                    method_of(envelope),
                    credential.kind(),
                    self.clock.monotonic(),
                )?;
                told.put_on(&mut headers);
                told.put_in(envelope, matches!(speech, Speech::Modern), &mut edits);
                Some(told)
            });
            let sent = attempt(
                entry,
                evidence,
                Carried {
                    credential: &credential,
                    opening: opening.as_ref().unwrap_or(&credential),
                },
                speech,
                envelope,
                edits,
                headers,
                &mut note.sent,
            )
            .await;
            let (error, session) = match sent {
                Ok(opened) => {
                    note.status = Some(opened.status());
                    if let Some(told) = told {
                        let now = self.clock.monotonic();
                        told.answered(opened.status(), opened.streams(), now);
                    }
                    note.presented = Some(credential);
                    watch.ended(UpstreamOutcome::Ok);
                    return Ok(opened);
                }
                Err(failed) => failed,
            };
            watch.ended(match error.error_kind() {
                ErrorKind::Timeout => UpstreamOutcome::Timeout,
                ErrorKind::UpstreamRefused => UpstreamOutcome::Refused,
                _ => UpstreamOutcome::Unreachable,
            });
            note.status = error.status();
            if error.kind.is_before_send() {
                // Whatever went before it was refused unread.
                note.sent = false;
            }
            if let Some(told) = told {
                let now = self.clock.monotonic();
                told.failed(error.error_kind(), note.status, now);
            }
            if let (Some(session), Some(ours)) = (session, error.unanswered) {
                self.give_up(entry, evidence, &session, ours).await;
            }
            match error.kind {
                kind if kind.refuses_credential() || kind.refuses_operation() => {
                    let helps = self.rejected(entry, &credential, &error, refreshed).await?;
                    if !helps || refreshed {
                        if kind.refuses_operation() || refreshed {
                            no_answer(entry, &error);
                        }
                        return Err(refused(entry, evidence, error));
                    }
                    refreshed = true;
                }
                UpstreamErrorKind::SessionLost if !reopened => reopened = true,
                _ => {
                    no_answer(entry, &error);
                    return Err(error.into());
                }
            }
        }
    }

    /// Tells a server that nobody waits any more for a request that took too long ("The sender SHOULD issue
    /// a cancellation notification for that request", 2025-11-25 "Timeouts").
    async fn give_up(
        &self,
        entry: &ServerEntry,
        evidence: &Evidence,
        session: &LegacySession,
        ours: i64,
    ) {
        let text = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{ours},"reason":"it took too long"}}}}"#
        );
        let told = self.tell(entry, evidence, session, text);
        match tokio::time::timeout(GIVING_UP, told).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::info!(mcp.server.id = %entry.id, error = %error, "server not told that nobody waits");
            }
            Err(_) => {
                tracing::info!(mcp.server.id = %entry.id, "server not told that nobody waits: it is silent");
            }
        }
    }

    /// The session of a wish, opened if need be; what a client's `initialize` on a named endpoint asks for.
    pub(crate) async fn session(
        self: &Arc<Self>,
        entry: &Arc<ServerEntry>,
        evidence: &Evidence,
        wish: &SessionWish,
        note: &mut Note,
    ) -> Result<Arc<LegacySession>, EngineError> {
        let opened = self
            .presenting(
                entry,
                evidence,
                Errand::OPEN,
                note,
                |credential| async move {
                    let presents = Presenting(&credential);
                    entry.upstream.session(evidence, &presents, wish).await
                },
            )
            .await;
        if let Err(error) = &opened {
            tracing::info!(mcp.server.id = %entry.id, error = %error, "session not opened");
        }
        let (credential, session) = opened?;
        keep_for_the_end(entry, evidence, &session, &credential);
        if credential.appears_in(session.initialize_result().as_bytes()) {
            return Err(revealing(entry));
        }
        Ok(session)
    }

    /// Whether a server speaks the stateless era; no credential is got where nobody need be asked.
    pub(crate) async fn speaks_modern(
        &self,
        entry: &ServerEntry,
        evidence: &Evidence,
    ) -> Result<bool, EngineError> {
        if let Some(modern) = entry.upstream.lately_modern(evidence) {
            return Ok(modern);
        }
        let mut note = Note::default();
        let asked = self.presenting(
            entry,
            evidence,
            Errand::DISCOVER,
            &mut note,
            |credential| async move {
                let presents = Presenting(&credential);
                entry.upstream.speaks_modern(evidence, &presents).await
            },
        );
        Ok(asked.await?.1)
    }

    /// Sends something into a session that expects no answer.
    pub(crate) async fn tell(
        &self,
        entry: &ServerEntry,
        evidence: &Evidence,
        session: &LegacySession,
        text: String,
    ) -> Result<(), EngineError> {
        let mut note = Note::default();
        let told = self.tell_noting(entry, evidence, session, text, &mut note);
        told.await.map(drop)
    }

    /// The same; also what was presented for it.
    pub(crate) async fn tell_noting(
        &self,
        entry: &ServerEntry,
        evidence: &Evidence,
        session: &LegacySession,
        text: String,
        note: &mut Note,
    ) -> Result<UpstreamCredential, EngineError> {
        let text = &text;
        let told = Envelope::parse(text.as_bytes());
        let errand = told.as_ref().map_or(Errand::Session, errand_of);
        let told = self.presenting(entry, evidence, errand, note, |credential| async move {
            let presents = Presenting(&credential);
            session
                .notify(&presents, text.clone(), HeaderMap::new())
                .await
        });
        told.await.map(|(credential, ())| credential)
    }

    /// Opens a session's stream, after an event if one is named; also what was presented for it.
    pub(crate) async fn stream(
        &self,
        entry: &ServerEntry,
        evidence: &Evidence,
        session: &LegacySession,
        last_event_id: Option<&HeaderValue>,
    ) -> Result<(UpstreamCredential, Option<EventStream>), EngineError> {
        self.presenting(
            entry,
            evidence,
            Errand::Session,
            &mut Note::default(),
            |credential| async move {
                let presents = Presenting(&credential);
                session.stream(&presents, last_event_id.cloned()).await
            },
        )
        .await
    }

    /// Does something with a credential, and once more with a fresh one if the server refused the
    /// first with 401, because then it did nothing.
    async fn presenting<T, Doing>(
        &self,
        entry: &ServerEntry,
        evidence: &Evidence,
        errand: Errand<'_>,
        note: &mut Note,
        does: impl Fn(UpstreamCredential) -> Doing + Send,
    ) -> Result<(UpstreamCredential, T), EngineError>
    where
        T: Send,
        Doing: Future<Output = Result<T, UpstreamError>> + Send,
    {
        let mut refreshed = false;
        loop {
            let credential = self.obtain(entry, evidence, errand).await?;
            note.credential = Some(credential.kind());
            let error = match does(credential.clone()).await {
                Ok(done) => return Ok((credential, done)),
                Err(error) => error,
            };
            note.status = error.status();
            let helps = self.rejected(entry, &credential, &error, refreshed).await?;
            if !helps || refreshed {
                return Err(refused(entry, evidence, error));
            }
            refreshed = true;
        }
    }

    pub(crate) async fn obtain(
        &self,
        entry: &ServerEntry,
        evidence: &Evidence,
        errand: Errand<'_>,
    ) -> Result<UpstreamCredential, CredentialError> {
        // What never leaves the process carries nothing, and needs no account to be connected.
        if let Errand::Method(method) = errand
            && entry.upstream.answers_itself(method)
        {
            return Ok(UpstreamCredential::nothing());
        }
        self.credentials.obtain(evidence, &entry.auth, errand).await
    }

    /// Whether asking again can help after a server refused a credential, or what was asked with it.
    /// An error of the broker's is told instead: whoever acts has to consent again.
    async fn rejected(
        &self,
        entry: &ServerEntry,
        credential: &UpstreamCredential,
        error: &UpstreamError,
        again: bool,
    ) -> Result<bool, CredentialError> {
        let challenge = &error.challenge;
        let refusal = if error.kind.refuses_credential() {
            Refusal::Credential { challenge, again }
        } else if error.kind.refuses_operation() {
            Refusal::Operation { challenge }
        } else {
            return Ok(false);
        };
        let auth = &entry.auth;
        self.credentials.rejected(auth, credential, refusal).await
    }

    /// What a session is opened with before a request goes into it, where a credential tells what it
    /// is for and so cannot serve for both.
    async fn opening(
        &self,
        entry: &ServerEntry,
        evidence: &Evidence,
        speech: &Speech,
    ) -> Result<Option<UpstreamCredential>, CredentialError> {
        match speech {
            Speech::Legacy(wish, _)
                if entry.auth.tells_errands()
                    && entry.upstream.open_session(evidence, wish).is_none() =>
            {
                self.obtain(entry, evidence, Errand::OPEN).await.map(Some)
            }
            Speech::Legacy(..) | Speech::Modern => Ok(None),
        }
    }

    /// Says goodbye, for whoever's session it was: with what that caller presented last, where only
    /// they can. Nothing is fetched for somebody who has gone.
    pub(crate) async fn close_session(&self, entry: &ServerEntry, session: &LegacySession) {
        let said = |closed: Result<(), UpstreamError>| {
            if let Err(error) = closed {
                tracing::debug!(mcp.server.id = %entry.id, error = %error, "session not closed upstream");
            }
        };
        if let Some(parting) = session.parting() {
            return said(session.close(&*parting).await);
        }
        let permit = portcullis_policy::authorize_service(&entry.id);
        let Ok(credential) = self.obtain(entry, permit.evidence(), Errand::Session).await else {
            return;
        };
        said(session.close(&Presenting(&credential)).await);
    }
}

/// What the server has just taken from a caller whose session nobody else can end.
fn keep_for_the_end(
    entry: &ServerEntry,
    evidence: &Evidence,
    session: &LegacySession,
    credential: &UpstreamCredential,
) {
    if entry.auth.ends_with_caller(evidence) {
        session.part_with(Arc::new(Kept(credential.clone())));
    }
}

fn no_answer(entry: &ServerEntry, error: &UpstreamError) {
    tracing::info!(mcp.server.id = %entry.id, error = %error, "upstream gave no answer");
}

/// The answer repeats our credential and is withheld.
pub(crate) fn revealing(entry: &ServerEntry) -> EngineError {
    failed(entry, UpstreamErrorKind::Revealing)
}

/// Times one request to a server; dropped unended, its caller went away.
struct Watch<'a> {
    gateway: &'a Gateway,
    meters: &'a ServerMeters,
    started: Duration,
    ended: bool,
}

impl<'a> Watch<'a> {
    fn start(gateway: &'a Gateway, entry: &'a ServerEntry) -> Self {
        let started = gateway.clock.monotonic();
        Self {
            gateway,
            meters: &entry.meters,
            started,
            ended: false,
        }
    }

    fn ended(mut self, outcome: UpstreamOutcome) {
        self.ended = true;
        self.meters.request(
            outcome,
            self.gateway.clock.monotonic().saturating_sub(self.started),
        );
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let spent = self.gateway.clock.monotonic().saturating_sub(self.started);
            self.meters.request(UpstreamOutcome::Abandoned, spent);
        }
    }
}

/// The credential of a request, and of the session that it may have to open.
#[derive(Clone, Copy)]
struct Carried<'a> {
    credential: &'a UpstreamCredential,
    opening: &'a UpstreamCredential,
}

/// What a message asks for.
const fn errand_of<'a>(envelope: &Envelope<'a>) -> Errand<'a> {
    match envelope.kind {
        Kind::Request { method, .. } | Kind::Notification { method } => Errand::Method(method),
        Kind::Response { .. } => Errand::Session,
    }
}

const fn method_of<'a>(envelope: &Envelope<'a>) -> &'a str {
    match envelope.kind {
        Kind::Request { method, .. } | Kind::Notification { method } => method,
        Kind::Response { .. } => "",
    }
}

/// One attempt; with an error comes the session in which it was made.
async fn attempt(
    entry: &ServerEntry,
    evidence: &Evidence,
    carried: Carried<'_>,
    speech: &Speech,
    envelope: &Envelope<'_>,
    edits: Edits<'_>,
    headers: HeaderMap,
    leaves: &mut bool,
) -> Result<Opened, (UpstreamError, Option<Arc<LegacySession>>)> {
    let presents = Presenting(carried.credential);
    match speech {
        Speech::Modern => {
            let body = Bytes::from(edits.finish());
            let outgoing = Outgoing {
                body,
                revision: Some(Revision::V2026_07_28),
                headers,
                client: None,
            };
            *leaves = true;
            entry
                .upstream
                .exchange(evidence, &presents, outgoing)
                .await
                .map(Opened::Modern)
                .map_err(|error| (error, None))
        }
        Speech::Legacy(wish, owner) => {
            let opening = Presenting(carried.opening);
            let opened = entry.upstream.session(evidence, &opening, wish).await;
            let session = opened.map_err(|error| (error, None))?;
            *leaves = true;
            let reply = session
                .request(&presents, envelope, edits, *owner, headers)
                .await
                .map_err(|error| (error, Some(Arc::clone(&session))))?;
            keep_for_the_end(entry, evidence, &session, carried.credential);
            Ok(Opened::Legacy(session, reply))
        }
    }
}
