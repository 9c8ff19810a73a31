use std::future::Future;
use std::pin::Pin;

use http::{Request, Response, Uri};
use portcullis_core::{PrincipalId, ServerId};
use portcullis_egress::{
    Destination, EgressError, EgressPolicy, HttpClient, RequestBody, ResponseBody,
};
use portcullis_mcp::{ClientCapabilities, PushPolicy, Revision};

use super::*;
use crate::handshake::Handshake;
use crate::server::{ProtocolChoice, UpstreamServer};
use crate::transport::Wire;

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
        uri: Uri::from_static("https://a.example/mcp"),
        destination: Destination::Operator {
            allow_insecure_http: false,
        },
        timeout: Duration::from_secs(1),
        stream_idle: Duration::from_secs(1),
        protocol: ProtocolChoice::Auto,
        push: PushPolicy::default(),
    };
    let handshake = Handshake {
        revision: Revision::V2025_11_25,
        session: None,
        result: "{}".to_owned(),
    };
    let wire = Arc::new(Wire::new(server, Arc::new(Unused)));
    let session = LegacySession::new(wire, handshake, ClientCapabilities::none());
    session.touch(used);
    Arc::new(session)
}

fn wish(number: usize) -> SessionWish {
    let declared = format!(r#"{{"experimental":{{"n":{number}}}}}"#);
    SessionWish {
        revision: Revision::V2025_11_25,
        capabilities: ClientCapabilities::narrowed(&declared, PushPolicy::default()).unwrap(),
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
    assert!(sessions.take(Closing::Idle, at(1)).is_empty());
    assert_eq!(sessions.slots.len(), 1, "the one that somebody opens");
    drop(opening);
    sessions.take(Closing::Idle, at(2));
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
    let closing = sessions.take(Closing::Idle, at(200));
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
    assert_eq!(sessions.take(Closing::Idle, at(101)).len(), 1);
    opened(&mut sessions, &alice, MAX_OF_ONE + 1, 102);
    assert!(sessions.open(&alice, &wish(0)).is_none());
    assert!(
        sessions.take(Closing::Idle, at(103)).is_empty(),
        "still used"
    );
    drop((busy, all));
    let closing = sessions.take(Closing::Idle, at(104));
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
