//! Where authorization servers send people back to is the operator's word, and not a request's `Host`.

use portcullis_testkit::authorization_server::FakeAuthorizationServer;
use portcullis_testkit::gateway::{TestGateway, form_token};
use portcullis_testkit::upstream::FakeUpstream;

use crate::support::{refused, sent};

#[tokio::test]
async fn nobody_is_sent_away_under_a_name_that_only_a_request_says() {
    let upstream = FakeUpstream::legacy().await;
    let authorization = FakeAuthorizationServer::start().await;
    authorization.protects(&upstream);
    let servers = format!(
        "mcp_servers:\n  files: {{url: \"{}\", auth_type: oauth2, oauth2_flow: authorization_code}}\n",
        upstream.url()
    );
    let keyed = "identity: {keys: [{id: a, key: sk-pc-7Qm2vT9dKx4RzP1sWn8uYb3}]}\n";
    let (unnamed, named) = (
        "server: {host: 0.0.0.0}\n",
        "server: {host: 0.0.0.0, allowed_hosts: [gw.test]}\n",
    );
    for (server, host, goes) in [
        (unnamed, "evil.test", false),
        (unnamed, "other.test:4000", false),
        (unnamed, "localhost", true),
        (named, "gw.test", true),
    ] {
        let before = authorization.at("/register").len();
        let gateway = TestGateway::start(&format!("{server}{keyed}{servers}")).await;
        let alice = gateway.key("alice", &["files"]).await;
        let mut browser = gateway.browser();
        // Keys are typed in on this machine, without https.
        browser.signs_in_with(alice.credential(), "/connect").await;
        browser.calls_it(host);
        let page = browser.get("/connect/files").await;
        let token = form_token(&page, "/connect/files");
        let fields = [("token", &*token), ("act", "connect")];
        let reply = browser.post("/connect/files", &fields).await;
        let registered = authorization.at("/register").len() - before;
        assert_eq!(registered, usize::from(goes), "{host}");
        if goes {
            assert!(sent(&reply).contains(&format!("redirect_uri=http%3A%2F%2F{host}%2Fcallback")));
        } else {
            refused(&reply, 503, "server.public_url");
        }
        gateway.stands().await;
    }
}
