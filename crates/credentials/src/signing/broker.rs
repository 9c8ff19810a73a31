//! The broker of a gateway that signs: another broker's credentials, and ours beside them.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderName, HeaderValue};
use portcullis_core::{Clock, Entropy, ServerId};
use portcullis_oauth::jose::{Claims, Verified};
use portcullis_policy::{Acting, Evidence};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::Signer;
use crate::error::Failure;
use crate::{
    CredentialBroker, CredentialError, CredentialErrorKind, Errand, Refusal, ServerAuth,
    UpstreamCredential,
};

/// Signs for the servers whose operator wants it, and leaves all others to the broker inside.
#[derive(Debug)]
pub struct SigningBroker<B> {
    inner: B,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    tasks: TaskTracker,
    /// RSA keeps a core busy for a while: no more at a time than there are cores.
    aside: Arc<Semaphore>,
}

impl<B> SigningBroker<B> {
    /// Signs beside what `inner` presents.
    pub fn new(
        inner: B,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        tasks: TaskTracker,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            inner,
            clock,
            entropy,
            tasks,
            aside: Arc::new(Semaphore::new(cores)),
        }
    }

    async fn signed(
        &self,
        signer: &Arc<Signer>,
        evidence: &Evidence,
        errand: Errand<'_>,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Failure> {
        let verified = verified(signer, evidence).await?;
        let verified = verified.as_deref();
        let (clock, entropy) = (&*self.clock, &*self.entropy);
        let unsigned = signer.draft(evidence, verified, errand, clock, entropy)?;
        if !unsigned.is_slow() {
            return signer.sign(&unsigned);
        }
        let cannot = || Failure::new(CredentialErrorKind::CannotSign);
        let aside = Arc::clone(&self.aside);
        let turn = aside.acquire_owned().await.map_err(|_| cannot())?;
        let signer = Arc::clone(signer);
        let signing = self.tasks.spawn_blocking(move || {
            let signed = signer.sign(&unsigned);
            drop(turn);
            signed
        });
        signing.await.map_err(|error| cannot().because(error))?
    }
}

/// What the caller's own token says, where the operator wants to hear it. We ourselves bring none;
/// nobody whom we cannot name is taken for us.
async fn verified(
    signer: &Signer,
    evidence: &Evidence,
) -> Result<Option<Arc<Verified<Claims>>>, Failure> {
    if *evidence.acting() == Acting::Service {
        return Ok(None);
    }
    if evidence.caller().is_none() {
        return Err(Failure::new(CredentialErrorKind::CannotSign));
    }
    let Some(verifier) = signer.verifier() else {
        return Ok(None);
    };
    let subject = evidence
        .subject()
        .ok_or(Failure::new(CredentialErrorKind::NoSubject))?;
    Ok(verifier.verify(subject).await.map(Some)?)
}

#[async_trait]
impl<B: CredentialBroker> CredentialBroker for SigningBroker<B> {
    async fn obtain(
        &self,
        evidence: &Evidence,
        auth: &ServerAuth,
        errand: Errand<'_>,
    ) -> Result<UpstreamCredential, CredentialError> {
        let credential = self.inner.obtain(evidence, auth, errand).await?;
        let Some(signer) = &auth.signer else {
            return Ok(credential);
        };
        let signed = self.signed(signer, evidence, errand).await;
        let signed = signed.map_err(|failure| failure.for_server(&auth.server))?;
        Ok(credential.vouched_for(signed))
    }

    async fn rejected(
        &self,
        auth: &ServerAuth,
        credential: &UpstreamCredential,
        refusal: Refusal<'_>,
    ) -> Result<bool, CredentialError> {
        self.inner.rejected(auth, credential, refusal).await
    }

    fn keep_only(&self, servers: &BTreeSet<ServerId>) {
        self.inner.keep_only(servers);
    }
}
