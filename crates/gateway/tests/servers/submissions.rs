//! Servers that members of a team submit, and what a reviewer says.

use portcullis_testkit::gateway::Ask;
use serde_json::{Value, json};

use super::support::{House, VIEWER_KEY, echo_at, put};

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_is_seen_by_nobody_until_it_is_approved_and_by_nobody_after_it_is_rejected() {
    let house = House::start().await;
    let member = house.member();
    let ask = Ask::post("/v1/mcp/server/register", &house.entry("tools"));
    let submitted = member.ask(ask).await;
    assert_eq!(submitted.status, 201, "{submitted:?}");
    assert_eq!(submitted.json()["approval_status"], "pending_review");
    for actor in [&member, &house.admin] {
        let called = actor.ask(echo_at("tools")).await;
        assert_eq!(called.status, 404, "{called:?}");
    }
    let seen: Value = member.ask(Ask::get("/v1/mcp/server")).await.json();
    assert_eq!(seen, json!([]));
    assert_eq!(
        member.ask(Ask::get("/v1/mcp/server/tools")).await.status,
        404
    );
    assert_eq!(
        house.mock.stats().await.calls,
        0,
        "it was never asked anything"
    );

    let listed: Value = house
        .viewer()
        .ask(Ask::get("/v1/mcp/server/submissions"))
        .await
        .json();
    assert_eq!(
        (&listed["total"], &listed["pending_review"]),
        (&json!(1), &json!(1))
    );
    let provenance = &listed["items"][0]["provenance"];
    assert_eq!(provenance["submitted_by_team"], "payments");

    let approved = house
        .admin
        .ask(put("/v1/mcp/server/tools/approve", &json!({})))
        .await;
    assert_eq!(approved.status, 200, "{approved:?}");
    assert_eq!(member.ask(echo_at("tools")).await.status, 200);
    let twice = house
        .admin
        .ask(put("/v1/mcp/server/tools/approve", &json!({})))
        .await;
    assert_eq!(twice.status, 400, "{twice:?}");
    assert!(twice.text().contains("already active"), "{twice:?}");

    let notes = json!({"review_notes": "not this one"});
    let rejected = house
        .admin
        .ask(put("/v1/mcp/server/tools/reject", &notes))
        .await;
    assert_eq!(rejected.status, 200, "{rejected:?}");
    assert_eq!(
        rejected.json()["provenance"]["review_notes"],
        "not this one"
    );
    assert_eq!(member.ask(echo_at("tools")).await.status, 404);
    let twice = Ask::new("PUT", "/v1/mcp/server/tools/reject");
    let twice = house.admin.ask(twice).await;
    assert_eq!(twice.status, 400, "{twice:?}");
    house.gateway.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_member_of_a_team_submits_and_only_an_administrator_decides() {
    let house = House::start().await;
    let body = house.entry("tools");
    let ask = || Ask::post("/v1/mcp/server/register", &body);
    assert_eq!(house.admin.ask(ask()).await.status, 403);
    assert_eq!(
        house.gateway.bearer(VIEWER_KEY).ask(ask()).await.status,
        403
    );
    let loner = house.gateway.key("loner", &[]).await;
    let refused = loner.ask(ask()).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(
        refused.text().contains("Use a team-scoped key."),
        "{refused:?}"
    );
    let member = house.member();
    assert_eq!(member.ask(ask()).await.status, 201);
    for act in ["approve", "reject"] {
        let path = format!("/v1/mcp/server/tools/{act}");
        assert_eq!(member.ask(put(&path, &json!({}))).await.status, 403);
        assert_eq!(house.viewer().ask(put(&path, &json!({}))).await.status, 403);
    }
    assert_eq!(
        member
            .ask(Ask::get("/v1/mcp/server/submissions"))
            .await
            .status,
        403
    );
    assert_eq!(member.ask(echo_at("tools")).await.status, 404);
    house.gateway.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_is_judged_like_a_definition_and_asks_no_secret_store() {
    let house = House::with("server: {api_secret_stores: [vault]}\nsecrets: {vault: {address: 'https://vault.example', token: x}}\n").await;
    let member = house.member();
    let url = "https://mcp.example.com/mcp";
    for body in [
        json!({"server_name": "a", "command": "npx"}),
        json!({"server_name": "a", "url": "https://10.0.0.1/mcp"}),
        json!({"server_name": "a", "url": url, "auth_type": "bearer_token", "auth_value": "vault:kv/a#b"}),
        json!({"server_name": "a", "url": url, "auth_type": "bearer_token", "auth_value": "os.environ/HOME"}),
    ] {
        let refused = member
            .ask(Ask::post("/v1/mcp/server/register", &body))
            .await;
        assert_eq!(refused.status, 400, "{body}: {refused:?}");
    }
    house.gateway.stands().await;
}

/// What is counted, judged and then stored is counted by one at a time.
#[tokio::test(flavor = "multi_thread")]
async fn a_team_does_not_fill_the_book_by_being_fast_or_by_being_turned_down() {
    let house = House::start().await;
    let member = house.member();
    let register = async |name: String| {
        let body = json!({"server_name": name, "url": "https://mcp.example.com/mcp"});
        let ask = Ask::post("/v1/mcp/server/register", &body);
        member.ask(ask).await.status
    };
    let at_once = (0..24).map(|number| register(format!("s{number}")));
    let told = futures_util::future::join_all(at_once).await;
    let taken = told.iter().filter(|status| **status == 201);
    assert_eq!(taken.count(), 20, "{told:?}");
    let full = told.iter().filter(|status| **status == 409);
    assert_eq!(full.count(), 4, "{told:?}");
    let listed = Ask::get("/v1/mcp/server/submissions");
    let listed = house.admin.ask(listed).await.json();
    let first = listed["items"][0]["server_id"].as_str().unwrap().to_owned();
    let turned_down = put(&format!("/v1/mcp/server/{first}/reject"), &json!({}));
    assert_eq!(house.admin.ask(turned_down).await.status, 200);
    assert_eq!(register("another".to_owned()).await, 409);
    let gone = super::support::delete(&format!("/v1/mcp/server/{first}"));
    assert_eq!(house.admin.ask(gone).await.status, 202);
    assert_eq!(register("another".to_owned()).await, 201);
    house.gateway.stands().await;
}

/// However many teams there are, administrators find room.
#[tokio::test(flavor = "multi_thread")]
async fn submissions_leave_room_for_administrators() {
    let house = House::start().await;
    let servers = &house.gateway.embedded().stores().servers;
    for number in 0..800 {
        let of_other_teams = portcullis_store::ServerRecord {
            id: format!("other-{number}").into(),
            sealed: vec![0],
            version: 1,
        };
        servers.define(&of_other_teams, 1000).await.unwrap();
    }
    let body = house.entry("tools");
    let register = Ask::post("/v1/mcp/server/register", &body);
    let refused = house.member().ask(register).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    house.define("tools").await;
    house.gateway.stands().await;
}
