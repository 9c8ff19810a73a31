//! Teams, organizations, people and end users: what stands above a key narrows what it sees, at once and
//! with a reason.

use portcullis_testkit::gateway::{Actor, Ask, MockServer, Reply, TestGateway};
use serde_json::{Value, json};

const ALICE: &str = "sk-pc-alice-7Qm2vT9dKx4RzP1sWn8uYb3";
const BOB: &str = "sk-pc-bob-4Rk8wQ2nLx6TzJ9sVm3uHc5yA";

struct House {
    gateway: TestGateway,
    _mock: MockServer,
    admin: Actor,
}

/// Two servers, `first` and `second`; Alice's key has no list and is in the team `helpers`, Bob's sees
/// everything and says who he is.
async fn house(sections: &str) -> House {
    let mock = MockServer::start().await;
    let yaml = format!(
        "{sections}mcp_servers:\n{}{}identity:\n  keys:\n    - {{id: alice, key: {ALICE}, team: helpers}}\n    - {{id: bob, key: {BOB}, all_servers: true, user_id: bob}}\n",
        mock.entry("first"),
        mock.entry("second")
    );
    let gateway = TestGateway::start(&yaml).await;
    let admin = gateway.admin().await;
    House {
        gateway,
        _mock: mock,
        admin,
    }
}

fn echo(server: &str) -> Ask {
    let call = json!({"name": "echo", "arguments": {"message": "hi"}});
    Ask::rpc(&format!("/mcp/{server}"), "tools/call", &call)
}

