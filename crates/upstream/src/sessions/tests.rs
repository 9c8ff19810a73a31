use std::future::Future;
use std::pin::Pin;

use http::{Request, Response, Uri};
use portcullis_core::{PrincipalId, ServerId, SystemClock};
use portcullis_egress::{
    Destination, EgressError, EgressPolicy, HttpClient, RequestBody, ResponseBody,
};
use portcullis_mcp::{ClientCapabilities, PushPolicy, Revision};
use tokio_util::task::TaskTracker;

use super::*;
use crate::handshake::Handshake;
use crate::server::{Endpoint, ProtocolChoice, UpstreamServer};
use crate::stdio::Processes;
use crate::transport::{Link, Means, Wire};

/// A network that nothing in these stories uses.
#[derive(Debug)]
struct Unused;

impl HttpClient for Unused {
    fn send<'client, 'policy, 'sent>(
        &'client self,
        _request: Request<RequestBody>,
        _policy: &'policy EgressPolicy,
    ) -> Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, EgressError>> + Send + 'sent>>
    where
        'client: 'sent,
        'policy: 'sent,
        Self: 'sent,
    {
        unreachable!("nothing is sent")
    }
}

fn session(used: Duration) -> Arc<LegacySession> {
    let server = UpstreamServer {
        id: ServerId::from("a"),
        endpoint: Endpoint::Http(Uri::from_static("https://a.example/mcp")),
        destination: Destination::Operator {
            allow_insecure_http: false,
        },
        timeout: Duration::from_secs(1),
        stream_idle: Duration::from_secs(1),
        stream_total: Duration::from_mins(1),
        protocol: ProtocolChoice::Auto,
        push: PushPolicy::default(),
    };
    let handshake = Handshake {
        revision: Revision::V2025_11_25,
        link: Link::Http(None),
        result: "{}".to_owned(),
    };
    let means = Means {
        client: Arc::new(Unused),
        clock: Arc::new(SystemClock::start()),
        tasks: TaskTracker::new(),
        processes: Processes::new(1),
    };
    let wire = Arc::new(Wire::new(server, &means));
    let session = LegacySession::new(wire, handshake, ClientCapabilities::none(), None);
    session.touch(used);
    Arc::new(session)
}

