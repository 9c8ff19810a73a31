mod messages;
mod small_gateway;

use std::io::Write;
use std::sync::{Arc, Mutex};

use clap::{CommandFactory, Parser};
use portcullis_core::ApiKey;
use serde_json::json;
use url::Url;

use super::client::GatewayClient;
use super::demo::narration;
use super::exit::Exit;
use super::output::printable;
use super::*;
use crate::loopback::Loopback;
use small_gateway::SmallGateway;

fn parse(line: &str) -> Cli {
    Cli::try_parse_from(line.split(' ')).unwrap()
}

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    fn out(&self, format: Format) -> Output {
        Output::to(format, Box::new(self.clone()))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn client(base: &str, key: &str) -> GatewayClient {
    let base = Url::parse(base).unwrap();
    GatewayClient::new(Arc::new(Loopback), base, Some(ApiKey::new(key)), false).unwrap()
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn a_litellm_command_line_starts_the_gateway_and_says_what_has_no_effect() {
    let cli = parse(
        "litellm --config config.yaml --port 4000 --host 0.0.0.0 --num_workers 8 --detailed_debug",
    );
    assert!(cli.verb.is_none());
    assert_eq!(cli.global.config.as_deref(), Some("config.yaml".as_ref()));
    assert_eq!(cli.serve.port, Some(4000));
    assert_eq!(cli.serve.host.as_deref(), Some("0.0.0.0"));
    let names: Vec<_> = cli.serve.litellm.notices().iter().map(|n| n.0).collect();
    assert_eq!(names, ["--detailed_debug", "--num_workers"]);
}

#[test]
fn a_litellm_option_that_protects_is_refused_rather_than_ignored() {
    let tls = "portcullis --config c.yaml --ssl_keyfile_path key.pem";
    let error = Cli::try_parse_from(tls.split(' ')).unwrap_err();
    assert_eq!(error.exit_code(), 2);
}

#[tokio::test]
async fn options_of_serve_before_another_verb_are_a_usage_error() {
    let error = Box::pin(run(
        parse("portcullis --port 4000 schema"),
        LogControl::default(),
    ))
    .await
    .unwrap_err();
    assert_eq!(error.number(), 2);
}

#[test]
fn arguments_are_taken_as_json_or_pair_by_pair() {
    let pairs = |pairs: &[&str]| pairs.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
    let given = pairs(&["customer_id=CUST1", "purchases=[1,2]", "note=a=b"]);
    assert_eq!(
        tools::arguments(None, &given).unwrap(),
        json!({ "customer_id": "CUST1", "purchases": [1, 2], "note": "a=b" })
    );
    assert_eq!(
        tools::arguments(Some("{\"a\":1}"), &[]).unwrap(),
        json!({ "a": 1 })
    );
    for (json, bad) in [
        (Some("[1]"), pairs(&[])),
        (Some("{"), pairs(&[])),
        (None, pairs(&["nonsense"])),
        (None, pairs(&["a=1", "a=2"])),
    ] {
        assert_eq!(tools::arguments(json, &bad).unwrap_err().number(), 2);
    }
}

#[test]
fn a_new_key_sees_exactly_the_servers_that_were_named() {
    let cli = parse("portcullis keys create --alias ci --servers github,jira --expires 30d");
    let Some(Verb::Keys(KeysArgs {
        verb: KeysVerb::Create(args),
    })) = cli.verb
    else {
        panic!("not a key");
    };
    assert_eq!(
        args.body(),
        json!({
            "key_alias": "ci", "duration": "30d",
            "object_permission": { "mcp_servers": ["github", "jira"] },
        })
    );
    for bad in ["30", "0d", "d", "-1h", "forever"] {
        let line = ["portcullis", "keys", "create", "--expires", bad];
        assert!(Cli::try_parse_from(line).is_err(), "{bad}");
    }
}

#[test]
fn a_key_on_the_command_line_does_not_show_in_debug_output() {
    let cli = parse("portcullis tools list --key sk-canary-77");
    assert!(!format!("{cli:?}").contains("canary"));
}

#[test]
fn what_a_tool_answers_cannot_command_the_terminal() {
    assert_eq!(
        printable("a\u{1b}]0;title\u{7}\u{202e}b\nc"),
        "a\u{fffd}]0;title\u{fffd}\u{fffd}b\nc"
    );
}

#[test]
fn a_table_shows_cells_from_anywhere_in_a_row_and_json_shows_no_table() {
    let rows = [json!({ "a": { "b": ["x", "y"] }, "n": 3 }), json!({})];
    let page = Page::default();
    let columns = [("first", "/a/b"), ("second", "/n")];
    let mut out = page.out(Format::Text);
    out.table(&columns, &rows, "none").unwrap();
    assert!(page.text().contains("x, y"), "{}", page.text());
    assert!(page.text().contains("second"));

    let page = Page::default();
    page.out(Format::Json)
        .table(&columns, &rows, "none")
        .unwrap();
    assert_eq!(page.text(), "");
}

#[test]
fn every_shell_gets_a_script_that_knows_the_verbs() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let page = Page::default();
        let Some(Verb::Completions(args)) = parse(&format!("portcullis completions {shell}")).verb
        else {
            panic!("not completions");
        };
        completions::run(&args, &mut page.out(Format::Text)).unwrap();
        assert!(page.text().contains("tools"), "{shell}");
    }
}

