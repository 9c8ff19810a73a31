//! One conversation: every feature tried in turn, and what came of it.

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use crate::{
    client::{Client, PATIENCE, Way},
    feature::Feature,
    revision::Face,
    server::{CHOICE, COMPLETED, NOTE, NOTE_TEXT},
};

/// What came of one feature: nothing to say, or why not.
pub type Outcome = Result<(), String>;

/// Tries everything between a client of this face and the server that the way leads to.
pub async fn hold(face: Face, way: &Way) -> Vec<(Feature, Outcome)> {
    let connecting = tokio::time::timeout(PATIENCE * 2, Client::connect(face, way)).await;
    let client = match connecting
        .context("it does not come to a hello")
        .and_then(|client| client)
    {
        Ok(client) => client,
        Err(error) => {
            let failed = |feature| (feature, Err(format!("no hello: {error:#}")));
            return Feature::ALL.map(failed).into();
        }
    };
    let mut outcomes = Vec::new();
    for feature in Feature::ALL {
        let tried = tokio::time::timeout(PATIENCE * 2, attempt(&client, feature)).await;
        let tried = tried
            .context("it does not come to an end")
            .and_then(|outcome| outcome);
        outcomes.push((feature, tried.map_err(|error| format!("{error:#}"))));
    }
    client.close().await;
    outcomes
}

async fn attempt(client: &Client, feature: Feature) -> anyhow::Result<()> {
    match feature {
        Feature::Tools => tools(client).await,
        Feature::StructuredResult => structured(client).await,
        Feature::Progress => progress(client).await,
        Feature::Logging => logging(client).await,
        Feature::Sampling => says(client, "think", "a thought").await,
        Feature::ElicitationForm => says(client, "choose", CHOICE).await,
        Feature::ElicitationUrl => says(client, "visit", "accept").await,
        Feature::Resources => resources(client).await,
        Feature::Prompts => prompts(client).await,
        Feature::Completion => completion(client).await,
        Feature::Cancellation => cancellation(client).await,
        Feature::ListChanged => list_changed(client).await,
        Feature::Schemas => schemas(client).await,
    }
}

async fn says(client: &Client, tool: &str, wanted: &str) -> anyhow::Result<()> {
    let said = client.call(tool, json!({})).await?;
    ensure!(said == wanted, "{tool} said {said}");
    Ok(())
}

async fn listed(client: &Client, method: &str, list: &str) -> anyhow::Result<Vec<Value>> {
    let page = client.request(method, json!({})).await?;
    let items = page.get(list).and_then(Value::as_array).cloned();
    items.with_context(|| format!("no {list} in {page}"))
}

async fn tools(client: &Client) -> anyhow::Result<()> {
    let tools = listed(client, "tools/list", "tools").await?;
    ensure!(
        tools
            .iter()
            .any(|tool| tool.get("name") == Some(&json!("echo"))),
        "{tools:?}"
    );
    let said = client.call("echo", json!({"text": "hello"})).await?;
    ensure!(said == "hello", "echo said {said}");
    Ok(())
}

/// Also without the feature, the sum is there as a text.
async fn structured(client: &Client) -> anyhow::Result<()> {
    let tools = listed(client, "tools/list", "tools").await?;
    let sum = tools
        .iter()
        .find(|tool| tool.get("name") == Some(&json!("sum")));
    let params = json!({"name": "sum", "arguments": {"numbers": [1, 2, 3]}});
    let result = client.request("tools/call", params).await?;
    ensure!(crate::client::said(&result)? == "6", "{result}");
    ensure!(
        Feature::StructuredResult.is_in(client.revision()),
        "the client does not look for it"
    );
    ensure!(
        sum.is_some_and(|sum| sum.get("outputSchema").is_some()),
        "no outputSchema: {sum:?}"
    );
    ensure!(
        result.get("structuredContent") == Some(&json!({"sum": 6})),
        "{result}"
    );
    Ok(())
}

async fn progress(client: &Client) -> anyhow::Result<()> {
    let since = client.heard_so_far();
    let params = json!({"name": "count", "arguments": {}, "_meta": {"progressToken": "p-count"}});
    client.request("tools/call", params).await?;
    let last = |params: &Value| params.get("progress") == Some(&json!(3));
    client.heard(since, "notifications/progress", last).await?;
    let all = client.all_heard(since, "notifications/progress");
    let own = |params: &&Value| params.get("progressToken") == Some(&json!("p-count"));
    let done: Vec<_> = all
        .iter()
        .filter(own)
        .map(|params| params["progress"].clone())
        .collect();
    ensure!(done == [json!(1), json!(2), json!(3)], "{all:?}");
    Ok(())
}

async fn logging(client: &Client) -> anyhow::Result<()> {
    let since = client.heard_so_far();
    let mut params = json!({"name": "chat", "arguments": {}});
    if client.revision().is_modern() {
        params["_meta"] = json!({"io.modelcontextprotocol/logLevel": "warning"});
    } else {
        client
            .request("logging/setLevel", json!({"level": "warning"}))
            .await?;
    }
    client.request("tools/call", params).await?;
    let warning = |params: &Value| params.get("data") == Some(&json!("to be heard"));
    client
        .heard(since, "notifications/message", warning)
        .await?;
    let all = client.all_heard(since, "notifications/message");
    ensure!(all.len() == 1, "too much was heard: {all:?}");
    Ok(())
}

