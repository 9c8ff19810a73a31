use std::time::Duration;

use portcullis_core::ClientSecret;
use serde_json::json;

use super::*;

const NOW: i64 = 1_795_000_000;
const AUDIENCE: &str = "https://as.example";

fn jwt(head: &Value, claims: &Value) -> String {
    let [head, claims] = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{head}.{claims}.c2ln")
}

fn good() -> String {
    jwt(
        &json!({"alg": "ES256", "typ": TYP}),
        &json!({"aud": AUDIENCE, "exp": NOW + 300}),
    )
}

fn answer(token: &str) -> Value {
    json!({"access_token": token, "token_type": "N_A", "issued_token_type": ID_JAG_TYPE})
}

fn parse(body: &Value) -> Result<IdJag, InvalidIdJag> {
    let now = Timestamp::from_secs(NOW);
    IdJag::parse(body.to_string().as_bytes(), AUDIENCE, now)
}

#[test]
fn a_grant_is_kept_until_the_first_of_its_ends() {
    let grant = parse(&answer(&good())).unwrap();
    assert_eq!(grant.ends(), Timestamp::from_secs(NOW + 300));
    assert!(!format!("{grant:?}").contains("c2ln"));
    let mut short = answer(&good());
    short["expires_in"] = 60.into();
    assert_eq!(
        parse(&short).unwrap().ends(),
        Timestamp::from_secs(NOW + 60)
    );
    let far = jwt(
        &json!({"typ": TYP}),
        &json!({"aud": AUDIENCE, "exp": 1e300}),
    );
    let day = Timestamp::from_secs(NOW).after(Duration::from_hours(24));
    assert_eq!(parse(&answer(&far)).unwrap().ends(), day);
}

#[test]
fn spellings_that_mean_the_same_are_taken() {
    for (typ, aud) in [
        ("application/oauth-id-jag+jwt", json!(AUDIENCE)),
        ("OAuth-ID-JAG+jwt", json!([AUDIENCE])),
    ] {
        let token = jwt(&json!({"typ": typ}), &json!({"aud": aud, "exp": NOW + 1}));
        let mut body = answer(&token);
        body["token_type"] = "n_a".into();
        assert!(parse(&body).is_ok(), "{typ}");
    }
}

#[test]
fn whatever_is_no_such_grant_is_refused() {
    let with = |member: &str, value: Value| {
        let mut body = answer(&good());
        body[member] = value;
        body
    };
    let head = json!({"typ": TYP});
    let claims = json!({"aud": AUDIENCE, "exp": NOW + 300});
    let of = |head: &Value, claims: &Value| answer(&jwt(head, claims));
    for (body, expected) in [
        (json!([]), InvalidIdJag::Malformed),
        (
            with("issued_token_type", Value::Null),
            InvalidIdJag::Malformed,
        ),
        (
            with(
                "issued_token_type",
                "urn:ietf:params:oauth:token-type:id_token".into(),
            ),
            InvalidIdJag::OtherType,
        ),
        (
            with(
                "issued_token_type",
                "urn:ietf:params:oauth:token-type:refresh_token".into(),
            ),
            InvalidIdJag::OtherType,
        ),
        (with("token_type", "Bearer".into()), InvalidIdJag::NotNa),
        (answer("opaque"), InvalidIdJag::OtherJwt),
        (answer("a.b.c.d"), InvalidIdJag::OtherJwt),
        (
            answer(good().trim_end_matches("c2ln")),
            InvalidIdJag::OtherJwt,
        ),
        (of(&json!({"typ": "JWT"}), &claims), InvalidIdJag::OtherJwt),
        (of(&json!({}), &claims), InvalidIdJag::OtherJwt),
        (
            of(&head, &json!({"exp": NOW + 300})),
            InvalidIdJag::OtherJwt,
        ),
        (
            of(
                &head,
                &json!({"aud": "https://as.example/", "exp": NOW + 300}),
            ),
            InvalidIdJag::OtherAudience,
        ),
        (
            of(&head, &json!({"aud": [AUDIENCE, "x"], "exp": NOW + 300})),
            InvalidIdJag::OtherAudience,
        ),
        (of(&head, &json!({"aud": AUDIENCE})), InvalidIdJag::Ended),
        (
            of(&head, &json!({"aud": AUDIENCE, "exp": NOW})),
            InvalidIdJag::Ended,
        ),
        (with("expires_in", 0.into()), InvalidIdJag::Ended),
        (
            answer(&jwt(
                &head,
                &json!({"aud": AUDIENCE, "exp": NOW + 300, "x": "x".repeat(LONGEST_TOKEN)}),
            )),
            InvalidIdJag::OtherJwt,
        ),
    ] {
        assert_eq!(parse(&body).unwrap_err(), expected, "{body}");
    }
}

#[test]
fn rfc_7523_2_1_the_second_leg_shows_the_grant_and_the_client() {
    let secret = ClientSecret::new("s");
    let client = ClientAuthentication::Basic {
        client_id: "c",
        client_secret: &secret,
    };
    let grant = parse(&answer(&good())).unwrap();
    let request = TokenRequest::jwt_bearer(&client, &grant).unwrap();
    assert!(request.authorization().is_some());
    assert_eq!(
        request.into_form(),
        format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={}",
            good()
        )
    );
}
