//! Where a Redis server is named.

use super::*;

fn url(loaded: &Loaded) -> Option<&str> {
    let redis = loaded.config.redis.as_ref()?;
    Some(redis.url.value.expose())
}

#[test]
fn a_server_is_named_by_our_section_or_by_any_place_of_litellms() {
    let password = ("P", "p@ss/word");
    for (text, env, expected) in [
        (
            "redis: {url: 'rediss://u:p@cache:6380/1'}",
            vec![],
            "rediss://u:p@cache:6380/1",
        ),
        (
            "redis: {url: os.environ/U}",
            vec![("U", "redis://localhost")],
            "redis://localhost",
        ),
        (
            "router_settings: {redis_host: 127.0.0.1, redis_port: 6400, redis_password: os.environ/P}",
            vec![password],
            "redis://:p%40ss%2Fword@127.0.0.1:6400/",
        ),
        (
            "litellm_settings: {cache: true, cache_params: {type: redis, host: cache, ssl: true, username: u, password: '${P}'}}",
            vec![password],
            "rediss://u:p%40ss%2Fword@cache:6379/",
        ),
        (
            "litellm_settings: {cache_params: {url: 'redis://localhost:1'}}",
            vec![],
            "redis://localhost:1",
        ),
        (
            "redis: {timeout: 50ms}",
            vec![("REDIS_URL", "redis://[::1]:7/2")],
            "redis://[::1]:7/2",
        ),
        (
            "litellm_settings: {cache: true}",
            vec![
                ("REDIS_HOST", "localhost"),
                ("REDIS_PORT", "7"),
                ("REDIS_PASSWORD", "x"),
            ],
            "redis://:x@localhost:7/",
        ),
        (
            "litellm_settings: {cache_params: {type: redis}}",
            vec![("REDIS_HOST", "cache"), ("REDIS_SSL", "True")],
            "rediss://cache:6379/",
        ),
        // Ours first, then the router's, the cache's, and the environment's.
        (
            "redis: {url: 'redis://127.0.0.1:1'}\nrouter_settings: {redis_host: 127.0.0.1, redis_port: 2}",
            vec![("REDIS_URL", "redis://127.0.0.1:4")],
            "redis://127.0.0.1:1",
        ),
        (
            "router_settings: {redis_host: 127.0.0.1, redis_port: 2}\nlitellm_settings: {cache_params: {host: 127.0.0.1, port: 3}}",
            vec![("REDIS_URL", "redis://127.0.0.1:4")],
            "redis://127.0.0.1:2/",
        ),
        (
            "litellm_settings: {cache_params: {host: 127.0.0.1, port: 3}}",
            vec![("REDIS_URL", "redis://127.0.0.1:4")],
            "redis://127.0.0.1:3/",
        ),
    ] {
        let world = World::with_env(&env);
        let loaded = world.load(text).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(url(&loaded), Some(expected), "{text}");
        assert!(loaded.config.insecure_choices.is_empty(), "{text}");
    }
}

/// They may be meant for another program.
#[test]
fn variables_alone_make_nobody_connect() {
    let world = World::with_env(&[("REDIS_URL", "redis://cache"), ("REDIS_HOST", "cache")]);
    for text in [
        "{}",
        "litellm_settings: {cache: false}",
        "litellm_settings: {cache: true, cache_params: {type: local}}",
        "router_settings: {num_retries: 2}",
    ] {
        let loaded = world.load(text).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(url(&loaded), None, "{text}");
    }
}

#[test]
fn a_cache_of_another_kind_names_no_redis_server() {
    for text in [
        "litellm_settings: {cache: true, cache_params: {type: local, host: 127.0.0.1}}",
        "litellm_settings: {cache: true, cache_params: {ttl: 5}}",
        "router_settings: {num_retries: 2}",
    ] {
        assert_eq!(url(&loaded(text)), None, "{text}");
    }
}

#[test]
fn what_the_section_says_beside_the_url_holds() {
    let loaded = World::with_env(&[("REDIS_HOST", "localhost")])
        .load("redis: {key_prefix: 'gw:1', timeout: 20ms, ca_file: /etc/ca.pem}")
        .unwrap();
    let redis = loaded.config.redis.as_ref().unwrap();
    assert_eq!(redis.key_prefix, "gw:1");
    assert_eq!(redis.timeout, std::time::Duration::from_millis(20));
    assert_eq!(redis.ca_file.as_deref(), Some(Path::new("/etc/ca.pem")));
    assert!(!redis.allow_unverified);
    noticed(&loaded, "REDIS_HOST", "names the Redis server");
    let page = crate::explain(&loaded.config, &loaded.notices);
    assert!(page.contains("key_prefix: \"gw:1\""), "{page}");
}

#[test]
fn a_server_elsewhere_proves_who_it_is_unless_that_is_waived_by_name() {
    for text in [
        "redis: {url: 'redis://cache'}",
        "router_settings: {redis_host: cache}",
        "litellm_settings: {cache_params: {host: cache}}",
    ] {
        refused(text, "without TLS");
    }
    for text in [
        "redis: {url: 'redis://cache', allow_unverified: true}",
        "redis: {allow_unverified: true}\nrouter_settings: {redis_host: cache}",
        "compat: litellm\nrouter_settings: {redis_host: cache}",
    ] {
        let loaded = loaded(text);
        let waived = loaded.config.insecure_choices.iter();
        let waived: Vec<_> = waived.filter(|choice| choice.contains("Redis")).collect();
        assert_eq!(
            waived.len(),
            1,
            "{text}: {:?}",
            loaded.config.insecure_choices
        );
    }
    refused(
        "compat: litellm\nredis: {url: 'redis://cache', allow_unverified: false}",
        "without TLS",
    );
}

#[test]
fn what_cannot_be_is_refused_where_it_stands() {
    for (text, expected) in [
        ("redis: {}", "`url` is missing"),
        ("redis: {timeout: 1s}", "`url` is missing"),
        ("redis: {url: localhost}", "not the URL of a Redis server"),
        (
            "redis: {url: 'redis://localhost?db=1'}",
            "not the URL of a Redis server",
        ),
        (
            "redis: {url: 'rediss://cache/#insecure'}",
            "not the URL of a Redis server",
        ),
        (
            "redis: {url: 'redis://localhost', timeout: 1ms}",
            "no server answers in that time",
        ),
        (
            "redis: {url: 'redis://localhost', key_prefix: 'a{b}'}",
            "not what keys can begin with",
        ),
        (
            "redis: {url: 'redis://localhost', ca_file: }",
            "holds nothing",
        ),
        ("router_settings: {redis_host: 'a b'}", "make no address"),
    ] {
        refused(text, expected);
    }
}

#[test]
fn nothing_shows_the_password() {
    let text = "redis: {url: 'redis://u:canary-1@localhost'}";
    let loaded = loaded(text);
    let page = crate::explain(&loaded.config, &loaded.notices);
    assert!(page.contains("url: (set)"), "{page}");
    for shown in [page, format!("{loaded:?}")] {
        assert!(!shown.contains("canary"), "{shown}");
    }
    let errors = errors("redis: {url: 'redis://u:canary-1@cache'}");
    assert!(!errors.to_string().contains("canary"), "{errors}");
}
