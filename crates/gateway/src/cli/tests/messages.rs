//! What a command that fails says.

use super::*;
use crate::cli::exit::CommandError;

#[tokio::test]
async fn whoever_gave_no_key_is_told_how_to_give_one() {
    let gateway = SmallGateway::start().await;
    let base = Url::parse(&gateway.base).unwrap();
    let client = GatewayClient::new(Arc::new(Loopback), base, None, false).unwrap();
    let refused = client.servers().await.unwrap_err();
    assert_eq!(refused.number(), 4);
    assert_eq!(
        refused.told(),
        "error: no key was given: set PORTCULLIS_API_KEY, or write --key"
    );
}

#[test]
fn findings_of_a_file_are_told_with_one_error_each() {
    let findings = "error: server.prot: unknown key `prot`\n\n1 error in c.yaml";
    let error = CommandError::Configuration(findings.to_owned());
    assert_eq!(error.told(), findings);
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_told_with_each_cause_once() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let http = crate::wire::http_client().unwrap();
    let client = GatewayClient::new(http, Url::parse(&base).unwrap(), None, false).unwrap();
    let told = client.servers().await.unwrap_err().told();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert_eq!(
        lines[0],
        format!("error: cannot reach the gateway at {base}")
    );
    assert!(
        lines[1].starts_with("  because: connection failed"),
        "{told}"
    );
    assert!(lines[2].contains("refused"), "{told}");
}
