use async_trait::async_trait;
use http::{Request, Response};
use portcullis_core::{ManualClock, Timestamp};
use portcullis_egress::{EgressError, EgressPolicy, RequestBody, ResponseBody};
use url::Url;

use super::*;

#[derive(Debug)]
struct Unused;

#[async_trait]
impl HttpClient for Unused {
    async fn send(
        &self,
        _: Request<RequestBody>,
        _: &EgressPolicy,
    ) -> Result<Response<ResponseBody>, EgressError> {
        unreachable!("nobody asks the issuer in this story")
    }
}

type Event = Box<dyn FnOnce() + Send>;

/// Something happens when it is asked for the time, this often from now.
struct Eventful {
    clock: ManualClock,
    event: Mutex<Option<(u32, Event)>>,
}

impl fmt::Debug for Eventful {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Eventful")
    }
}

impl Clock for Eventful {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn monotonic(&self) -> Duration {
        let mut event = self.event.lock().unwrap();
        let due = match event.take() {
            Some((1, happens)) => Some(happens),
            Some((left, happens)) => {
                *event = Some((left - 1, happens));
                None
            }
            None => None,
        };
        drop(event);
        if let Some(happens) = due {
            happens();
        }
        self.clock.monotonic()
    }
}

fn keys(kid: &str) -> Arc<Jwks> {
    let set = format!(
        r#"{{"keys":[{{"kty":"EC","crv":"P-256","kid":"{kid}","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}}]}}"#
    );
    Arc::new(Jwks::parse(set.as_bytes()).unwrap())
}

fn cache(clock: Arc<dyn Clock>) -> Arc<JwksCache> {
    let issuer_url = Url::parse("https://issuer.example").unwrap();
    let source = JwksSource {
        issuer: "https://issuer.example".to_owned(),
        jwks_uri: Some(issuer_url.clone()),
        issuer_url,
        allow_insecure_http: false,
    };
    JwksCache::new(
        source,
        Arc::new(Unused),
        clock,
        TaskTracker::new(),
        JwksSettings::default(),
    )
}

/// Somebody else's question is answered just after we looked and just before we would wait for it.
#[tokio::test]
async fn an_answer_that_comes_between_the_look_and_the_question_is_not_missed() {
    let clock = Arc::new(Eventful {
        clock: ManualClock::at_millis(0),
        event: Mutex::default(),
    });
    let cache = cache(Arc::clone(&clock) as Arc<dyn Clock>);
    let (older, newer) = (keys("k1"), keys("k2"));
    {
        let mut state = cache.state();
        state.keys = Some((Arc::clone(&older), Duration::ZERO));
        state.last_unknown = Some(Duration::ZERO);
        state.under_way = 1;
    }
    let (answered, came) = (Arc::clone(&cache), Arc::clone(&newer));
    let event: Event = Box::new(move || {
        let mut state = answered.state();
        state.keys = Some((came, Duration::ZERO));
        state.under_way = 0;
    });
    *clock.event.lock().unwrap() = Some((2, event));
    let found = cache.newer_than(&older).await.unwrap();
    assert!(Arc::ptr_eq(&found, &newer));
}

/// Somebody else has decided to ask for an unknown `kid`, and we come before they have asked.
#[tokio::test]
async fn a_question_that_was_decided_on_is_waited_for_before_it_is_asked() {
    let cache = cache(Arc::new(ManualClock::at_millis(0)));
    let (older, newer) = (keys("k1"), keys("k2"));
    cache.state().keys = Some((Arc::clone(&older), Duration::ZERO));
    let flight = cache.flight.lock().await;
    let _place = cache.line_up_for_unknown().unwrap();
    let ours = {
        let cache = Arc::clone(&cache);
        TaskTracker::new().spawn(async move { cache.newer_than(&older).await })
    };
    while cache.state().under_way < 2 && !ours.is_finished() {
        tokio::task::yield_now().await;
    }
    {
        let mut state = cache.state();
        state.keys = Some((Arc::clone(&newer), Duration::ZERO));
        state.ended += 1;
    }
    drop(flight);
    let found = ours.await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&found, &newer));
}

/// A question that ends by a defect is not under way for ever.
#[tokio::test]
async fn who_asks_after_a_defect_is_not_told_to_wait_for_it() {
    let issuer_url = Url::parse("https://issuer.example").unwrap();
    let source = JwksSource {
        issuer: "https://issuer.example".to_owned(),
        jwks_uri: Some(issuer_url.clone()),
        issuer_url,
        allow_insecure_http: false,
    };
    let cache = JwksCache::new(
        source,
        Arc::new(Unused),
        Arc::new(ManualClock::at_millis(0)),
        TaskTracker::new(),
        JwksSettings::default(),
    );
    let defect = cache.ask(Wanted::Any).await.unwrap_err();
    assert!(defect.is_panic());
    assert_eq!(cache.state().under_way, 0);
}
