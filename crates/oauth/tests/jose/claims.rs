//! What a token with a good signature must say besides.

use std::time::Duration;

use portcullis_core::Timestamp;
use portcullis_oauth::jose::{TokenFault, TokenType, read_introspected};
use serde_json::{Value, json};

use crate::issuer::{
    AUDIENCE, ISSUER, NOW, claiming, good_claims, good_header, headed, rules, sign, token, verify,
    verify_by, verify_held, with,
};

#[track_caller]
fn each(cases: &[Value], fault: TokenFault) {
    for changes in cases {
        assert_eq!(claiming(changes.clone()), Err(fault), "{changes}");
    }
}

/// JWT-12.
#[test]
fn a_token_is_of_the_expected_type_and_of_no_other() {
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "JWT", "jwt"] {
        headed(json!({"typ": typ})).unwrap();
    }
    for typ in [
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "",
        "at+jwt ",
        "at",
    ] {
        assert_eq!(headed(json!({"typ": typ})), Err(TokenFault::Type), "{typ}");
    }
    assert_eq!(headed(json!({"typ": null})), Err(TokenFault::Type));
    assert_eq!(headed(json!({"typ": 5})), Err(TokenFault::Malformed));

    let mut bare = rules();
    bare.types = vec![TokenType::absent()];
    let without = token(&with(good_header(), json!({"typ": null})), &good_claims());
    verify_by(&without, &bare).unwrap();
}

/// JWT-12.
#[test]
fn an_id_token_or_a_logout_token_is_no_access_token() {
    each(
        &[
            json!({"at_hash": "x"}),
            json!({"c_hash": "x"}),
            json!({"s_hash": "x"}),
            json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
            json!({"token_use": "id"}),
            json!({"token_use": 1}),
            json!({"typ": "ID"}),
            json!({"typ": "Refresh"}),
        ],
        TokenFault::NotAnAccessToken,
    );
    claiming(json!({"token_use": "access", "typ": "Bearer"})).unwrap();
    // A nonce is an ID token's, unless the token says that it is for access.
    claiming(json!({"nonce": "n"})).unwrap();
    let plain = with(good_header(), json!({"typ": "JWT"}));
    let nonce = with(good_claims(), json!({"nonce": "n"}));
    let refused = verify(&token(&plain, &nonce)).unwrap_err();
    assert_eq!(refused, TokenFault::NotAnAccessToken);
    let says = with(nonce, json!({"typ": "Bearer"}));
    verify(&token(&plain, &says)).unwrap();
}

