//! What `/key/*` and `/metrics` tell and do, to whom.

#[cfg(test)]
mod keys_of_others {
    use portcullis_core::{Role, ServerGrants};
    use portcullis_testkit::gateway::{Actor, Ask, TestGateway};
    use serde_json::json;

    async fn delete(by: &Actor, keys: &[&str]) -> portcullis_testkit::gateway::Reply {
        by.ask(Ask::post("/key/delete", &json!({"keys": keys})))
            .await
    }

    #[tokio::test]
    async fn a_list_with_a_mistake_ends_no_key_and_a_good_one_is_on_record_as_allowed() {
        let gateway = TestGateway::with_support().await;
        let admin = gateway.admin().await;
        let caller = gateway.key("caller", &["support"]).await;
        let other = gateway.key("other", &["support"]).await;

        let reply = delete(&admin, &[caller.key_id(), "nobody"]).await;
        assert_eq!(reply.status, 404, "{reply:?}");
        assert_eq!(caller.echo("still here").await.status, 200);

        // Its own it may end, but not together with somebody else's.
        let reply = delete(&caller, &[caller.key_id(), other.key_id()]).await;
        assert_eq!(reply.status, 403, "{reply:?}");
        assert_eq!(gateway.event_of(&reply).await["decision"], "deny");
        assert_eq!(caller.echo("still here").await.status, 200);

        let reply = delete(&admin, &[caller.key_id(), other.key_id()]).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let event = gateway.event_of(&reply).await;
        assert_eq!(event["decision"], "allow", "{event}");
        for key in [&caller, &other] {
            assert!(event.to_string().contains(key.key_id()), "{event}");
            assert_eq!(key.echo("gone").await.status, 401);
        }
        gateway.stands().await;
    }

    #[tokio::test]
    async fn whoever_shows_no_key_of_the_store_has_no_record_of_its_own() {
        let yaml = "identity: {keys: [{id: ci, key: sk-of-the-file-0123456789, role: viewer}]}\n";
        let gateway = TestGateway::start(yaml).await;
        let viewer = gateway.bearer("sk-of-the-file-0123456789");
        assert_eq!(viewer.ask(Ask::get("/key/list")).await.status, 200);
        // There may be a store key with the id `ci`, and it is somebody else's.
        let reply = viewer.ask(Ask::get("/key/info")).await;
        assert_eq!(reply.status, 400, "{reply:?}");
        assert!(reply.text().contains("key_id"), "{reply:?}");
        gateway.stands().await;
    }

    #[tokio::test]
    async fn metrics_are_for_administrators() {
        let gateway = TestGateway::with_support().await;
        let all = ServerGrants {
            all: true,
            ..ServerGrants::default()
        };
        let viewer = gateway.embedded().key("viewer", Role::Viewer, all).await;
        let viewer = gateway.bearer(viewer.unwrap().expose());
        assert_eq!(viewer.ask(Ask::get("/v1/audit")).await.status, 200);
        let reply = viewer.ask(Ask::get("/metrics")).await;
        assert_eq!(reply.status, 403, "{reply:?}");
        assert_eq!(gateway.event_of(&reply).await["decision"], "deny");
        let admin = gateway.admin().await;
        assert_eq!(admin.ask(Ask::get("/metrics")).await.status, 200);
        gateway.stands().await;
    }
}