async fn names(actor: &Actor, path: &str) -> Vec<String> {
    let reply = actor.ask(Ask::rpc(path, "tools/list", &json!({}))).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let listed = reply.json();
    let tools = listed["result"]["tools"].as_array().unwrap();
    let tools = tools.iter();
    tools
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

impl House {
    /// The status of a call, and what its event says of it.
    async fn call(&self, actor: &Actor, ask: Ask) -> (u16, String) {
        let reply = actor.ask(ask).await;
        let event = self.gateway.event_of(&reply).await;
        let reason = ["authn", "rule"]
            .into_iter()
            .find_map(|key| event[key].as_str());
        (reply.status, reason.unwrap_or_default().to_owned())
    }

    async fn admin(&self, path: &str, body: &Value) -> Reply {
        self.admin.ask(Ask::post(path, body)).await
    }

    async fn done(&self, path: &str, body: &Value) -> Value {
        let reply = self.admin(path, body).await;
        assert_eq!(reply.status, 200, "{path} {body}: {reply:?}");
        reply.json()
    }
}

#[tokio::test]
async fn a_key_without_a_list_sees_what_its_team_lists_from_one_call_to_the_next() {
    let house = house("").await;
    let alice = house.gateway.bearer(ALICE);
    // Nobody defined a team: its name is a label.
    assert_eq!(alice.ask(echo("first")).await.status, 404);
    let team = json!({
        "team_id": "helpers", "team_alias": "Helpers",
        "object_permission": {"mcp_servers": ["first"], "blocked_tools": ["get_customer_info"]},
    });
    let made = house.done("/team/new", &team).await;
    assert_eq!(
        (&made["team_id"], &made["version"]),
        (&json!("helpers"), &json!(1))
    );
    assert_eq!(
        house.call(&alice, echo("first")).await,
        (200, "team_server".to_owned())
    );
    assert_eq!(alice.ask(echo("second")).await.status, 404);
    let listed = names(&alice, "/mcp/first").await;
    assert!(listed.contains(&"echo".to_owned()), "{listed:?}");
    assert!(
        !listed.contains(&"get_customer_info".to_owned()),
        "{listed:?}"
    );

    let other = json!({"team_id": "helpers", "object_permission": {"mcp_servers": ["second"]}});
    house.done("/team/update", &other).await;
    assert_eq!(alice.ask(echo("first")).await.status, 404);
    assert_eq!(alice.ask(echo("second")).await.status, 200);
    // A list that is written and empty lets nothing through.
    let empty = json!({"team_id": "helpers", "object_permission": {"mcp_servers": []}});
    house.done("/team/update", &empty).await;
    assert_eq!(alice.ask(echo("second")).await.status, 404);
    house.gateway.no_secret_was_told().await;
}

#[tokio::test]
async fn a_team_that_is_blocked_deleted_or_not_defined_lets_nobody_in() {
    let house = house("").await;
    let alice = house.gateway.bearer(ALICE);
    let other = json!({"team_id": "others", "object_permission": {"mcp_servers": ["first"]}});
    house.done("/team/new", &other).await;
    let team = json!({"team_id": "helpers", "object_permission": {"mcp_servers": ["first"]}});
    let which = json!({"team_id": "helpers"});
    for (path, body, expected) in [
        ("/team/info", None, (403, "team_undefined")),
        ("/team/new", Some(&team), (200, "team_server")),
        ("/team/block", Some(&which), (403, "team_blocked")),
        ("/team/unblock", Some(&which), (200, "team_server")),
        (
            "/team/delete",
            Some(&json!({"team_ids": ["helpers"]})),
            (403, "team_undefined"),
        ),
        ("/team/new", Some(&team), (200, "team_server")),
    ] {
        if let Some(body) = body {
            house.done(path, body).await;
        }
        let (status, reason) = expected;
        let told = house.call(&alice, echo("first")).await;
        assert_eq!(told, (status, reason.to_owned()), "{path}");
    }
    // Who is refused for what stands above their key is not sent to sign in.
    house.done("/team/block", &which).await;
    let refused = alice.ask(echo("first")).await;
    assert_eq!(refused.header("www-authenticate"), None);
    house.gateway.no_secret_was_told().await;
}

#[tokio::test]
async fn what_an_organization_a_person_or_an_end_user_leaves_out_is_hidden() {
    let sections = "teams:\n  helpers: {servers: [first, second], organization_id: acme}\norganizations:\n  acme: {servers: [first]}\nusers:\n  bob: {servers: [second]}\nend_users:\n  guest: {servers: [first]}\n  banned: {blocked: true}\n";
    let house = house(sections).await;
    let alice = house.gateway.bearer(ALICE);
    assert_eq!(
        house.call(&alice, echo("first")).await,
        (200, "team_server".to_owned())
    );
    assert_eq!(alice.ask(echo("second")).await.status, 404);
    let bob = house.gateway.bearer(BOB);
    assert_eq!(bob.ask(echo("first")).await.status, 404);
    assert_eq!(bob.ask(echo("second")).await.status, 200);
    let for_whom = |server: &str, whom: &str| echo(server).header("x-litellm-end-user-id", whom);
    // An end user narrows and never widens.
    for (server, whom, status) in [
        ("first", "guest", 200),
        ("second", "guest", 404),
        ("first", "somebody", 200),
        ("second", "somebody", 404),
        ("first", "banned", 403),
        ("first", "", 400),
    ] {
        let reply = alice.ask(for_whom(server, whom)).await;
        assert_eq!(reply.status, status, "{server} {whom}: {reply:?}");
    }
    let reply = bob.ask(for_whom("second", "guest")).await;
    assert_eq!(reply.status, 404, "{reply:?}");
    let twice = for_whom("first", "guest").header("x-litellm-end-user-id", "somebody");
    assert_eq!(alice.ask(twice).await.status, 400);
    // What the file defines is changed there.
    let taken = json!({"team_id": "helpers"});
    assert_eq!(house.admin("/team/new", &taken).await.status, 409);
    assert_eq!(house.admin("/team/block", &taken).await.status, 409);
    house.gateway.no_secret_was_told().await;
}

#[tokio::test]
async fn of_two_who_change_what_they_saw_one_is_told_to_look_again() {
    let house = house("").await;
    house.done("/team/new", &json!({"team_id": "a"})).await;
    let change = |version: u64| json!({"team_id": "a", "team_alias": "A", "version": version});
    assert_eq!(house.done("/team/update", &change(1)).await["version"], 2);
    assert_eq!(house.admin("/team/update", &change(1)).await.status, 409);
    let by_header = Ask::post("/team/update", &json!({"team_id": "a"}));
    let stale = house.admin.ask(by_header.header("if-match", "\"1\"")).await;
    assert_eq!(stale.status, 412, "{stale:?}");
    assert_eq!(
        house
            .admin("/team/new", &json!({"team_id": "a"}))
            .await
            .status,
        409
    );
    let shown: Value = house
        .admin
        .ask(Ask::get("/team/info?team_id=a"))
        .await
        .json();
    assert_eq!(shown["team_info"]["team_alias"], "A");
    assert_eq!(shown["team_info"]["version"], 2);
    house.gateway.no_secret_was_told().await;
}

#[tokio::test]
async fn only_members_come_with_keys_of_a_team_that_keeps_a_list_of_them() {
    let house = house("").await;
    let team = json!({
        "team_id": "closed", "object_permission": {"mcp_servers": ["first"]},
        "members_with_roles": [{"user_id": "carol", "role": "user"}],
    });
    house.done("/team/new", &team).await;
    let wish = json!({"team_id": "closed", "user_id": "dave"});
    let made = house
        .admin
        .sign(Ask::post("/key/generate", &wish))
        .send(house.gateway.address())
        .await
        .json();
    let key = made["key"].as_str().unwrap();
    house.gateway.keep_secret("dave's key", key);
    let dave = house.gateway.bearer(key);
    assert_eq!(
        house.call(&dave, echo("first")).await,
        (403, "not_a_member".to_owned())
    );
    let member = json!({"team_id": "closed", "member": {"user_id": "dave", "role": "user"}});
    house.done("/team/member_add", &member).await;
    assert_eq!(dave.ask(echo("first")).await.status, 200);
    let gone = json!({"team_id": "closed", "user_id": "dave"});
    house.done("/team/member_delete", &gone).await;
    assert_eq!(dave.ask(echo("first")).await.status, 403);
    house.gateway.no_secret_was_told().await;
}

#[tokio::test]
async fn a_key_is_what_it_was_changed_to_from_the_next_call_on() {
    let house = house("").await;
    let caller = house.gateway.key("caller", &["first"]).await;
    assert_eq!(caller.ask(echo("first")).await.status, 200);
    let id = caller.key_id();
    let info: Value = house
        .admin
        .ask(Ask::get(&format!("/key/info?key_id={id}")))
        .await
        .json();
    let version = info["info"]["version"].as_str().unwrap().to_owned();
    let wish = json!({
        "key_id": id, "version": version,
        "object_permission": {"mcp_servers": ["second"], "mcp_tool_permissions": {"second": ["echo"]}},
    });
    house.done("/key/update", &wish).await;
    assert_eq!(caller.ask(echo("first")).await.status, 404);
    assert_eq!(caller.ask(echo("second")).await.status, 200);
    assert_eq!(names(&caller, "/mcp/second").await, ["echo"]);
    // Whoever saw it as it was before is told so.
    assert_eq!(house.admin("/key/update", &wish).await.status, 409);
    // Restricting tools of what is not there would restrict nothing.
    let nowhere =
        json!({"key_id": id, "object_permission": {"mcp_tool_permissions": {"thrid": []}}});
    assert_eq!(house.admin("/key/update", &nowhere).await.status, 400);
    assert_eq!(
        caller
            .ask(Ask::post(
                "/key/update",
                &json!({"key_id": id, "all": true})
            ))
            .await
            .status,
        403
    );
    let more =
        json!({"key_id": id, "object_permission": {"mcp_servers": ["all-proxy-mcpservers"]}});
    assert_eq!(
        caller.ask(Ask::post("/key/update", &more)).await.status,
        403
    );
    house.gateway.no_secret_was_told().await;
}

#[tokio::test]
async fn litellms_preset_opens_what_has_no_list_and_never_what_is_refused() {
    let house = house("compat: litellm\n").await;
    let team = json!({"team_id": "closed", "object_permission": {"mcp_servers": ["first"]}});
    house.done("/team/new", &team).await;
    let listless = house.gateway.key("listless", &[]).await;
    assert_eq!(
        house.call(&listless, echo("second")).await,
        (200, "grant_all".to_owned())
    );
    // Its team has a list: that is what it sees.
    let id = listless.key_id();
    house
        .done("/key/update", &json!({"key_id": id, "team_id": "closed"}))
        .await;
    assert_eq!(listless.ask(echo("second")).await.status, 404);
    assert_eq!(listless.ask(echo("first")).await.status, 200);
    house
        .done("/team/block", &json!({"team_id": "closed"}))
        .await;
    assert_eq!(listless.ask(echo("first")).await.status, 403);
    // People whom nobody defined are let in, teams are not.
    house
        .done("/user/new", &json!({"user_id": "somebody"}))
        .await;
    let bob = house.gateway.bearer(BOB);
    assert_eq!(bob.ask(echo("second")).await.status, 200);
    let alice = house.gateway.bearer(ALICE);
    assert_eq!(
        house.call(&alice, echo("first")).await,
        (403, "team_undefined".to_owned())
    );
    house.gateway.no_secret_was_told().await;
}

/// Whoever sees less than everything could otherwise open for themselves what they were not given.
#[tokio::test]
async fn an_administrator_of_some_servers_changes_neither_servers_nor_limits_nor_makes_keys_without_a_list()
 {
    let house = house("compat: litellm\n").await;
    let narrow = json!({"role": "admin", "object_permission": {"mcp_servers": ["first"]}});
    let narrow = house.done("/key/generate", &narrow).await;
    let narrow = house.gateway.bearer(narrow["key"].as_str().unwrap());
    assert_eq!(narrow.ask(Ask::get("/key/list")).await.status, 200);
    let server = json!({"server_name": "third", "url": "https://mcp.example.com/mcp"});
    for (path, body) in [
        ("/v1/mcp/server", server),
        ("/v1/limits/team/helpers", json!({"rpm_limit": 9})),
        ("/key/generate", json!({"role": "admin"})),
        ("/team/new", json!({"team_id": "t"})),
    ] {
        let reply = narrow.ask(Ask::post(path, &body)).await;
        assert_eq!(reply.status, 403, "{path}: {reply:?}");
    }
    let listed = json!({"object_permission": {"mcp_servers": ["first"]}});
    let made = narrow.ask(Ask::post("/key/generate", &listed)).await;
    assert_eq!(made.status, 200, "{made:?}");
}

#[tokio::test]
async fn a_tool_of_a_server_that_is_not_there_is_not_blocked_by_mistake() {
    let house = house("").await;
    let body =
        json!({"team_id": "helpers", "object_permission": {"blocked_tools": ["frist/echo"]}});
    let reply = house.admin("/team/new", &body).await;
    assert_eq!(reply.status, 400, "{reply:?}");
    assert!(reply.text().contains("frist"), "{reply:?}");
}
