//! Teams, people, organizations and servers, from a terminal.

use super::*;

struct House {
    folder: TempDir,
    gateway: Process,
    url: String,
    mock: MockServer,
}

impl House {
    async fn open() -> Self {
        let mock = MockServer::start().await;
        let folder = folder();
        let text = format!("server: {{api_private_addresses: true}}\n{}", keyed(&mock));
        write(folder.path(), "c.yaml", &text);
        let args = ["--config", "c.yaml", "--port", "0"];
        let gateway = Process::serve(PORTCULLIS, folder.path(), &args, &[]);
        let url = format!("http://{}", gateway.address());
        Self {
            folder,
            gateway,
            url,
            mock,
        }
    }

    fn asks(&self, args: &[&str]) -> Finished {
        let variables = [
            ("PORTCULLIS_URL", &*self.url),
            ("PORTCULLIS_API_KEY", MASTER),
        ];
        run(PORTCULLIS, self.folder.path(), args, &variables)
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        let args = [args, &["--output", "json"]].concat();
        let finished = self.asks(&args);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        finished.json()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_is_defined_changed_shown_and_deleted_from_a_terminal() {
    let house = House::open().await;
    let empty = house.asks(&["teams", "list"]);
    assert!(empty.stdout.contains("no teams are defined"), "{empty:?}");
    let made = house.json(&[
        "teams",
        "create",
        "ops",
        "--alias",
        "Operations",
        "--servers",
        "support",
        "--members",
        "ann:admin,bob",
        "--rpm-limit",
        "60",
        "--max-budget",
        "2.5",
        "--budget-duration",
        "1mo",
    ]);
    assert_eq!(
        (&made["team_id"], &made["rpm_limit"]),
        (&json!("ops"), &json!(60))
    );
    assert_eq!(
        made["members_with_roles"][0],
        json!({"user_id": "ann", "role": "admin"})
    );
    let table = house.asks(&["teams", "list"]);
    for word in [
        "ops",
        "Operations",
        "active",
        "support",
        "60",
        "2.5 each 1mo",
    ] {
        assert!(table.stdout.contains(word), "{word}: {table:?}");
    }
    let stale = house.asks(&["teams", "update", "ops", "--blocked", "--if-version", "7"]);
    assert_eq!(stale.code, Some(1), "{stale:?}");
    let changed = house.json(&[
        "teams",
        "update",
        "ops",
        "--blocked",
        "--unset",
        "max_budget",
        "--if-version",
        "1",
    ]);
    assert_eq!(
        (&changed["blocked"], &changed["max_budget"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(changed["rpm_limit"], 60, "what is not named stays");
    let shown = house.asks(&["teams", "show", "ops"]);
    assert!(shown.stdout.contains("blocked"), "{shown:?}");
    assert!(shown.stdout.contains("version 2"), "{shown:?}");
    let nothing = house.asks(&["teams", "update", "ops"]);
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
    let gone = house.asks(&["teams", "delete", "ops"]);
    assert_eq!((gone.code, &*gone.stdout), (Some(0), "deleted ops\n"));
    let missing = house.asks(&["teams", "show", "ops"]);
    assert_eq!(missing.code, Some(1), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_organizations_are_managed_alike() {
    let house = House::open().await;
    let ann = ["users", "create", "ann", "--email", "ann@example.com"];
    assert_eq!(house.json(&ann)["user_email"], "ann@example.com");
    let acme = [
        "organizations",
        "create",
        "acme",
        "--max-parallel-requests",
        "3",
    ];
    assert_eq!(house.json(&acme)["max_parallel_requests"], 3);
    assert_eq!(house.json(&["users", "list"])[0]["user_id"], "ann");
    let shown = house.json(&["organizations", "show", "acme"]);
    assert_eq!(shown["organization_id"], "acme");
    let key = ["keys", "create", "--servers", "support", "--rpm-limit", "9"];
    assert_eq!(house.json(&key)["rpm_limit"], 9);
    for kind in ["users", "organizations"] {
        let id = if kind == "users" { "ann" } else { "acme" };
        let gone = house.asks(&[kind, "delete", id]);
        assert_eq!(gone.code, Some(0), "{gone:?}");
        assert_eq!(house.json(&[kind, "list"]), json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_are_defined_reviewed_and_taken_away_from_a_terminal() {
    let house = House::open().await;
    let base = house.mock.url();
    let secret = house.mock.client_secret();
    let entry = json!({
        "auth_type": "oauth2", "client_id": portcullis_gateway::mock::CLIENT_ID, "client_secret": secret,
        "token_url": format!("{base}/oauth/token"),
    });
    write(house.folder.path(), "entry.json", &entry.to_string());
    let at = format!("{base}/mcp");
    let define = [
        "servers",
        "define",
        "second",
        "--from",
        "entry.json",
        "--at",
        &at,
    ];
    let defined = house.json(&[&define[..], &["access_groups=[\"staff\"]"]].concat());
    assert_eq!(defined["mcp_access_groups"], json!(["staff"]), "{defined}");
    let twice = house.asks(&define);
    assert_eq!(twice.code, Some(1), "{twice:?}");
    let version = defined["version"].as_str().unwrap();
    let change = [
        "servers",
        "update",
        "second",
        "description=ours",
        "--unset",
        "access_groups",
        "--if-version",
        version,
    ];
    let changed = house.json(&change);
    assert_eq!(
        (&changed["description"], &changed["mcp_access_groups"]),
        (&json!("ours"), &json!([]))
    );
    let stale = house.asks(&change);
    assert_eq!(stale.code, Some(1), "{stale:?}");
    assert!(!stale.stderr.contains(secret), "{stale:?}");

    let desktop = json!({"mcpServers": {"third": {"url": at}, "program": {"command": "sh"}}});
    write(house.folder.path(), "desktop.json", &desktop.to_string());
    let imported = house.asks(&["servers", "import", "desktop.json"]);
    assert_eq!(
        imported.code,
        Some(1),
        "one of them was refused: {imported:?}"
    );
    for word in ["third", "served", "program", "refused"] {
        assert!(imported.stdout.contains(word), "{word}: {imported:?}");
    }
    let listed = house.asks(&["servers"]);
    for name in ["support", "second", "third"] {
        assert!(listed.stdout.contains(name), "{name}: {listed:?}");
    }

    let none = house.asks(&["servers", "submissions", "list"]);
    assert!(
        none.stdout.contains("no server waits for review"),
        "{none:?}"
    );
    let made = house.json(&[
        "keys",
        "create",
        "--team",
        "payments",
        "--servers",
        "support",
    ]);
    let submit = Ask::post(
        "/v1/mcp/server/register",
        &json!({"server_name": "fourth", "url": at}),
    );
    let key = made["key"].as_str().unwrap();
    let submitted = house.gateway.ask_as(key, submit).await;
    assert_eq!(submitted.status, 201, "{submitted:?}");
    let waits = house.asks(&["servers", "submissions", "list"]);
    assert!(waits.stdout.contains("payments"), "{waits:?}");
    let approved = house.json(&["servers", "submissions", "approve", "fourth"]);
    assert_eq!(approved["approval_status"], "active");
    let rejected = house.json(&[
        "servers",
        "submissions",
        "reject",
        "fourth",
        "--notes",
        "no",
    ]);
    assert_eq!(rejected["provenance"]["review_notes"], "no", "{rejected}");

    for name in ["second", "third", "fourth"] {
        let gone = house.asks(&["servers", "remove", name]);
        assert_eq!(gone.code, Some(0), "{gone:?}");
    }
    let of_file = house.asks(&["servers", "remove", "support"]);
    assert_eq!(of_file.code, Some(1), "{of_file:?}");
}
