//! Spans, from a caller's trace through the gateway to a server, and to a collector that may be anything.

#[cfg(test)]
mod traces {
    use portcullis_testkit::eventually;
    use portcullis_testkit::gateway::{Actor, Ask, TestGateway};
    use portcullis_testkit::upstream::{FakeUpstream, Recorded, Reply as Said};
    use serde_json::{Value, json};

    const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
    const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    /// What spans are brought by has no method.
    const DELIVERY: &str = "RESPONSE";
    const KEY: &str = "collector-canary-3kQ8";

    async fn collector() -> FakeUpstream {
        let collector = FakeUpstream::legacy().await;
        collector.on(DELIVERY, |_| Said::json(200, "{}"));
        collector
    }

    async fn gateway_of(
        upstream: &FakeUpstream,
        collector: &FakeUpstream,
        more: &str,
    ) -> TestGateway {
        let (url, to) = (upstream.url(), collector.url());
        TestGateway::start(&format!(
            "telemetry:\n  traces:\n    url: \"{to}\"\n    headers: {{x-api-key: {KEY}}}\n    service_name: edge\n{more}\
             mcp_servers:\n  support:\n    url: \"{url}\"\n    auth_type: bearer_token\n    auth_value: upstream-canary\n"
        ))
        .await
    }

    /// What the collector has, once everything was brought that will be: the trail ends, and the spans with it.
    async fn spans(gateway: &TestGateway, collector: &FakeUpstream) -> Vec<Value> {
        gateway.embedded().gateway().audit().close().await.unwrap();
        let mut spans = Vec::new();
        for delivery in collector.seen(DELIVERY) {
            let body: Value = serde_json::from_str(&delivery.body).unwrap();
            let told = &body["resourceSpans"][0]["scopeSpans"][0]["spans"];
            spans.extend(told.as_array().unwrap().iter().cloned());
        }
        spans
    }

