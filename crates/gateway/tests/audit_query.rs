//! Reading the trail: a question that cannot be answered as asked is refused, not answered otherwise.

#[cfg(test)]
mod audit_query {
    use std::collections::BTreeSet;

    use portcullis_testkit::gateway::{Ask, TestGateway};
    use serde_json::json;

    #[tokio::test]
    async fn a_filter_that_would_be_ignored_is_refused() {
        let gateway = TestGateway::with_support().await;
        let admin = gateway.admin().await;
        for (query, why) in [
            ("order=desc&after=x", "after goes with order=asc"),
            ("limit=0", "limit is from 1 to 1000"),
            ("limit=1001", "limit is from 1 to 1000"),
            ("untill=2027-01-01T00:00:00Z", "unknown field `untill`"),
            ("until=yesterday", "until: "),
            ("outcome=denied", "outcome is one of ok, tool_error,"),
            ("decision=maybe", "decision is one of none, allow, deny"),
            ("surface=door", "surface is one of mcp, rest,"),
        ] {
            let reply = admin.ask(Ask::get(&format!("/v1/audit?{query}"))).await;
            assert_eq!(reply.status, 400, "{query}: {reply:?}");
            let detail = reply.json()["detail"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            assert!(detail.contains(why), "{query}: {detail}");
        }
        for query in ["limit=1000", "order=desc&limit=1", "order=asc", ""] {
            let reply = admin.ask(Ask::get(&format!("/v1/audit?{query}"))).await;
            assert_eq!(reply.status, 200, "{query}: {reply:?}");
        }
    }

    /// Who tried what, and what became of it: found without reading the whole trail.
    #[tokio::test]
    async fn an_operator_finds_what_one_caller_was_denied() {
        let gateway = TestGateway::with_support().await;
        let admin = gateway.admin().await;
        let reply = admin.ask(Ask::get("/v1/audit?limit=0")).await;
        assert_eq!(reply.status, 400);
        let reply = admin.ask(Ask::get("/v1/audit?order=desc")).await;
        let events = reply.json()["events"].as_array().unwrap().clone();
        let refused = events.iter().find(|event| event["outcome"] == "invalid");
        let refused = refused.unwrap();
        let principal = refused["principal"].as_str().unwrap();
        let at = refused["at"].as_str().unwrap();

        let count = async |query: &str| {
            let reply = admin.ask(Ask::get(&format!("/v1/audit?{query}"))).await;
            assert_eq!(reply.status, 200, "{query}: {reply:?}");
            let found = reply.json()["events"].as_array().unwrap().clone();
            for event in &found {
                assert_eq!(event["request_id"], refused["request_id"], "{query}");
            }
            found.len()
        };
        for order in ["asc", "desc"] {
            let of = format!("order={order}&outcome=invalid");
            for also in [
                String::new(),
                format!("&principal={principal}"),
                "&surface=admin&method=v1/audit".to_owned(),
                format!("&since={at}"),
            ] {
                assert_eq!(count(&format!("{of}{also}")).await, 1, "{of}{also}");
            }
            for also in [
                "&principal=somebody".to_owned(),
                "&surface=mcp".to_owned(),
                "&tool=echo".to_owned(),
                "&server=support".to_owned(),
                "&decision=deny".to_owned(),
                "&rule=not_granted".to_owned(),
                "&key_id=none".to_owned(),
                format!("&until={at}"),
            ] {
                assert_eq!(count(&format!("{of}{also}")).await, 0, "{of}{also}");
            }
        }
    }

    /// Names that callers make up are on record, and make no series of metrics.
    #[tokio::test]
    async fn a_thousand_made_up_names_make_no_new_series() {
        let gateway = TestGateway::with_support().await;
        let (admin, caller) = (gateway.admin().await, gateway.working_key().await);
        let made_up = async |number: usize| {
            let name = format!("made_up_{number}");
            let arguments = json!({"name": name, "arguments": {}});
            let ask = match number % 4 {
                0 => Ask::post("/mcp-rest/tools/call", &arguments),
                1 => Ask::rpc("/mcp", "tools/call", &arguments),
                2 => Ask::rpc("/mcp", &name, &json!({})),
                _ => Ask::rpc(&format!("/mcp/{name}"), "tools/list", &json!({})),
            };
            let reply = caller.ask(ask).await;
            assert!(!reply.text().contains("\"result\""), "{reply:?}");
        };
        let series = async || {
            let scraped = admin.ask(Ask::get("/metrics")).await.text();
            let names = scraped.lines().filter(|line| !line.starts_with('#'));
            let names = names.filter_map(|line| line.rsplit_once(' '));
            names
                .map(|(name, _)| name.to_owned())
                .collect::<BTreeSet<_>>()
        };
        for number in 0..4 {
            made_up(number).await;
        }
        // What servers list is pinned behind the answers.
        portcullis_testkit::eventually("the tools of both servers are pinned", async || {
            let series = series().await;
            let pins = series.iter().filter(|name| name.contains("tool_pins"));
            pins.count() == 2
        })
        .await;
        let before = series().await;
        assert!(before.len() > 100);
        for number in 4..1_000 {
            made_up(number).await;
        }
        assert_eq!(series().await, before);
    }
}
