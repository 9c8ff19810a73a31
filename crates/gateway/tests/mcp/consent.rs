//! Calls that need their caller's own account at a server, before it is connected: every revision has
//! its own form of saying so, and none of them gives anything away.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use portcullis_core::{ManualClock, PrincipalId, ServerId};
use portcullis_credentials::{
    CredentialBroker, CredentialError, CredentialErrorKind, Errand, Refusal, ServerAuth,
    UpstreamCredential,
};
use portcullis_engine::InvitationRefused;
use portcullis_policy::Evidence;
use portcullis_testkit::upstream::{FakeUpstream, Reply};
use serde_json::{Value, json};

use super::support::{Answer, Client, House, raw, server};

const OPENS: &str = r#"{"elicitation":{"form":{},"url":{}}}"#;

/// Who connected what. The servers `mine` and `own` are called with callers' accounts; of `listed`
/// only the calls are.
#[derive(Clone, Debug, Default)]
struct Connected(Arc<Mutex<BTreeSet<(PrincipalId, ServerId)>>>);

impl Connected {
    fn connect(&self, principal: &PrincipalId, server: &str) {
        let mut connected = self.0.lock().unwrap();
        connected.insert((principal.clone(), server.into()));
    }

    fn waits(&self, evidence: &Evidence) -> bool {
        let server = evidence.server();
        let Some(principal) = evidence.acting().principal() else {
            return matches!(server.as_str(), "mine" | "own");
        };
        let of_caller = matches!(server.as_str(), "mine" | "own" | "listed");
        let connected = self.0.lock().unwrap();
        of_caller && !connected.contains(&(principal.clone(), server.clone()))
    }
}

#[derive(Debug)]
struct Waiting {
    broker: Arc<dyn CredentialBroker>,
    connected: Connected,
}

#[async_trait]
impl CredentialBroker for Waiting {
    async fn obtain(
        &self,
        evidence: &Evidence,
        auth: &ServerAuth,
        errand: Errand<'_>,
    ) -> Result<UpstreamCredential, CredentialError> {
        if self.connected.waits(evidence) {
            return Err(CredentialError {
                server: evidence.server().clone(),
                kind: CredentialErrorKind::ConsentRequired,
                claims: None,
                source: None,
            });
        }
        self.broker.obtain(evidence, auth, errand).await
    }

    async fn rejected(
        &self,
        auth: &ServerAuth,
        credential: &UpstreamCredential,
        refusal: Refusal<'_>,
    ) -> Result<bool, CredentialError> {
        self.broker.rejected(auth, credential, refusal).await
    }

    fn keep_only(&self, servers: &BTreeSet<ServerId>) {
        self.broker.keep_only(servers);
    }
}

struct Story {
    house: House,
    mine: FakeUpstream,
    connected: Connected,
    clock: Arc<ManualClock>,
}

/// `mine` and `own` are called with callers' accounts, `listed` lists to us, `open` needs nothing.
async fn story(mine: FakeUpstream, others: &[(&str, &FakeUpstream)]) -> Story {
    let connected = Connected::default();
    let between = connected.clone();
    let mut servers = vec![server("mine", &mine, &["auth_type: true_passthrough"])];
    for (name, upstream) in others {
        let auth: &[&str] = match *name {
            "own" => &["auth_type: true_passthrough"],
            _ => &[],
        };
        servers.push(server(name, upstream, auth));
    }
    let clock = Arc::new(ManualClock::at_millis(1_800_000_000_000));
    let house = House::presenting(
        Arc::clone(&clock) as _,
        &servers,
        Box::new(move |broker| {
            Arc::new(Waiting {
                broker,
                connected: between,
            })
        }),
    )
    .await;
    Story {
        house,
        mine,
        connected,
        clock,
    }
}