async fn resources(client: &Client) -> anyhow::Result<()> {
    let resources = listed(client, "resources/list", "resources").await?;
    ensure!(
        resources
            .iter()
            .any(|one| one.get("uri") == Some(&json!(NOTE))),
        "{resources:?}"
    );
    let templates = listed(client, "resources/templates/list", "resourceTemplates").await?;
    ensure!(templates.len() == 1, "{templates:?}");
    let read = client
        .request("resources/read", json!({"uri": NOTE}))
        .await?;
    ensure!(
        read.pointer("/contents/0/text") == Some(&json!(NOTE_TEXT)),
        "{read}"
    );
    unknown_resource(client).await?;
    let since = client.heard_so_far();
    let subscription = subscribe(client, json!({"resourceSubscriptions": [NOTE]})).await?;
    if subscription.is_none() {
        client
            .request("resources/subscribe", json!({"uri": NOTE}))
            .await?;
    }
    client.call("touch", json!({})).await?;
    let own = |params: &Value| {
        params.get("uri") == Some(&json!(NOTE)) && is_of(params, subscription.as_ref())
    };
    client
        .heard(since, "notifications/resources/updated", own)
        .await?;
    if let Some(subscription) = subscription {
        return client.give_up(subscription).await;
    }
    client
        .request("resources/unsubscribe", json!({"uri": NOTE}))
        .await
        .map(drop)
}

/// The error is that of the client's revision.
async fn unknown_resource(client: &Client) -> anyhow::Result<()> {
    let uri = "ref://item/nobody-has-it";
    let wanted = if client.revision().is_modern() {
        -32602
    } else {
        -32002
    };
    match client
        .attempt("resources/read", json!({"uri": uri}))
        .await?
    {
        Ok(result) => bail!("nothing was read as {result}"),
        Err(refused) => {
            ensure!(
                refused.0.get("code") == Some(&json!(wanted)),
                "{}",
                refused.0
            );
            Ok(())
        }
    }
}

type Subscription = crate::client::Asked;

/// A listening stream of 2026-07-28, acknowledged; other revisions listen anyway.
async fn subscribe(client: &Client, filter: Value) -> anyhow::Result<Option<Subscription>> {
    if !client.revision().is_modern() {
        return Ok(None);
    }
    let since = client.heard_so_far();
    let asked = client
        .begin("subscriptions/listen", json!({"notifications": filter}))
        .await?;
    let own = |params: &Value| is_of(params, Some(&asked));
    let heard = client
        .heard(since, "notifications/subscriptions/acknowledged", own)
        .await?;
    ensure!(
        heard.get("notifications") == Some(&filter),
        "acknowledged as {heard}"
    );
    Ok(Some(asked))
}

fn is_of(params: &Value, subscription: Option<&Subscription>) -> bool {
    subscription.is_none_or(|asked| {
        params.pointer("/_meta/io.modelcontextprotocol~1subscriptionId") == Some(asked.id())
    })
}

async fn prompts(client: &Client) -> anyhow::Result<()> {
    let prompts = listed(client, "prompts/list", "prompts").await?;
    ensure!(
        prompts
            .iter()
            .any(|one| one.get("name") == Some(&json!("greet"))),
        "{prompts:?}"
    );
    let params = json!({"name": "greet", "arguments": {"city": "Paris"}});
    let prompt = client.request("prompts/get", params).await?;
    let text = prompt.pointer("/messages/0/content/text");
    ensure!(text == Some(&json!("Greetings from Paris")), "{prompt}");
    Ok(())
}

async fn completion(client: &Client) -> anyhow::Result<()> {
    let params = json!({"ref": {"type": "ref/prompt", "name": "greet"},
        "argument": {"name": "city", "value": "pa"}});
    let found = client.request("completion/complete", params).await?;
    ensure!(
        found.pointer("/completion/values") == Some(&json!(COMPLETED)),
        "{found}"
    );
    Ok(())
}

async fn cancellation(client: &Client) -> anyhow::Result<()> {
    let since = client.heard_so_far();
    let label = format!("{}-{since}", std::process::id());
    let label = format!("{label}-{:p}", std::ptr::from_ref(client));
    let params = json!({"name": "wait", "arguments": {"label": label},
        "_meta": {"progressToken": "p-wait"}});
    let asked = client.begin("tools/call", params).await?;
    let runs = |params: &Value| params.get("progressToken") == Some(&json!("p-wait"));
    client.heard(since, "notifications/progress", runs).await?;
    client.give_up(asked).await?;
    let said = client.call("given-up", json!({"label": label})).await?;
    ensure!(said == "yes", "the server did not hear of it");
    Ok(())
}

async fn list_changed(client: &Client) -> anyhow::Result<()> {
    let subscription = subscribe(client, json!({"toolsListChanged": true})).await?;
    let since = client.heard_so_far();
    client.call("change", json!({})).await?;
    let own = |params: &Value| is_of(params, subscription.as_ref());
    client
        .heard(since, "notifications/tools/list_changed", own)
        .await?;
    match subscription {
        Some(subscription) => client.give_up(subscription).await,
        None => Ok(()),
    }
}

/// What both sides found wrong with what they received.
async fn schemas(client: &Client) -> anyhow::Result<()> {
    let said = client.call("complaints", json!({})).await?;
    let mut complaints = client.complaints();
    complaints.extend(
        serde_json::from_str::<Vec<String>>(&said)?
            .into_iter()
            .map(|said| format!("server: {said}")),
    );
    complaints.truncate(6);
    ensure!(complaints.is_empty(), "{}", complaints.join("; "));
    Ok(())
}