/// JWT-14, JWT-25.
#[test]
fn the_end_is_required_and_kept_within_the_leeway() {
    claiming(json!({"iat": NOW - 60, "exp": NOW - 29})).unwrap();
    claiming(json!({"exp": 1_800_000_000.5})).unwrap();
    each(
        &[json!({"exp": NOW - 30}), json!({"exp": NOW - 31})],
        TokenFault::Expired,
    );
    each(
        &[
            json!({"exp": null}),
            json!({"exp": (NOW + 60).to_string()}),
            json!({"exp": -1}),
            json!({"exp": 1e300}),
            json!({"exp": [NOW + 60]}),
            json!({"exp": true}),
            json!({"exp": NOW * 1000}),
        ],
        TokenFault::Claims,
    );
    // `null` is a value, and no number.
    let null = good_claims()
        .to_string()
        .replace(r#""exp":1800000300"#, r#""exp":null"#);
    let refused = verify(&sign(good_header().to_string(), null)).unwrap_err();
    assert_eq!(refused, TokenFault::Claims);
}

/// JWT-15, JWT-25.
#[test]
fn a_token_has_begun_and_was_issued_before_now() {
    claiming(json!({"nbf": NOW + 29})).unwrap();
    claiming(json!({"iat": null})).unwrap();
    each(
        &[
            json!({"nbf": NOW + 31}),
            json!({"nbf": NOW + 61}),
            json!({"iat": NOW + 31}),
            json!({"iat": NOW + 3600}),
        ],
        TokenFault::NotYetValid,
    );
    each(
        &[
            json!({"nbf": "soon"}),
            json!({"nbf": NOW.to_string()}),
            json!({"iat": "now"}),
            json!({"iat": {}}),
        ],
        TokenFault::Claims,
    );
}

#[test]
fn a_token_that_lives_too_long_is_refused() {
    let day = 24 * 3600;
    claiming(json!({"iat": NOW - 10, "exp": NOW - 10 + day})).unwrap();
    each(
        &[
            json!({"iat": NOW - 10, "exp": NOW - 9 + day}),
            json!({"iat": null, "exp": NOW + 1 + day}),
            json!({"exp": 253_402_300_799_i64}),
            json!({"iat": NOW, "exp": NOW - 1}),
        ],
        TokenFault::Lifetime,
    );
}

/// JWT-16.
#[test]
fn the_issuer_is_compared_character_by_character() {
    for iss in [
        json!(null),
        json!([ISSUER]),
        json!(5),
        json!(format!("{ISSUER}/")),
        json!("https://ISSUER.example/tenant"),
        json!("https://issuer.example.evil.test/tenant"),
        json!("https://issuer.example@evil.test/tenant"),
        json!("https://\u{456}ssuer.example/tenant"),
    ] {
        each(&[json!({"iss": iss})], TokenFault::Issuer);
    }
}

/// JWT-17.
#[test]
fn the_audience_names_us_exactly() {
    claiming(json!({"aud": ["https://other.example", AUDIENCE]})).unwrap();
    each(
        &[
            json!({"aud": null}),
            json!({"aud": "https://gw.example/mcp/"}),
            json!({"aud": "https://gw.example"}),
            json!({"aud": "https://GW.example/mcp"}),
            json!({"aud": "*"}),
            json!({"aud": []}),
            json!({"aud": ["https://other.example"]}),
            json!({"aud": format!("{AUDIENCE} https://other.example")}),
        ],
        TokenFault::Audience,
    );
    each(
        &[
            json!({"aud": 5}),
            json!({"aud": {"a": AUDIENCE}}),
            json!({"aud": [AUDIENCE, 5]}),
            json!({"aud": [[AUDIENCE]]}),
        ],
        TokenFault::Claims,
    );
}

/// JWT-18.
#[test]
fn a_subject_is_any_text_but_there_is_one() {
    for subject in ["a\nb", "../x", "admin'--", "*", "null"] {
        claiming(json!({"sub": subject})).unwrap();
    }
    let subject = |text: &str| {
        let claims = with(good_claims(), json!({"sub": text}));
        let verified = verify(&token(&good_header(), &claims)).unwrap();
        verified.subject().to_owned()
    };
    assert_ne!(subject("\u{e9}"), subject("e\u{301}"));
    each(
        &[
            json!({"sub": null}),
            json!({"sub": ""}),
            json!({"sub": 5}),
            json!({"sub": ["alice"]}),
            json!({"sub": "a\u{0}b"}),
            json!({"sub": "x".repeat(10_240)}),
        ],
        TokenFault::Claims,
    );
}

/// AUTH-24.
#[test]
fn a_token_that_is_bound_to_a_key_needs_a_proof_that_nobody_gave() {
    each(
        &[
            json!({"cnf": {"x5t#S256": "x"}}),
            json!({"cnf": {"jkt": "x"}}),
            json!({"cnf": {}}),
        ],
        TokenFault::Confirmation,
    );
}

#[test]
fn scopes_and_other_claims_are_found_where_issuers_put_them() {
    let claims = with(
        good_claims(),
        json!({
            "scope": "read write", "scp": ["admin", 5, "with blank"], "scopes": "x",
            "groups": ["a", 5, "", "two\nlines"], "team": "blue",
            "realm": {"roles": ["r1", "r2"]}, "https://ns.example/org": "acme",
        }),
    );
    let claims = verify(&token(&good_header(), &claims)).unwrap();
    assert_eq!(claims.scopes().to_string(), "admin read write x");
    assert_eq!(claims.texts("groups"), ["a"]);
    assert_eq!(claims.texts("team"), ["blue"]);
    assert_eq!(claims.texts("realm.roles"), ["r1", "r2"]);
    assert_eq!(claims.text("https://ns.example/org"), Some("acme"));
    for nothing in ["realm", "realm.none", "none", "none.x", "groups.0", ""] {
        assert_eq!(claims.text(nothing), None, "{nothing}");
    }
}

/// RL-14.
#[test]
fn an_introspected_token_is_active_ours_and_not_over() {
    let read = |changes: Value| {
        let body = with(
            json!({"active": true, "sub": "alice", "aud": AUDIENCE, "exp": NOW + 60}),
            changes,
        );
        let now = Timestamp::from_secs(NOW);
        read_introspected(body.to_string().as_bytes(), &rules(), None, now).map(drop)
    };
    for good in [
        json!({}),
        json!({"iss": ISSUER, "token_type": "Bearer"}),
        json!({"exp": null}),
        json!({"aud": [AUDIENCE]}),
    ] {
        assert_eq!(read(good.clone()), Ok(()), "{good}");
    }
    for (changes, fault) in [
        (json!({"active": false}), TokenFault::Inactive),
        (json!({"active": "true"}), TokenFault::Malformed),
        (json!({"active": 1}), TokenFault::Malformed),
        (json!({"active": null}), TokenFault::Malformed),
        (json!({"aud": null}), TokenFault::Audience),
        (json!({"aud": "other"}), TokenFault::Audience),
        (json!({"iss": "https://other.example"}), TokenFault::Issuer),
        (json!({"iss": 5}), TokenFault::Issuer),
        (json!({"exp": NOW - 31}), TokenFault::Expired),
        // Without an end of its own, the operator's longest lifetime is its end.
        (
            json!({"exp": null, "iat": NOW - 90 * 86_400}),
            TokenFault::Expired,
        ),
        (json!({"nbf": NOW + 31}), TokenFault::NotYetValid),
        (json!({"sub": null}), TokenFault::Claims),
        (json!({"sub": 5, "client_id": "agent"}), TokenFault::Claims),
        (json!({"sub": "", "client_id": "agent"}), TokenFault::Claims),
        (json!({"sub": null, "client_id": ""}), TokenFault::Claims),
        (json!({"token_type": "DPoP"}), TokenFault::Confirmation),
        (json!({"cnf": {"jkt": "x"}}), TokenFault::Confirmation),
        (
            json!({"token_use": "refresh"}),
            TokenFault::NotAnAccessToken,
        ),
    ] {
        assert_eq!(read(changes.clone()), Err(fault), "{changes}");
    }
    for body in [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"active":true,"active":false}"#,
    ] {
        let now = Timestamp::from_secs(NOW);
        let refused = read_introspected(body.as_bytes(), &rules(), None, now).unwrap_err();
        assert_eq!(refused, TokenFault::Malformed, "{body}");
    }
    let of_client = json!({"active": true, "client_id": "agent", "aud": AUDIENCE});
    let now = Timestamp::from_secs(NOW);
    let client = read_introspected(of_client.to_string().as_bytes(), &rules(), None, now).unwrap();
    assert_eq!((client.subject(), client.is_of_client()), ("agent", true));
    assert_eq!(rules().leeway, Duration::from_secs(30));
    let endless = json!({"active": true, "sub": "alice", "aud": AUDIENCE});
    let now = Timestamp::from_secs(NOW);
    let read = read_introspected(endless.to_string().as_bytes(), &rules(), None, now).unwrap();
    assert_eq!(
        read.into_inner().expires_at(),
        Some(now.after(rules().max_lifetime))
    );
}