impl Story {
    /// A caller, and the id that their calls have.
    async fn person(&self, name: &str) -> (Client, PrincipalId) {
        let client = self.house.caller(name).await.bringing("an-upstream-token");
        let answer = client.at("/mcp/mine").modern_call("echo", "{}").await;
        let (invitation, _) = invited(&address_in(&answer.text));
        let opened = self
            .house
            .embedded
            .gateway()
            .invitation(&"mine".into(), &invitation);
        (client, opened.unwrap().principal)
    }

    fn connect(&self, principal: &PrincipalId, server: &str) {
        self.connected.connect(principal, server);
        let gateway = self.house.embedded.gateway();
        gateway.connection_changed(principal, &server.into());
    }

    async fn last_event(&self) -> Value {
        self.house.request_events().await.pop().unwrap()
    }
}

/// The first address in a text, as it would be clicked.
fn address_in(text: &str) -> String {
    let at = text
        .find("https://gw.test/connect/")
        .unwrap_or_else(|| panic!("{text}"));
    let end = text[at..].find(['"', ' ', '\\']).unwrap();
    text[at..at + end].to_owned()
}

/// What an address carries, and its server.
fn invited(address: &str) -> (String, String) {
    let rest = address.strip_prefix("https://gw.test/connect/").unwrap();
    let (server, sealed) = rest.split_once("?for=").unwrap();
    assert!(
        sealed
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    );
    (sealed.to_owned(), server.to_owned())
}

async fn modern(client: &Client, method: &str, members: &str, capabilities: &str) -> Answer {
    let opened = client.modern_open(method, members, capabilities).await;
    opened.whole().await
}

const CALL: &str = r#""name":"echo","arguments":{"n":1e400}"#;

