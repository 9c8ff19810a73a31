//! How long a certificate counts: its own time, that of its chain, and of the authority behind it.

use super::*;

#[tokio::test]
async fn nobody_outlives_their_certificate() {
    let stage = Stage::set(false).await;
    let (now, end) = (stage.clock.now(), Duration::from_mins(2));
    let agent = stage
        .own
        .vouches(vec![dns(AGENT)], now.before(DAY), now.after(end));
    let mut connection = stage.connect(Some(&agent)).await;
    let bound = stage.token(Some(&agent.thumbprint()));
    is_served(&connection.ask(&echo()).await);
    is_served(&connection.ask(&echo().bearer(&bound)).await);
    let mut streams = Vec::new();
    for credential in [None, Some(&*bound)] {
        streams.push(stage.listens(&agent, credential).await);
    }
    stage.clock.advance(end + Duration::from_secs(1));
    for mut stream in streams {
        stream.ends().await;
    }
    let reply = connection.ask(&echo()).await;
    stage.is_refused(&reply, "certificate_over").await;
    let reply = connection.ask(&echo().bearer(&bound)).await;
    stage.is_refused(&reply, "token_confirmation").await;
    stage.gateway.no_secret_was_told().await;
}

#[tokio::test]
async fn an_authority_that_leaves_its_file_vouches_for_nobody_any_more() {
    let stage = Stage::set(false).await;
    let agent = stage.agent();
    let bound = stage.token(Some(&agent.thumbprint()));
    let mut connection = stage.connect(Some(&agent)).await;
    is_served(&connection.ask(&echo()).await);

    std::fs::write(&stage.own.file, "nonsense").unwrap();
    let error = stage.tls.reload().unwrap_err().to_string();
    assert!(error.contains("a certificate authority"), "{error}");
    is_served(&connection.ask(&echo()).await);

    let next = Authority::at(stage.own.file.clone());
    stage.tls.reload().unwrap();
    let reply = connection.ask(&echo()).await;
    stage.is_refused(&reply, "missing").await;
    let reply = connection.ask(&echo().bearer(&bound)).await;
    stage.is_refused(&reply, "token_confirmation").await;
    assert_eq!(stage.ask(Some(&agent), &echo()).await.status, 0);
    let renewed = stage.with(&next, vec![dns(AGENT)]);
    is_served(&stage.ask(Some(&renewed), &echo()).await);
    stage.gateway.stands().await;
}

/// Whoever withdraws an authority wants its callers out, not only kept from asking again.
#[tokio::test]
async fn streams_of_certificates_and_of_bound_tokens_end_with_their_authority() {
    let stage = Stage::set(false).await;
    let agent = stage.agent();
    let bob = stage.with(
        &stage.other,
        vec![SanType::Rfc822Name("bob@example.com".try_into().unwrap())],
    );
    let bound = stage.token(Some(&agent.thumbprint()));
    let mut ends = Vec::new();
    for credential in [None, Some(&*bound)] {
        ends.push(stage.listens(&agent, credential).await);
    }
    let mut stays = stage.listens(&bob, None).await;
    Authority::at(stage.own.file.clone());
    stage.tls.reload().unwrap();
    for mut stream in ends {
        stream.ends().await;
    }
    // The other authority's go on, until it leaves the list.
    let only_own = ClientCa {
        files: vec![stage.own.file.clone()],
        required: false,
    };
    stage.tls.reload_with(Some(only_own)).unwrap();
    stays.ends().await;
    stage.gateway.stands().await;
}

/// RFC 5280 §6.1.3: each certificate of the chain is in its time.
#[tokio::test]
async fn a_certificate_ends_with_the_one_in_between() {
    let stage = Stage::set(false).await;
    let now = stage.clock.now();
    let between = stage.own.between(now.after(Duration::from_mins(2)));
    let agent = between.vouches(vec![dns(AGENT)], now.before(DAY), now.after(DAY));
    let mut connection = stage.connect(Some(&agent)).await;
    is_served(&connection.ask(&echo()).await);
    let mut stream = stage.listens(&agent, None).await;
    stage.clock.advance(Duration::from_mins(3));
    stream.ends().await;
    let reply = connection.ask(&echo()).await;
    stage.is_refused(&reply, "missing").await;
    stage.gateway.no_secret_was_told().await;
}

/// What a listener lets nobody see without a certificate is not seen over a connection that outlives
/// its own: neither pages nor what clients and everybody may ask.
#[tokio::test]
async fn where_certificates_are_required_pages_and_endpoints_end_with_them_too() {
    let stage = Stage::set(true).await;
    let (now, end) = (stage.clock.now(), Duration::from_mins(2));
    let agent = stage
        .own
        .vouches(vec![dns(AGENT)], now.before(DAY), now.after(end));
    let mut connection = stage.connect(Some(&agent)).await;
    let asks = [
        Ask::get("/login"),
        Ask::get("/connect"),
        Ask::new("POST", "/token"),
        Ask::new("PUT", "/register"),
        Ask::get("/.well-known/oauth-authorization-server"),
    ];
    for ask in &asks {
        let reply = connection.ask(ask).await;
        assert_ne!(reply.status, 403, "{ask:?}: {reply:?}");
    }
    stage.clock.advance(end + Duration::from_secs(1));
    for ask in &asks {
        let reply = connection.ask(ask).await;
        assert_eq!(reply.status, 403, "{ask:?}: {reply:?}");
        assert!(
            reply.text().contains("certificate_not_accepted"),
            "{reply:?}"
        );
        assert!(reply.headers.iter().all(|(name, _)| name != "set-cookie"));
    }
    let reply = connection.ask(&asks[0]).await;
    let event = stage.gateway.event_of(&reply).await;
    assert_eq!(event["authn"], "certificate_over", "{event}");
}
