//! What is in force, as viewers may know it.

use portcullis_testkit::gateway::Ask;

use super::support::{House, PRIVATE, TEAM_KEY};

/// CFG-11.
#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_is_shown_without_its_secrets_to_those_who_may_read_everything() {
    let house = House::start().await;
    let mock = &house.mock;
    let yaml = format!(
        "{PRIVATE}mcp_servers:\n{}  other:\n    url: 'https://mcp.example.com/mcp?key=in-the-query'\n    \
         static_headers: {{X-Api-Key: in-a-header}}\n",
        mock.entry("written")
    );
    let house = House::with(&yaml).await;
    let reply = house.viewer().ask(Ask::get("/v1/config")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let text = reply.text();
    for secret in [
        TEAM_KEY,
        mock.client_secret(),
        "in-a-header",
        "in-the-query",
    ] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let shown = reply.json();
    let servers = &shown["configuration"]["mcp_servers"];
    assert_eq!(
        servers["written"]["client_secret"]["is_set"], true,
        "{text}"
    );
    assert_eq!(
        servers["other"]["url"], "https://mcp.example.com/mcp",
        "{text}"
    );
    assert!(shown["generation"].is_u64(), "{text}");
    assert_eq!(house.member().ask(Ask::get("/v1/config")).await.status, 403);
    let diff = Ask::new("POST", "/v1/config/diff");
    assert_eq!(
        house.viewer().ask(diff).await.status,
        409,
        "there is no file"
    );
    house.gateway.stands().await;
}