    fn attribute<'a>(span: &'a Value, key: &str) -> Option<&'a str> {
        let all = span["attributes"].as_array().unwrap();
        let found = all.iter().find(|one| one["key"] == key)?;
        found["value"]["stringValue"].as_str()
    }

    fn parent_of(request: &Recorded) -> (String, String, String) {
        let value = request.header("traceparent").unwrap();
        let parts: Vec<&str> = value.split('-').collect();
        let [version, trace, parent, flags] = parts.as_slice() else {
            panic!("{value}")
        };
        assert_eq!(*version, "00");
        (
            (*trace).to_owned(),
            (*parent).to_owned(),
            (*flags).to_owned(),
        )
    }

    #[tokio::test]
    async fn a_callers_trace_goes_through_to_the_server_and_the_collector_sees_how() {
        for upstream in [FakeUpstream::legacy().await, FakeUpstream::modern().await] {
            let collector = collector().await;
            let gateway = gateway_of(&upstream, &collector, "").await;
            let caller = gateway.key("caller", &["support"]).await;
            // So that the server is known before the call that is looked at.
            assert_eq!(caller.echo("hello").await.status, 200);
            let ask = Actor::echo_ask("argument-canary")
                .header("traceparent", UNSAMPLED)
                .header("tracestate", "congo=t61rcWkgMzE")
                .header("baggage", "token=baggage-canary");
            let reply = caller.ask(ask).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            let id = reply.header("x-request-id").unwrap().to_owned();
            assert_eq!(gateway.event_of(&reply).await["trace_id"], TRACE_ID);
            gateway.no_secret_was_told().await;

            let call = upstream.last("tools/call");
            let (trace, parent, flags) = parent_of(&call);
            assert_eq!(
                (trace.as_str(), flags.as_str()),
                (TRACE_ID, "01"),
                "decided here"
            );
            assert_eq!(call.header("tracestate"), Some("congo=t61rcWkgMzE"));
            assert_eq!(call.header("baggage"), None);
            let in_message = call.text(&["params", "_meta", "traceparent"]);
            let is_modern = call.header("mcp-method").is_some();
            assert_eq!(in_message.is_some(), is_modern);
            assert!(
                in_message.is_none_or(|told| Some(told.as_str()) == call.header("traceparent"))
            );

            let all = spans(&gateway, &collector).await;
            let of_trace = |span: &&Value| span["traceId"] == TRACE_ID;
            let ours: Vec<&Value> = all.iter().filter(of_trace).collect();
            let of_request =
                |span: &Value| attribute(span, "portcullis.request.id") == Some(id.as_str());
            let request = ours.iter().find(|span| of_request(span)).unwrap();
            assert_eq!(request["kind"], 2);
            assert_eq!(request["parentSpanId"], "b7ad6b7169203331");
            assert_eq!(request["name"], "tools/call echo");
            assert_eq!(request["traceState"], "congo=t61rcWkgMzE");
            let sent = ours
                .iter()
                .find(|span| span["kind"] == 3 && span["spanId"] == parent.as_str())
                .unwrap_or_else(|| panic!("{ours:#?}"));
            assert_eq!(sent["parentSpanId"], request["spanId"]);
            assert_eq!(attribute(sent, "mcp.method.name"), Some("tools/call"));
            assert_eq!(attribute(sent, "gen_ai.tool.name"), Some("echo"));
            assert_eq!(attribute(sent, "server.address"), Some("127.0.0.1"));
            assert_eq!(
                attribute(sent, "portcullis.credential"),
                Some("static-token")
            );
            let number =
                |span: &Value, name: &str| -> u64 { span[name].as_str().unwrap().parse().unwrap() };
            for time in ["startTimeUnixNano", "endTimeUnixNano"] {
                assert!(number(request, "startTimeUnixNano") <= number(sent, time));
                assert!(number(sent, time) <= number(request, "endTimeUnixNano"));
            }
            for delivery in collector.seen(DELIVERY) {
                assert_eq!(delivery.header("x-api-key"), Some(KEY));
                assert!(
                    delivery
                        .body
                        .contains(r#""key":"service.name","value":{"stringValue":"edge"}"#)
                );
                for secret in ["canary", caller.credential(), caller.key_id()] {
                    assert!(
                        !delivery.body.contains(secret),
                        "{secret}: {}",
                        delivery.body
                    );
                }
            }
        }
    }

    #[tokio::test]
    async fn a_context_that_is_malformed_or_too_large_is_not_handed_on() {
        let (upstream, collector) = (FakeUpstream::modern().await, collector().await);
        let gateway = gateway_of(&upstream, &collector, "").await;
        let caller = gateway.key("caller", &["support"]).await;
        let huge = format!("a={},b={}", "x".repeat(250), "y".repeat(250));
        let huge = format!("{huge},c={huge}");
        for (parent, state, kept) in [
            ("00-1-2-01", "a=b", false),
            (&SAMPLED[..54], "a=b", false),
            (SAMPLED, huge.as_str(), true),
            (SAMPLED, "not a state", true),
        ] {
            let ask = Actor::echo_ask("hi")
                .header("traceparent", parent)
                .header("tracestate", state);
            let reply = caller.ask(ask).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            let call = upstream.last("tools/call");
            assert_eq!(call.header("tracestate"), None, "{parent} {state}");
            let (trace, ..) = parent_of(&call);
            assert_eq!(trace == TRACE_ID, kept, "{parent} {state}");
            assert_eq!(gateway.event_of(&reply).await["trace_id"], trace.as_str());
        }
        gateway.stands().await;
    }

    /// LOG-15: whoever brings no credential cannot make us record, whatever its headers say.
    #[tokio::test]
    async fn a_flood_of_strangers_that_say_they_record_is_not_told() {
        let (upstream, collector) = (FakeUpstream::legacy().await, collector().await);
        let heeding = "    sampler: parentbased_always_off\n";
        let gateway = gateway_of(&upstream, &collector, heeding).await;
        let stranger = gateway.anonymous();
        for _ in 0..5 {
            let ask = Actor::echo_ask("hi").header("traceparent", SAMPLED);
            assert_eq!(stranger.ask(ask).await.status, 401);
        }
        let caller = gateway.key("caller", &["support"]).await;
        for parent in [UNSAMPLED, SAMPLED] {
            let reply = caller
                .ask(Actor::echo_ask("hi").header("traceparent", parent))
                .await;
            assert_eq!(reply.status, 200, "{reply:?}");
            let (_, _, flags) = parent_of(&upstream.last("tools/call"));
            assert!(parent.ends_with(&flags), "{parent} {flags}");
        }
        let told = spans(&gateway, &collector).await;
        let requests: Vec<&Value> = told.iter().filter(|span| span["kind"] == 2).collect();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        assert_eq!(requests[0]["name"], "tools/call echo");
    }

    #[tokio::test]
    async fn a_list_of_many_servers_has_a_child_for_each_and_a_failed_one_says_why() {
        let (well, broken) = (FakeUpstream::legacy().await, FakeUpstream::legacy().await);
        let collector = collector().await;
        let entry = |name: &str, upstream: &FakeUpstream| {
            format!(
                "  {name}: {{url: \"{}\", auth_type: none}}\n",
                upstream.url()
            )
        };
        let gateway = TestGateway::start(&format!(
            "telemetry: {{traces: {{url: \"{}\"}}}}\nmcp_servers:\n{}{}",
            collector.url(),
            entry("well", &well),
            entry("broken", &broken)
        ))
        .await;
        let caller = gateway.key("caller", &["well", "broken"]).await;
        let session = caller.session("/mcp").await;
        broken.on("tools/list", |_| Said::status(500));
        let list = Ask::rpc("/mcp", "tools/list", &json!({})).header("mcp-session-id", &session);
        let reply = caller.ask(list.header("traceparent", SAMPLED)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let told = spans(&gateway, &collector).await;
        let of_trace: Vec<&Value> = told
            .iter()
            .filter(|span| span["traceId"] == TRACE_ID)
            .collect();
        let of_server = |name: &str| {
            let found = of_trace.iter().find(|span| {
                span["kind"] == 3 && attribute(span, "portcullis.mcp.server") == Some(name)
            });
            *found.unwrap_or_else(|| panic!("{name}: {of_trace:#?}"))
        };
        assert_eq!(of_server("well")["status"], Value::Null);
        assert_eq!(of_server("broken")["status"], json!({"code": 2}));
        assert!(attribute(of_server("broken"), "error.type").is_some());
    }

    /// R-32: "no effect on data path; bounded queue, drop counter".
    #[tokio::test]
    async fn a_collector_that_hangs_refuses_or_is_gone_costs_no_answer() {
        for nature in ["hangs", "refuses", "is gone"] {
            let (upstream, collector) = (FakeUpstream::legacy().await, collector().await);
            match nature {
                "hangs" => collector.on(DELIVERY, |_| Said::Hang),
                "refuses" => collector.on(DELIVERY, |_| Said::status(500)),
                _ => collector.on(DELIVERY, |_| Said::Close),
            }
            let gateway = gateway_of(&upstream, &collector, "").await;
            let caller = gateway.key("caller", &["support"]).await;
            assert_eq!(caller.echo("hi").await.status, 200, "{nature}");
            collector.arrived(DELIVERY, 1).await;
            for _ in 0..20 {
                let reply = caller.echo("hi").await;
                assert_eq!(reply.status, 200, "{nature}: {reply:?}");
            }
            let admin = gateway.admin().await;
            if nature == "refuses" {
                eventually("what it refused is counted", async || {
                    let metrics = admin.ask(Ask::get("/metrics")).await.text();
                    let lost = "portcullis_trace_spans_dropped_total{reason=\"undelivered\"} ";
                    let lost = metrics.lines().find_map(|line| line.strip_prefix(lost));
                    lost.is_some_and(|count| count.parse::<u64>().unwrap() > 0)
                })
                .await;
            }
            gateway.no_secret_was_told().await;
        }
    }
}