fn wish(number: usize) -> SessionWish {
    let declared = format!(r#"{{"experimental":{{"n":{number}}}}}"#);
    SessionWish {
        revision: Revision::V2025_11_25,
        capabilities: ClientCapabilities::narrowed(&declared, PushPolicy::default()).unwrap(),
        stateless: false,
    }
}

fn somebody(name: &str) -> Acting {
    Acting::Principal(PrincipalId::from(name))
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A handshake that succeeds at a moment.
fn opened(sessions: &mut Sessions, acting: &Acting, number: usize, when: u64) {
    let slot = sessions.slot(acting, &wish(number)).unwrap();
    assert!(slot.set(session(at(when))).is_ok());
}

#[test]
fn handshakes_that_fail_leave_nothing_behind() {
    let mut sessions = Sessions::default();
    for number in 0..3 * MAX_OF_ONE {
        let slot = sessions.slot(&somebody("mallory"), &wish(number));
        assert!(slot.is_some());
        assert!(sessions.slots.len() <= MAX_OF_ONE);
    }
    for number in 0..2 * MAX_SESSIONS {
        let slot = sessions.slot(&somebody(&format!("{number}")), &wish(0));
        assert!(slot.is_some());
        assert!(sessions.slots.len() <= MAX_SESSIONS);
    }
    let opening = sessions.slot(&somebody("alice"), &wish(0)).unwrap();
    assert!(sessions.take(Closing::Idle, at(1), SESSION_IDLE).is_empty());
    assert_eq!(sessions.slots.len(), 1, "the one that somebody opens");
    drop(opening);
    sessions.take(Closing::Idle, at(2), SESSION_IDLE);
    assert_eq!(sessions.slots.len(), 0);
}

#[test]
fn whoever_wishes_for_ever_new_sessions_loses_only_their_own() {
    let mut sessions = Sessions::default();
    opened(&mut sessions, &somebody("alice"), 0, 0);
    let mallory = somebody("mallory");
    for number in 0..3 * MAX_OF_ONE {
        opened(&mut sessions, &mallory, number, 1 + number as u64);
    }
    assert_eq!(sessions.count(), 1 + MAX_OF_ONE);
    assert!(sessions.open(&somebody("alice"), &wish(0)).is_some());
    assert!(sessions.open(&mallory, &wish(0)).is_none());
    assert!(sessions.open(&mallory, &wish(3 * MAX_OF_ONE - 1)).is_some());
    let closing = sessions.take(Closing::Idle, at(200), SESSION_IDLE);
    assert_eq!(closing.len(), 2 * MAX_OF_ONE, "the server is told");
}

#[test]
fn a_session_in_use_makes_room_last_and_is_closed_when_its_user_is_done() {
    let mut sessions = Sessions::default();
    let alice = somebody("alice");
    for number in 0..MAX_OF_ONE {
        opened(&mut sessions, &alice, number, number as u64);
    }
    let busy = sessions.open(&alice, &wish(0)).unwrap();
    opened(&mut sessions, &alice, MAX_OF_ONE, 100);
    assert!(sessions.open(&alice, &wish(0)).is_some());
    assert!(sessions.open(&alice, &wish(1)).is_none());

    let all: Vec<_> = (0..=MAX_OF_ONE)
        .filter_map(|number| sessions.open(&alice, &wish(number)))
        .collect();
    assert_eq!(sessions.take(Closing::Idle, at(101), SESSION_IDLE).len(), 1);
    opened(&mut sessions, &alice, MAX_OF_ONE + 1, 102);
    assert!(sessions.open(&alice, &wish(0)).is_none());
    assert!(
        sessions
            .take(Closing::Idle, at(103), SESSION_IDLE)
            .is_empty(),
        "still used"
    );
    drop((busy, all));
    let closing = sessions.take(Closing::Idle, at(104), SESSION_IDLE);
    assert_eq!(closing.len(), 1);
    assert_eq!(closing[0].used(), at(0));
}

#[test]
fn no_room_is_made_by_what_is_just_being_opened() {
    let mut sessions = Sessions::default();
    let alice = somebody("alice");
    let opening: Vec<_> = (0..MAX_OF_ONE)
        .map(|number| sessions.slot(&alice, &wish(number)).unwrap())
        .collect();
    assert!(sessions.slot(&alice, &wish(MAX_OF_ONE)).is_none());
    assert!(sessions.slot(&alice, &wish(0)).is_some(), "waits for it");
    assert!(sessions.slot(&somebody("bob"), &wish(0)).is_some());
    drop(opening);
    assert!(sessions.slot(&alice, &wish(MAX_OF_ONE)).is_some());
}

#[test]
fn a_key_with_made_up_bearers_beside_it_pushes_out_nobody_elses_sessions() {
    let with_bearer = |name: &str, number: u64| {
        let mut of_token = [0; 32];
        of_token[..8].copy_from_slice(&number.to_be_bytes());
        Acting::Bearer(PrincipalId::from(name), of_token)
    };
    let mut sessions = Sessions::default();
    opened(&mut sessions, &somebody("alice"), 0, 0);
    opened(&mut sessions, &Acting::Service, 0, 0);
    let most = MAX_OF_PRINCIPAL as u64;
    for number in 0..most + 9 {
        opened(
            &mut sessions,
            &with_bearer("mallory", number),
            0,
            1 + number,
        );
    }
    assert_eq!(sessions.count(), 2 + MAX_OF_PRINCIPAL);
    for number in [0, 8] {
        assert!(
            sessions
                .open(&with_bearer("mallory", number), &wish(0))
                .is_none()
        );
    }
    assert!(
        sessions
            .open(&with_bearer("mallory", 9), &wish(0))
            .is_some()
    );

    // However many keys do so together: whoever has most makes room.
    for key in 0..7 {
        let name = format!("mordred {key}");
        for number in 0..most + 9 {
            let when = (key + 1) * 10_000 + number;
            opened(&mut sessions, &with_bearer(&name, number), 0, when);
        }
    }
    assert_eq!(sessions.count(), MAX_SESSIONS);
    opened(&mut sessions, &somebody("bob"), 0, 1);
    assert_eq!(sessions.count(), MAX_SESSIONS);
    for acting in [somebody("alice"), somebody("bob"), Acting::Service] {
        assert!(sessions.open(&acting, &wish(0)).is_some(), "{acting:?}");
    }
}

#[test]
fn among_those_who_have_equally_many_the_longest_idle_makes_room() {
    let mut sessions = Sessions::default();
    for number in 0..MAX_SESSIONS + 3 {
        opened(
            &mut sessions,
            &somebody(&number.to_string()),
            0,
            number as u64,
        );
    }
    assert_eq!(sessions.count(), MAX_SESSIONS);
    for (number, stays) in [(0, false), (2, false), (3, true), (MAX_SESSIONS, true)] {
        let session = sessions.open(&somebody(&number.to_string()), &wish(0));
        assert_eq!(session.is_some(), stays, "{number}");
    }
}

#[test]
fn a_full_house_of_openings_makes_room_by_whoever_has_most_that_is_open() {
    let mut sessions = Sessions::default();
    let opening: Vec<_> = (0..MAX_SESSIONS - 1)
        .map(|number| {
            let who = somebody(&format!("{}", number / MAX_OF_ONE));
            sessions.slot(&who, &wish(number)).unwrap()
        })
        .collect();
    opened(&mut sessions, &somebody("alice"), 0, 0);
    assert!(sessions.slot(&somebody("bob"), &wish(0)).is_some());
    assert!(sessions.open(&somebody("alice"), &wish(0)).is_none());
    assert_eq!(opening.len(), MAX_SESSIONS - 1);
}

#[test]
fn made_up_tokens_flush_nobody_elses_sessions() {
    let digest = |number: usize| {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        digest
    };
    let mut sessions = Sessions::default();
    opened(&mut sessions, &somebody("alice"), 0, 0);
    for number in 0..2 * MAX_OF_PRINCIPAL {
        let made_up = PrincipalId::from(format!("delegated:{number}").as_str());
        let stranger = Acting::Delegated(made_up, digest(number));
        opened(&mut sessions, &stranger, 0, 1 + number as u64);
        let bearer = Acting::Bearer(PrincipalId::from("mallory"), digest(number));
        opened(&mut sessions, &bearer, 0, 1 + number as u64);
    }
    assert_eq!(sessions.count(), 1 + 2 * MAX_OF_PRINCIPAL);
    assert!(sessions.open(&somebody("alice"), &wish(0)).is_some());
}
