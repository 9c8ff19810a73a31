//! When a deployment is left alone for a while.

use std::time::Duration;

use portcullis_core::Timestamp;

use crate::provider_error::ErrorClass;

/// When and how long; the defaults are LiteLLM's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CooldownPolicy {
    /// `cooldown_time`: how long, unless the provider says longer.
    pub cooldown: Duration,
    /// The longest that a provider's own word is believed.
    pub longest: Duration,
    /// `allowed_fails`: failures a minute that are borne.
    pub allowed_fails: u64,
    /// Requests a minute from which on the share of failures counts.
    pub least_requests: u64,
    /// The share of failures that is not borne, in percent.
    pub failed_percent: u64,
    /// Requests a minute, all failed, after which even the only deployment of a model is left alone.
    pub only_one_requests: u64,
}

impl Default for CooldownPolicy {
    fn default() -> Self {
        Self {
            cooldown: Duration::from_secs(5),
            longest: Duration::from_mins(2),
            allowed_fails: 3,
            least_requests: 5,
            failed_percent: 50,
            only_one_requests: 1000,
        }
    }
}

/// Whether a model has other deployments to go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// It has.
    Several,
    /// It has none: leaving it alone helps nobody, unless it is dead.
    OnlyOne,
}

/// How a deployment has fared in the present minute, and until when it is left alone. A value:
/// whoever shares it between replicas writes it down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cooldown {
    minute: i64,
    requests: u64,
    failures: u64,
    until: Option<Timestamp>,
}

const MINUTE_MILLIS: i64 = 60_000;

impl Cooldown {
    /// Whether the deployment is left alone at this moment.
    pub fn is_cooling(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Until when.
    pub const fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// It answered.
    #[must_use]
    pub const fn succeeded(self, now: Timestamp) -> Self {
        let mut this = self.in_minute(now);
        this.requests = this.requests.saturating_add(1);
        this
    }

    /// It refused or failed; `retry_after` is what it said.
    #[must_use]
    pub fn failed(
        self,
        class: ErrorClass,
        retry_after: Option<Duration>,
        group: Group,
        policy: &CooldownPolicy,
        now: Timestamp,
    ) -> Self {
        let mut this = self.in_minute(now);
        this.requests = this.requests.saturating_add(1);
        if !class.is_worth_another_deployment() {
            // The request's own fault says nothing of the deployment.
            return this;
        }
        this.failures = this.failures.saturating_add(1);
        let tripped = match group {
            Group::OnlyOne => {
                this.requests >= policy.only_one_requests && this.failures == this.requests
            }
            Group::Several => {
                is_final(class)
                    || this.failures > policy.allowed_fails
                    || (this.requests >= policy.least_requests
                        && this.failures.saturating_mul(100)
                            > this.requests.saturating_mul(policy.failed_percent))
            }
        };
        if tripped {
            let said = retry_after.unwrap_or_default().min(policy.longest);
            let until = now.after(policy.cooldown.max(said));
            this.until = Some(this.until.map_or(until, |before| before.max(until)));
        }
        this
    }

    const fn in_minute(self, now: Timestamp) -> Self {
        let minute = now.as_millis().div_euclid(MINUTE_MILLIS);
        if minute == self.minute {
            return self;
        }
        Self {
            minute,
            requests: 0,
            failures: 0,
            until: self.until,
        }
    }
}

/// One such answer is enough: the next would be the same.
const fn is_final(class: ErrorClass) -> bool {
    matches!(
        class,
        ErrorClass::RateLimited
            | ErrorClass::Quota
            | ErrorClass::Authentication
            | ErrorClass::NotFound
            | ErrorClass::Timeout
    )
}
