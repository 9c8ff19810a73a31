//! Tokens that callers bring beside a key, to act with.

use super::*;

/// Knows one key, and no token: those are brought to act with.
#[derive(Debug)]
struct OneKey;

#[async_trait]
impl Authenticator for OneKey {
    async fn authenticate(
        &self,
        presented: &Presented,
    ) -> Result<Option<Authenticated>, AuthnError> {
        let known = presented.key().expose() == "the-shared-key";
        Ok(known.then(|| Authenticated {
            principal: Arc::new(MasterKey::principal()),
        }))
    }
}

/// A thief of alice's token cannot act as her with a key of their own, once she is revoked; what was
/// under way ends.
#[tokio::test]
async fn a_revoked_token_is_withheld_beside_any_key_and_ends_what_is_done_with_it() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let house = House::open();
    let here = house.replica().await;
    let door = Authentication::new(vec![Arc::new(OneKey)], Arc::clone(&here.list));
    // Signed by an algorithm that we do not know: whoever exchanges it may.
    let token = |sub: &str, jti: &str, sid: &str| {
        let claims = format!(
            r#"{{"iss":"{IDP}","sub":"{sub}","jti":"{jti}","sid":"{sid}","iat":1800000000}}"#
        );
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    };
    let bring = async |token: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-litellm-api-key",
            HeaderValue::from_static("the-shared-key"),
        );
        let bearer = format!("Bearer {token}");
        headers.insert("authorization", HeaderValue::from_str(&bearer).unwrap());
        let caller = door.authenticate(&headers, &Arrival::default()).await;
        let caller = caller.unwrap().principal;
        door.brought(&headers, &caller, |name| name == "authorization")
            .await
    };
    let of_alice = token("alice", "j1", "s1");
    let before = bring(&of_alice).await;
    let claimed = before.on_behalf.unwrap().claimed.clone();
    let acting = Principal {
        marks: CredentialMarks {
            beside: claimed,
            ..CredentialMarks::default()
        },
        ..MasterKey::principal()
    };
    assert!(here.list.stands(&acting));
    let named = [
        subject("alice"),
        Revoke::Issuer(IDP.to_owned()),
        Revoke::Token {
            issuer: IDP.to_owned(),
            jti: "j1".to_owned(),
        },
        Revoke::Session {
            issuer: IDP.to_owned(),
            sid: "s1".to_owned(),
        },
    ];
    for what in named {
        let made = here.revoke(what.clone()).await;
        let brought = bring(&of_alice).await;
        assert!(brought.on_behalf.is_none(), "{what:?}");
        assert!(brought.headers.is_empty(), "{what:?}");
        assert_eq!(
            brought.withheld,
            [("authorization".into(), Withheld::Revoked)]
        );
        assert!(!here.list.stands(&acting), "{what:?}");
        let of_bob = bring(&token("bob", "j2", "s2")).await;
        let issuer_wide = matches!(what, Revoke::Issuer(_));
        assert_eq!(of_bob.on_behalf.is_none(), issuer_wide, "{what:?}");
        here.lift(&made.id).await.unwrap();
        assert!(bring(&of_alice).await.on_behalf.is_some(), "{what:?}");
    }
    // A list that is too old says of nobody that they are not on it.
    house.cut(true);
    house.clock.advance(Duration::from_secs(61));
    let brought = bring(&of_alice).await;
    assert!(brought.on_behalf.is_none());
    assert_eq!(
        brought.withheld,
        [("authorization".into(), Withheld::Unjudged)]
    );
    assert!(!here.list.stands(&acting));
}
