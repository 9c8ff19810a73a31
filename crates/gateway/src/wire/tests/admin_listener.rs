//! A listener for administrators has nothing for strangers.

use http::{Method, StatusCode};
use portcullis_core::ApiKey;
use portcullis_server::HostRule;

use super::small_world::SmallWorld;
use crate::wire::serve::state;

#[tokio::test]
async fn a_refusal_at_the_administrators_listener_leads_to_no_document_of_the_data() {
    let text = "server: {public_url: 'https://llm.example.com', admin_listen: '127.0.0.1:0'}";
    let mut world = SmallWorld::start(text).await;
    let (rooms, config) = (
        world.embedded.shared_rooms(),
        world.embedded.config().clone(),
    );
    let state = state(&rooms, &config, HostRule::Loopback, None, None);
    world.route(portcullis_server::admin_router(state));
    let nobody = ApiKey::new("sk-nobody-has-this-key-at-all-000");
    let refused = world.ask(&nobody, Method::GET, "/key/list", "").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let challenge = &refused.headers["www-authenticate"];
    assert_eq!(challenge, r#"Bearer error="invalid_token""#);
    let document = world.get("/.well-known/oauth-protected-resource").await;
    assert_eq!(document.status, StatusCode::NOT_FOUND);
}
