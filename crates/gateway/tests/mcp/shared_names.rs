//! Tools and prompts whose names on the aggregate are too long, too odd, or another server's.

use portcullis_testkit::upstream::FakeUpstream;

use super::support::{Client, House, call_params, server};

/// What providers of models take: `^[a-zA-Z0-9_-]{1,64}$`.
fn is_taken_by_models(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

async fn tools(client: &Client) -> Vec<String> {
    client.rpc("tools/list", "{}").await.names()
}

/// The tool that an upstream was called with last, and how often it was called.
fn called(upstream: &FakeUpstream) -> (usize, String) {
    let last = upstream.last("tools/call");
    (
        upstream.count("tools/call"),
        last.text(&["params", "name"]).unwrap(),
    )
}

#[tokio::test]
async fn a_name_that_no_model_takes_is_shortened_and_leads_home_on_every_surface() {
    let old = FakeUpstream::legacy().await;
    let new = FakeUpstream::modern().await;
    let long = "x".repeat(90);
    let longer = format!("{long}y");
    let own = ["repo.list", "repo/list", &long, &longer, "fits_as-it_is"];
    old.tool_names(&own);
    new.tool_names(&own);
    let (first, second) = (server("old", &old, &[]), server("new", &new, &[]));
    let house = House::of(&[first.clone(), second.clone()]).await;
    let alice = house.caller("alice").await;
    let listed = tools(&alice).await;
    assert_eq!(listed.len(), 10);
    assert!(
        listed.iter().all(|name| is_taken_by_models(name)),
        "{listed:?}"
    );
    let distinct: std::collections::BTreeSet<_> = listed.iter().collect();
    assert_eq!(distinct.len(), 10, "{listed:?}");
    assert_eq!(
        (&*listed[4], &*listed[9]),
        ("old-fits_as-it_is", "new-fits_as-it_is")
    );
    assert!(listed[0].starts_with("old-repo_list_"), "{listed:?}");
    // A client of the other era is told the same.
    assert_eq!(alice.modern("tools/list", "").await.names(), listed);

    let rest = alice.at("/mcp-rest/tools/call");
    for (number, name) in listed.iter().enumerate() {
        let upstream = if number < 5 { &old } else { &new };
        let calls = upstream.count("tools/call");
        let wanted = |more: usize| (calls + more, own[number % 5].to_owned());
        assert!(
            alice.call(name, "{}").await.json()["result"].is_object(),
            "{name}"
        );
        assert_eq!(called(upstream), wanted(1));
        assert_eq!(alice.modern_call(name, "{}").await.status, 200, "{name}");
        assert_eq!(called(upstream), wanted(2));
        assert_eq!(
            rest.post(&call_params(name, "{}")).await.status,
            200,
            "{name}"
        );
        assert_eq!(called(upstream), wanted(3));
        let id = if number < 5 { "old" } else { "new" };
        let with_id = format!(r#"{{"server_id":"{id}","name":"{name}"}}"#);
        assert_eq!(rest.post(&with_id).await.status, 200, "{with_id}");
        assert_eq!(called(upstream), wanted(4));
        if number >= 5 {
            let header = upstream.last("tools/call");
            assert_eq!(
                header.all("mcp-name"),
                [own[number % 5]],
                "the header says what the body says"
            );
        }
    }
    // Whoever wrote the name down before it was shortened still arrives.
    assert!(alice.call("old-repo.list", "{}").await.json()["result"].is_object());
    // On its own endpoint a server's names are its own.
    assert_eq!(tools(&alice.at("/mcp/old")).await, own);
    for near in [format!("{}0", listed[0]), listed[0].replace("old", "odd")] {
        assert_eq!(alice.call(&near, "{}").await.code(), -32602, "{near}");
    }
    house.end().await;

    // Another replica, whatever else it serves and in whichever order, says the same.
    let third = FakeUpstream::legacy().await;
    let house = House::of(&[server("third", &third, &[]), second, first]).await;
    let alice = house.caller("alice").await;
    let mut elsewhere = tools(&alice).await.split_off(2);
    elsewhere.rotate_left(5);
    assert_eq!(elsewhere, listed);
    house.end().await;
}

#[tokio::test]
async fn the_second_server_of_a_name_is_reached_by_a_marked_one() {
    let first = FakeUpstream::legacy().await;
    let second = FakeUpstream::modern().await;
    first.tool_names(&["pay-all", "other"]);
    second.tool_names(&["all", "mine"]);
    let house = House::of(&[
        server("bank", &first, &[]),
        server("desk", &second, &["alias: bank-pay"]),
    ])
    .await;
    let alice = house.caller("alice").await;
    let listed = tools(&alice).await;
    let marked = listed[2].clone();
    assert!(marked.starts_with("bank-pay-all_"), "{listed:?}");
    assert_eq!(
        listed,
        ["bank-pay-all", "bank-other", &marked, "bank-pay-mine"]
    );
    alice.call("bank-pay-all", "{}").await;
    assert_eq!(called(&first), (1, "pay-all".to_owned()));
    alice.modern_call(&marked, "{}").await;
    assert_eq!(called(&second), (1, "all".to_owned()));
    let rest = alice.at("/mcp-rest/tools/call");
    assert_eq!(rest.post(&call_params(&marked, "{}")).await.status, 200);
    assert_eq!(called(&second).0, 2);
    // Whoever sees the second server only sees no conflict, and the mark leads there all the same.
    let bob = house.limited("bob", &["desk"], &[]).await;
    assert_eq!(tools(&bob).await, ["bank-pay-all", "bank-pay-mine"]);
    bob.call(&marked, "{}").await;
    bob.call("bank-pay-all", "{}").await;
    assert_eq!((first.count("tools/call"), called(&second).0), (1, 4));
    house.end().await;
}

#[tokio::test]
async fn no_server_gets_the_calls_of_a_marked_name_by_listing_it() {
    let bank = FakeUpstream::legacy().await;
    let evil = FakeUpstream::legacy().await;
    bank.tool_names(&["transfer.all"]);
    let honest = House::of(&[server("bank", &bank, &[])]).await;
    let alice = honest.caller("alice").await;
    let marked = tools(&alice).await.remove(0);
    honest.end().await;

    // Even one that comes first and has the whole space of names.
    evil.tool_names(&[&marked, "bank-transfer.all", "own"]);
    let house = House::of(&[
        server("evil", &evil, &["alias: \"\""]),
        server("bank", &bank, &[]),
    ])
    .await;
    let alice = house.caller("alice").await;
    let listed = tools(&alice).await;
    assert_eq!(listed.len(), 4);
    assert_eq!(listed[3], marked, "{listed:?}");
    assert_eq!(listed[2], "own");
    let distinct: std::collections::BTreeSet<_> = listed.iter().collect();
    assert_eq!(distinct.len(), 4, "{listed:?}");
    let rest = alice.at("/mcp-rest/tools/call");
    alice.call(&marked, "{}").await;
    alice.modern_call(&marked, "{}").await;
    rest.post(&call_params(&marked, "{}")).await;
    assert_eq!((bank.count("tools/call"), evil.count("tools/call")), (3, 0));
    // What it lists is to be had under the names that it is listed with.
    alice.call(&listed[0], "{}").await;
    assert_eq!(called(&evil), (1, marked));
    house.end().await;
}

#[tokio::test]
async fn prompts_keep_their_names_unless_another_server_has_them() {
    let first = FakeUpstream::legacy().await;
    let second = FakeUpstream::modern().await;
    first.prompts(&[r#"{"name":"pay-draft"}"#, r#"{"name":"a note/letter.v1"}"#]);
    second.prompts(&[r#"{"name":"draft"}"#]);
    let house = House::of(&[
        server("bank", &first, &[]),
        server("desk", &second, &["alias: bank-pay"]),
    ])
    .await;
    let alice = house.caller("alice").await;
    // The first look already: no list has two of a name.
    let listed = alice.rpc("prompts/list", "{}").await.names();
    let marked = listed[2].clone();
    assert!(marked.starts_with("bank-pay-draft_"), "{listed:?}");
    assert_eq!(listed, ["bank-pay-draft", "bank-a note/letter.v1", &marked]);
    let got = alice
        .modern("prompts/get", &format!(r#""name":"{marked}""#))
        .await;
    assert_eq!(got.json()["result"]["description"], "draft");
    assert_eq!(second.last("prompts/get").all("mcp-name"), ["draft"]);
    let reference = format!(
        r#"{{"ref":{{"type":"ref/prompt","name":"{marked}"}},"argument":{{"name":"x","value":"y"}}}}"#
    );
    let completed = alice.rpc("completion/complete", &reference).await;
    assert!(completed.json()["result"]["completion"].is_object());
    let asked = second.last("completion/complete");
    assert_eq!(asked.text(&["params", "ref", "name"]).unwrap(), "draft");
    assert_eq!(first.count("completion/complete"), 0);
    house.end().await;
}
