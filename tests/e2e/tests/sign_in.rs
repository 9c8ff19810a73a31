//! People sign in at the gateway with clients that we did not write, at the real binary.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::path::Path;

use anyhow::Context;
use portcullis_e2e::{
    Fixture, Gateway, Issuer, Judges, KEY, Person, Process, converse, free_port, workspace,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const TOOL: &str = "test_simple_text";

struct House {
    judges: Judges,
    gateway: Gateway,
    folder: TempDir,
    documents: Process,
    document: String,
    _fixture: Fixture,
}

impl House {
    async fn open() -> Self {
        let port = free_port().await.unwrap();
        Self::open_at(Judges::ready().unwrap(), port, json!({})).await
    }

    /// With a site beside it that has the documents of clients, under https, on this machine.
    async fn open_at(judges: Judges, at: u16, login: Value) -> Self {
        let fixture = Fixture::start().await.unwrap();
        let folder = TempDir::new().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = folder.path().join("site.pem");
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(
            folder.path().join("site.key"),
            made.signing_key.serialize_pem(),
        )
        .unwrap();
        let port = free_port().await.unwrap();
        let site = workspace().join("tests/e2e/clients/site.mjs");
        let told = [site.to_str().unwrap().to_owned(), port.to_string()];
        let documents = Process::start(judges.node(), &told, folder.path()).unwrap();
        let configuration = json!({
            "mcp_servers": {"conf": {
                "url": format!("http://127.0.0.1:{}/mcp", fixture.port()),
                "allow_all_keys": true,
            }},
            "identity": {
                "authorization_server": {"allow_loopback_client_documents": true},
                "login": login,
            },
            "server": {"ca_file": certificate},
        });
        Self {
            gateway: Gateway::public_at(at, configuration).await.unwrap(),
            judges,
            folder,
            documents,
            document: format!("https://localhost:{port}/client.json"),
            _fixture: fixture,
        }
    }

    async fn signs_in(&self, program: &Path, script: &str, told: &[&str]) {
        self.lets_in(Person::with_key(KEY), program, script, told)
            .await;
    }

    async fn lets_in(&self, mut person: Person, program: &Path, script: &str, told: &[&str]) {
        let script = workspace().join("tests/e2e/clients").join(script);
        let mut arguments = vec![script.to_str().unwrap().to_owned()];
        arguments.extend(told.iter().map(|argument| (*argument).to_owned()));
        let said = converse(&self.judges, program, &arguments, &mut person).await;
        let said = said.with_context(|| {
            format!(
                "the gateway said:\n{}\nthe site said:\n{}",
                self.gateway.process().said(),
                self.documents.said()
            )
        });
        let said = said.unwrap();
        assert!(said.contains("signed in, and stayed so"), "{said}");
        let consents = person
            .seen()
            .iter()
            .filter(|page| page.contains("/authorize"));
        assert_eq!(consents.count(), 1, "{:#?}", person.seen());
    }
}

#[tokio::test]
async fn the_python_client_registers_itself_and_signs_in() {
    let house = House::open().await;
    let url = house.gateway.endpoint("/mcp/conf");
    let python = house.judges.python();
    house
        .signs_in(&python, "python/sign_in.py", &[&url, TOOL])
        .await;
}

#[tokio::test]
async fn the_python_client_is_known_by_its_document_and_signs_in_at_the_aggregate() {
    let house = House::open().await;
    let (url, tool) = (house.gateway.endpoint("/mcp"), format!("conf-{TOOL}"));
    let told = [url.as_str(), &tool, &house.document];
    let python = house.judges.python();
    house.signs_in(&python, "python/sign_in.py", &told).await;
}

#[tokio::test]
async fn the_typescript_client_registers_itself_and_signs_in() {
    let house = House::open().await;
    let url = house.gateway.endpoint("/conf/mcp");
    let node = house.judges.node();
    house
        .signs_in(node, "typescript/sign_in.mjs", &[&url, TOOL])
        .await;
}

#[tokio::test]
async fn the_typescript_client_is_known_by_its_document_and_signs_in() {
    let house = House::open().await;
    let url = house.gateway.endpoint("/mcp/conf");
    let told = [url.as_str(), TOOL, &house.document];
    let node = house.judges.node();
    house.signs_in(node, "typescript/sign_in.mjs", &told).await;
}

#[tokio::test]
async fn a_program_that_reaches_remote_servers_by_a_bridge_signs_in() {
    let house = House::open().await;
    let (url, tool) = (house.gateway.endpoint("/mcp"), format!("conf-{TOOL}"));
    let folder = house.folder.path().to_str().unwrap();
    let told = [url.as_str(), &tool, folder];
    let node = house.judges.node();
    house.signs_in(node, "typescript/remote.mjs", &told).await;
}

#[tokio::test]
async fn a_person_of_the_provider_signs_in_with_a_client() {
    let judges = Judges::ready().unwrap();
    let ports = (free_port().await.unwrap(), free_port().await.unwrap());
    let origin = format!("http://localhost:{}", ports.0);
    let provider = Issuer::of_people(&judges, ports.1, &origin).await.unwrap();
    let login = json!({
        "issuer": provider.url(),
        "client_id": "portcullis",
        "client_secret": "the-secret-of-portcullis",
        "with_key": false,
        "all_servers": true,
    });
    let house = House::open_at(judges, ports.0, login).await;
    let url = house.gateway.endpoint("/mcp/conf");
    let ada = Person::with_account("ada");
    let told = [url.as_str(), TOOL];
    let node = house.judges.node();
    house
        .lets_in(ada, node, "typescript/sign_in.mjs", &told)
        .await;
}