#[test]
fn a_first_configuration_is_private_and_never_overwritten_unasked() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("portcullis.yaml");
    init::write(&file, false).unwrap();
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::write(&file, "mine").unwrap();
    assert_eq!(init::write(&file, false).unwrap_err().number(), 2);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    init::write(&file, true).unwrap();
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        portcullis_config::sample_config()
    );
}

#[tokio::test]
async fn scripts_can_tell_a_refused_key_from_a_gateway_that_is_not_there() {
    let gateway = SmallGateway::start().await;
    let refused = client(&gateway.base, "sk-wrong").servers().await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.number(), 4);
    assert_eq!(
        refused.to_string(),
        "the gateway refused with 401: invalid key"
    );
    // Bound and never listening: nobody else can get the port meanwhile.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let base = format!("http://{}", nobody.local_addr().unwrap());
    let unreachable = client(&base, "sk-any").servers().await.unwrap_err();
    assert_eq!(unreachable.number(), 3);
}

#[test]
fn a_gateway_url_with_credentials_in_it_is_a_usage_error() {
    let url = Url::parse("http://user:pass@gateway.example").unwrap();
    let error = GatewayClient::new(Arc::new(Loopback), url, None, false).unwrap_err();
    assert_eq!(error.number(), 2);
    assert!(!error.to_string().contains("pass@"));
}

async fn tell(gateway: &SmallGateway, format: Format) -> (Exit, String) {
    let parts = narration::Parts {
        admin: client(&gateway.base, small_gateway::KEY),
        caller: client(&gateway.base, small_gateway::KEY),
        mock: client(&gateway.mock, "sk-unused"),
    };
    let page = Page::default();
    let exit = narration::run(&parts, &mut page.out(format)).await.unwrap();
    (exit, page.text())
}

#[tokio::test]
async fn the_demo_tells_of_both_scenarios_the_refusals_and_the_trail() {
    let gateway = SmallGateway::start().await;
    let (exit, text) = tell(&gateway, Format::Text).await;
    assert_eq!(exit, Exit::Done, "{text}");
    for part in [
        "support-calculate_account_value over /mcp",
        "\"qualifies_for_premium\":true",
        "John Doe",
        "a key that nobody has",
        "requested 1 time(s) for 4 calls",
        "tools/call",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert!(!text.contains("FAIL"), "{text}");
}

#[tokio::test]
async fn the_demo_notices_a_gateway_that_fetches_a_token_for_each_call() {
    let gateway = SmallGateway::wasteful().await;
    let (exit, text) = tell(&gateway, Format::Json).await;
    assert_eq!(exit, Exit::Failed);
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["ok"], false);
    let failed = report["steps"].as_array().unwrap().iter();
    let failed: Vec<_> = failed.filter(|step| step["ok"] == false).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
}
