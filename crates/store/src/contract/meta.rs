//! Obligations of [`crate::MetaStore`].

use std::sync::Arc;

use super::at_once;
use crate::Stores;

pub(super) async fn an_absent_value_is_none(stores: Stores) {
    assert_eq!(stores.meta.get("canary").await.unwrap(), None);
}

pub(super) async fn of_many_first_writers_all_get_the_same_answer(stores: Stores) {
    let answers = at_once(|number| {
        let meta = Arc::clone(&stores.meta);
        async move {
            let value = format!("value {number}");
            meta.put_if_absent("canary", value.as_bytes())
                .await
                .unwrap()
        }
    })
    .await;
    let stored = stores.meta.get("canary").await.unwrap().unwrap();
    assert!(answers.iter().all(|answer| *answer == stored));
}

pub(super) async fn a_value_is_replaced_as_a_whole(stores: Stores) {
    stores
        .meta
        .put("name", b"a long first value")
        .await
        .unwrap();
    stores.meta.put("name", b"short").await.unwrap();
    stores.meta.put("name", b"short").await.unwrap();
    let stored = stores.meta.get("name").await.unwrap();
    assert_eq!(stored.as_deref(), Some(&b"short"[..]));
    let kept = stores.meta.put_if_absent("name", b"other").await.unwrap();
    assert_eq!(kept, b"short");
}

pub(super) async fn names_and_values_may_be_anything(stores: Stores) {
    let bytes: Vec<u8> = (0..=255).collect();
    for name in ["", "a'b\"; DROP TABLE meta; --", "日本語 🗝", "NAME", "name"] {
        let value = [name.as_bytes(), &bytes].concat();
        stores.meta.put(name, &value).await.unwrap();
    }
    for name in ["", "a'b\"; DROP TABLE meta; --", "日本語 🗝", "NAME", "name"] {
        let value = [name.as_bytes(), &bytes].concat();
        assert_eq!(stores.meta.get(name).await.unwrap(), Some(value), "{name}");
    }
    stores.meta.put("empty", b"").await.unwrap();
    assert_eq!(stores.meta.get("empty").await.unwrap(), Some(Vec::new()));
}
