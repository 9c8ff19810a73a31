//! Reading the trail: a question that cannot be answered as asked is refused, not answered otherwise.

#[cfg(test)]
mod audit_query {
    use portcullis_testkit::gateway::{Ask, TestGateway};

    #[tokio::test]
    async fn a_filter_that_would_be_ignored_is_refused() {
        let gateway = TestGateway::with_support().await;
        let admin = gateway.admin().await;
        for (query, why) in [
            ("order=desc&after=x", "after goes with order=asc"),
            ("limit=0", "limit is from 1 to 1000"),
            ("limit=1001", "limit is from 1 to 1000"),
            ("untill=2027-01-01T00:00:00Z", "unknown field `untill`"),
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
}