fn retry(question: &Answer, action: &str) -> String {
    let json = question.json();
    let key = json["result"]["inputRequests"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap()
        .clone();
    let responses = json!({key: {"action": action}});
    let state = &json["result"]["requestState"];
    format!(r#"{CALL},"inputResponses":{responses},"requestState":{state}"#)
}

#[tokio::test]
async fn a_stateless_client_is_asked_to_open_the_address_and_calls_again() {
    let story = story(FakeUpstream::modern().await, &[]).await;
    let (alice, id) = story.person("alice").await;
    let alice = alice.at("/mcp/mine");
    let asked = modern(&alice, "tools/call", CALL, OPENS).await;
    assert_eq!(asked.status, 200);
    let result = &asked.json()["result"];
    assert_eq!(result["resultType"], "input_required");
    let questions = result["inputRequests"].as_object().unwrap();
    assert_eq!(questions.len(), 1);
    let question = questions.values().next().unwrap();
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(question["params"]["mode"], "url");
    assert!(
        question["params"]["message"]
            .as_str()
            .unwrap()
            .contains("\"mine\"")
    );
    let address = question["params"]["url"].as_str().unwrap();
    let (sealed, server) = invited(address);
    assert_eq!(server, "mine");
    assert!(
        !address.contains(id.as_str()) && !sealed.contains("alice"),
        "nobody is named"
    );
    let event = story.last_event().await;
    assert_eq!(
        (&event["outcome"], &event["server"]),
        (&json!("consent_required"), &json!("mine"))
    );
    assert!(
        story.mine.requests().is_empty(),
        "the server was not asked anything"
    );

    // Accepting is not connecting.
    let again = modern(&alice, "tools/call", &retry(&asked, "accept"), OPENS).await;
    assert_eq!(again.json()["result"]["resultType"], "input_required");
    story.connect(&id, "mine");
    let called = modern(&alice, "tools/call", &retry(&again, "accept"), OPENS).await;
    assert_eq!(
        called.raw(&["result", "structuredContent", "tool"]),
        "\"echo\"",
        "{called:?}"
    );
    let seen = story.mine.last("tools/call");
    assert_eq!(
        seen.raw(&["params", "arguments"]).unwrap(),
        r#"{"n":1e400}"#
    );
    assert!(seen.raw(&["params", "inputResponses"]).is_none());
    assert!(seen.raw(&["params", "requestState"]).is_none());
    assert_eq!(story.last_event().await["outcome"], "ok");
    story.house.end().await;
}

#[tokio::test]
async fn who_says_no_is_believed_and_nothing_is_called() {
    let story = story(FakeUpstream::modern().await, &[]).await;
    let (alice, id) = story.person("alice").await;
    let alice = alice.at("/mcp/mine");
    let asked = modern(&alice, "tools/call", CALL, OPENS).await;
    story.connect(&id, "mine");
    for (action, word) in [("decline", "declined"), ("cancel", "cancelled")] {
        let told = modern(&alice, "tools/call", &retry(&asked, action), OPENS).await;
        let result = &told.json()["result"];
        assert_eq!(
            (&result["isError"], &result["resultType"]),
            (&json!(true), &json!("complete"))
        );
        assert!(
            result["content"][0]["text"]
                .as_str()
                .unwrap()
                .contains(word),
            "{told:?}"
        );
        assert_eq!(story.last_event().await["outcome"], "consent_required");
    }
    for nonsense in ["ACCEPT", "", "yes"] {
        let refused = modern(&alice, "tools/call", &retry(&asked, nonsense), OPENS).await;
        assert_eq!(refused.code(), -32602, "{refused:?}");
    }
    assert_eq!(story.mine.count("tools/call"), 0);
    story.house.end().await;
}

#[tokio::test]
async fn an_answer_is_good_for_its_caller_and_its_call_only() {
    let story = story(FakeUpstream::modern().await, &[]).await;
    let (alice, alices) = story.person("alice").await;
    let (bob, bobs) = story.person("bob").await;
    story.connect(&alices, "mine");
    let asked = modern(&bob.at("/mcp/mine"), "tools/call", CALL, OPENS).await;
    let answer = retry(&asked, "decline");
    let others = modern(&alice.at("/mcp/mine"), "tools/call", &answer, OPENS).await;
    assert_eq!(others.code(), -32602, "{others:?}");
    story.connect(&bobs, "mine");
    for changed in [
        answer.replace("1e400", "2"),
        answer.replace("echo", "delete_user"),
    ] {
        let refused = modern(&bob.at("/mcp/mine"), "tools/call", &changed, OPENS).await;
        assert_eq!(refused.code(), -32602, "{refused:?}");
    }
    assert_eq!(story.mine.count("tools/call"), 0);
    story.house.end().await;
}

#[tokio::test]
async fn what_a_server_had_asked_before_is_not_lost() {
    let mine = FakeUpstream::modern().await;
    mine.once("tools/call", |request| {
        Reply::result(
            request,
            r#"{"resultType":"input_required","requestState":"theirs"}"#,
        )
    });
    let story = story(mine, &[]).await;
    let (alice, id) = story.person("alice").await;
    let alice = alice.at("/mcp/mine");
    story.connect(&id, "mine");
    let first = modern(&alice, "tools/call", CALL, OPENS).await;
    let state = first.json()["result"]["requestState"].to_string();
    story.connected.0.lock().unwrap().clear();
    let second = format!(r#"{CALL},"inputResponses":{{"q":{{"x":1e400}}}},"requestState":{state}"#);
    let asked = modern(&alice, "tools/call", &second, OPENS).await;
    assert_eq!(
        asked.json()["result"]["resultType"],
        "input_required",
        "{asked:?}"
    );
    // Asked twice, it still knows what was before.
    let asked = modern(&alice, "tools/call", &retry(&asked, "accept"), OPENS).await;
    story.connect(&id, "mine");
    let called = modern(&alice, "tools/call", &retry(&asked, "accept"), OPENS).await;
    assert_eq!(
        called.raw(&["result", "structuredContent", "tool"]),
        "\"echo\"",
        "{called:?}"
    );
    let seen = story.mine.last("tools/call");
    assert_eq!(seen.text(&["params", "requestState"]).unwrap(), "theirs");
    assert_eq!(
        seen.raw(&["params", "inputResponses"]).unwrap(),
        r#"{"q":{"x":1e400}}"#
    );
    story.house.end().await;
}

#[tokio::test]
async fn a_stateless_client_that_opens_no_addresses_reads_it() {
    let story = story(FakeUpstream::modern().await, &[]).await;
    let (alice, _) = story.person("alice").await;
    let alice = alice.at("/mcp/mine");
    for capabilities in [
        "{}",
        r#"{"elicitation":{}}"#,
        r#"{"elicitation":{"form":{}}}"#,
    ] {
        let told = modern(&alice, "tools/call", CALL, capabilities).await;
        let result = &told.json()["result"];
        assert_eq!(
            (&result["isError"], &result["resultType"]),
            (&json!(true), &json!("complete"))
        );
        invited(&address_in(result["content"][0]["text"].as_str().unwrap()));
        assert_eq!(story.last_event().await["outcome"], "consent_required");
    }
    // A list has no result that asks, whatever the client can do.
    let list = modern(&alice, "tools/list", "", OPENS).await;
    assert_eq!((list.status, list.code()), (200, -32603), "{list:?}");
    invited(&address_in(&list.raw(&["error", "message"])));
    let data = &list.json()["error"]["data"];
    assert_eq!(
        (&data["kind"], &data["connect"][0]["server"]),
        (&json!("consent_required"), &json!("mine"))
    );
    // A client that learnt nothing at its first question would go away before anybody is asked.
    let found = modern(&alice, "server/discover", "", OPENS).await;
    let versions = &found.json()["result"]["supportedVersions"];
    let speaks = |revision: &str| versions.as_array().unwrap().contains(&json!(revision));
    assert!(speaks("2026-07-28"), "{found:?}");
    assert_eq!(found.json()["result"]["cacheScope"], "private");
    assert!(story.mine.requests().is_empty());
    let prompt = modern(&alice, "prompts/get", r#""name":"p""#, OPENS).await;
    assert_eq!(
        prompt.json()["result"]["resultType"],
        "input_required",
        "{prompt:?}"
    );
    story.house.end().await;
}

#[tokio::test]
async fn a_session_of_2025_11_25_gets_the_elicitation_and_hears_of_its_completion() {
    let story = story(FakeUpstream::legacy().await, &[]).await;
    let (alice, id) = story.person("alice").await;
    let mut alice = alice.at("/mcp/mine");
    let opened = alice.initialize(OPENS).await;
    assert_eq!(
        opened.json()["result"]["protocolVersion"],
        "2025-11-25",
        "{opened:?}"
    );
    let mut other = alice.clone();
    other.initialize(OPENS).await;
    let (mut stream, mut others) = (alice.get(&[]).await, other.get(&[]).await);
    let required = alice.call("echo", "{}").await;
    assert_eq!(
        (required.status, required.code()),
        (200, -32042),
        "{required:?}"
    );
    let elicitation = required.json()["error"]["data"]["elicitations"][0].clone();
    assert_eq!(elicitation["mode"], "url");
    assert_eq!(invited(elicitation["url"].as_str().unwrap()).1, "mine");
    assert!(elicitation["message"].is_string());
    assert_eq!(story.last_event().await["outcome"], "consent_required");
    assert_eq!(alice.rpc("tools/list", "{}").await.code(), -32042);
    assert!(story.mine.requests().is_empty());

    story.connect(&id, "mine");
    let told = stream.data().await;
    assert_eq!(
        raw(&told, &["method"]).unwrap(),
        "\"notifications/elicitation/complete\""
    );
    assert_eq!(
        raw(&told, &["params", "elicitationId"]).unwrap(),
        elicitation["elicitationId"].to_string()
    );
    let told = stream.data().await;
    assert!(
        told.contains("notifications/elicitation/complete"),
        "of the list: {told}"
    );
    let told = stream.data().await;
    assert!(told.contains("notifications/tools/list_changed"), "{told}");
    // The other session was asked nothing; it only hears that there is something new.
    let told = others.data().await;
    assert!(told.contains("notifications/tools/list_changed"), "{told}");
    assert_eq!(
        alice.call("echo", "{}").await.json()["result"]["structuredContent"]["tool"],
        "echo"
    );
    drop((stream, others));
    story.house.end().await;
}

#[tokio::test]
async fn older_clients_and_those_that_open_nothing_read_the_address() {
    let story = story(FakeUpstream::legacy().await, &[]).await;
    let (alice, _) = story.person("alice").await;
    let mut able = alice.at("/mcp/mine");
    able.initialize(r#"{"elicitation":{}}"#).await;
    let mut older = alice.at("/mcp/mine");
    let hello = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"elicitation":{"url":{}}},"clientInfo":{"name":"story","version":"1"}}}"#;
    let opened = older.post(hello).await;
    older.session = Some(
        opened.headers["mcp-session-id"]
            .to_str()
            .unwrap()
            .to_owned(),
    );
    let without = alice.at("/mcp/mine");
    for client in [&able, &older, &without] {
        let told = client.call("echo", "{}").await;
        let result = &told.json()["result"];
        assert_eq!(result["isError"], true, "{told:?}");
        assert!(result.get("resultType").is_none(), "not of this revision");
        invited(&address_in(result["content"][0]["text"].as_str().unwrap()));
        let list = client.rpc("tools/list", "{}").await;
        assert_eq!((list.status, list.code()), (200, -32603), "{list:?}");
        invited(&address_in(&list.raw(&["error", "message"])));
    }
    story.house.end().await;
}

#[tokio::test]
async fn a_server_that_waits_does_not_spoil_the_others() {
    let (open, listed) = (FakeUpstream::legacy().await, FakeUpstream::legacy().await);
    let others = [("open", &open), ("listed", &listed)];
    let story = story(FakeUpstream::legacy().await, &others).await;
    let (alice, id) = story.person("alice").await;
    let mut session = alice.at("/mcp");
    session.initialize(OPENS).await;
    let list = session.rpc("tools/list", "{}").await;
    assert_eq!(list.names(), ["open-echo", "open-delete_user"], "{list:?}");
    let outcomes = &list.json()["result"]["_meta"]["litellm.ai/server_outcomes"];
    assert_eq!(outcomes["open"]["status"], "ok");
    assert_eq!(outcomes["mine"]["status"], "auth_required");
    assert_eq!(outcomes["mine"]["kind"], "consent_required");
    assert_eq!(
        invited(outcomes["mine"]["connect_url"].as_str().unwrap()).1,
        "mine"
    );
    assert_eq!(
        session.call("open-echo", "{}").await.json()["result"]["structuredContent"]["tool"],
        "echo"
    );
    assert_eq!(session.call("mine-echo", "{}").await.code(), -32042);
    let event = story.last_event().await;
    assert_eq!(event["outcome"], "consent_required");

    let rest = alice
        .at("/mcp-rest/tools/list")
        .get(&[])
        .await
        .whole()
        .await;
    assert_eq!(
        (rest.status, &rest.json()["error"]),
        (200, &json!("partial_failure"))
    );
    assert_eq!(
        rest.json()["server_outcomes"]["mine"]["kind"],
        "consent_required"
    );
    story.connect(&id, "mine");
    let list = session.rpc("tools/list", "{}").await;
    assert_eq!(
        list.names()[..2],
        ["mine-echo", "mine-delete_user"],
        "{list:?}"
    );
    story.house.end().await;
}

#[tokio::test]
async fn an_aggregate_of_which_everything_waits_says_where_to_connect() {
    let own = FakeUpstream::legacy().await;
    let story = story(FakeUpstream::legacy().await, &[("own", &own)]).await;
    let (alice, _) = story.person("alice").await;
    let mut session = alice.at("/mcp");
    session.initialize(OPENS).await;
    let list = session.rpc("tools/list", "{}").await;
    assert_eq!(list.code(), -32042, "{list:?}");
    let elicitations = list.json()["error"]["data"]["elicitations"].clone();
    let servers: Vec<String> = elicitations
        .as_array()
        .unwrap()
        .iter()
        .map(|one| invited(one["url"].as_str().unwrap()).1)
        .collect();
    assert_eq!(servers, ["mine", "own"]);
    let stateless = modern(&alice.at("/mcp"), "tools/list", "", OPENS).await;
    assert_eq!(stateless.code(), -32603);
    assert!(stateless.text.contains("/connect/mine?") && stateless.text.contains("/connect/own?"));
    story.house.end().await;
}

#[tokio::test]
async fn rest_says_401_and_where_to_connect() {
    let listed = FakeUpstream::legacy().await;
    let story = story(FakeUpstream::legacy().await, &[("listed", &listed)]).await;
    let (alice, _) = story.person("alice").await;
    for body in [
        r#"{"server_id":"mine","name":"echo"}"#,
        r#"{"server_id":"listed","name":"echo"}"#,
        r#"{"name":"listed-echo"}"#,
    ] {
        let told = alice.at("/mcp-rest/tools/call").post(body).await;
        assert_eq!(told.status, 401, "{told:?}");
        let said = told.json();
        assert_eq!(said["error"], "consent_required");
        let address = said["connect"][0]["url"].as_str().unwrap();
        assert!(said["message"].as_str().unwrap().contains(address));
        assert!(
            told.headers["www-authenticate"]
                .to_str()
                .unwrap()
                .starts_with("Bearer ")
        );
        assert_eq!(story.last_event().await["outcome"], "consent_required");
    }
    let path = "/mcp-rest/tools/list?server_id=mine";
    let told = alice.at(path).get(&[]).await.whole().await;
    assert_eq!(
        (told.status, &told.json()["error"]),
        (401, &json!("consent_required"))
    );
    story.house.end().await;
}

#[tokio::test]
async fn an_address_says_whose_it_is_for_ten_minutes_and_for_its_server() {
    let story = story(FakeUpstream::modern().await, &[]).await;
    let (alice, id) = story.person("alice").await;
    let told = alice.at("/mcp/mine").modern_call("echo", "{}").await;
    let (sealed, _) = invited(&address_in(&told.text));
    let gateway = story.house.embedded.gateway();
    let opened = |server: &str, sealed: &str| gateway.invitation(&server.into(), sealed);
    assert_eq!(opened("mine", &sealed).unwrap().principal, id);
    assert_eq!(opened("own", &sealed), Err(InvitationRefused::Invalid));
    let mut forged = sealed.clone();
    let last = if forged.pop() == Some('A') { 'B' } else { 'A' };
    forged.push(last);
    assert_eq!(opened("mine", &forged), Err(InvitationRefused::Invalid));
    assert_eq!(opened("mine", ""), Err(InvitationRefused::Invalid));
    story.clock.advance(std::time::Duration::from_mins(10));
    assert_eq!(opened("mine", &sealed), Err(InvitationRefused::Expired));
    story.house.end().await;
}

#[tokio::test]
async fn another_account_gets_neither_the_session_nor_the_lists_of_the_one_before() {
    let story = story(FakeUpstream::legacy().await, &[]).await;
    let (alice, id) = story.person("alice").await;
    let alice = alice.at("/mcp/mine");
    story.connect(&id, "mine");
    assert_eq!(
        alice.rpc("tools/list", "{}").await.names(),
        ["echo", "delete_user"]
    );
    alice.call("echo", "{}").await;
    let sessions = story.mine.count("initialize");
    alice.call("echo", "{}").await;
    assert_eq!(
        story.mine.count("initialize"),
        sessions,
        "control: it is kept"
    );
    story.mine.tool_names(&["other"]);
    story.connect(&id, "mine");
    let other = alice.call("other", "{}").await;
    assert_eq!(
        other.json()["result"]["structuredContent"]["tool"],
        "other",
        "{other:?}"
    );
    assert!(story.mine.count("initialize") > sessions, "opened anew");
    story.house.end().await;
}