/// AUTH-24.
#[test]
fn a_bound_token_is_believed_with_exactly_its_certificate() {
    let (own, other) = ([7_u8; 32], [8_u8; 32]);
    let thumbprint = |of: &[u8]| crate::issuer::encode(of);
    let judged = |confirmation: Value, holder: Option<&[u8; 32]>| {
        let mut claims = good_claims();
        claims["cnf"] = confirmation.clone();
        let token = token(&good_header(), &claims);
        let by_token = verify_held(&token, &rules(), holder).map(|claims| claims.is_bound());
        let body = json!({"active": true, "sub": "alice", "aud": AUDIENCE, "exp": NOW + 60,
            "cnf": confirmation});
        let body = body.to_string();
        let now = Timestamp::from_secs(NOW);
        let asked = read_introspected(body.as_bytes(), &rules(), holder, now);
        assert_eq!(asked.map(|claims| claims.is_bound()), by_token);
        by_token
    };
    let bound = json!({"x5t#S256": thumbprint(&own)});
    assert_eq!(judged(bound.clone(), Some(&own)), Ok(true));
    assert_eq!(
        judged(bound.clone(), Some(&other)),
        Err(TokenFault::Confirmation)
    );
    assert_eq!(judged(bound, None), Err(TokenFault::Confirmation));
    for confirmation in [
        json!(null),
        json!({}),
        json!("x5t#S256"),
        json!([thumbprint(&own)]),
        json!({"x5t#S256": null}),
        json!({"x5t#S256": [thumbprint(&own)]}),
        json!({"x5t#S256": format!("{}=", thumbprint(&own))}),
        json!({"x5t#S256": thumbprint(&own[..31])}),
        json!({"x5t#S256": thumbprint(&[&own[..], &[7]].concat())}),
        json!({"x5t#s256": thumbprint(&own)}),
        json!({"x5t": thumbprint(&own)}),
        json!({"jkt": thumbprint(&own)}),
        json!({"x5t#S256": thumbprint(&own), "jkt": thumbprint(&own)}),
    ] {
        let judged = judged(confirmation.clone(), Some(&own));
        assert_eq!(judged, Err(TokenFault::Confirmation), "{confirmation}");
    }
    let free = verify_held(&token(&good_header(), &good_claims()), &rules(), Some(&own));
    assert!(
        !free.unwrap().is_bound(),
        "a certificate takes nothing away"
    );
}
