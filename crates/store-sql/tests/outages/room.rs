//! The server runs out of room.

use portcullis_core::{Timestamp, sha256};
use portcullis_store::{AuditFilter, AuditHead, AuditRow, PageRequest, StoreError, Stores};
use portcullis_store_sql::testing::{OwnServer, Room};

use super::{patient, refused, until_it_works, within};

async fn append(stores: &Stores, seq: u64) -> Result<(), StoreError> {
    let row = AuditRow {
        writer: "w".to_owned(),
        seq,
        at: Timestamp::from_millis(1),
        request_id: "r".to_owned(),
        // Of a size that is stored beside the row, and not compressed.
        event: (0..8000_u64)
            .map(|at| char::from(b'!' + (sha256(&(seq * 8000 + at).to_be_bytes())[0] % 90)))
            .collect(),
        mac: sha256(&seq.to_be_bytes()),
    };
    let head = AuditHead {
        writer: "w".to_owned(),
        seq,
        mac: row.mac,
        anchor: [0; 32],
    };
    within(stores.audit.append(&[row], &head)).await
}

async fn rows(stores: &Stores) -> u64 {
    let (mut rows, mut after) = (0, None);
    loop {
        let page = PageRequest { after, limit: 200 };
        let filter = AuditFilter::default();
        let page = stores.audit.list(&filter, &page).await.unwrap();
        rows += page.items.len() as u64;
        after = page.next;
        if after.is_none() {
            return rows;
        }
    }
}

/// R-14, LOG-09: what finds no room is refused as a whole, again and again; the rest of the database serves, and
/// the chain goes on where it was when there is room.
#[tokio::test(flavor = "multi_thread")]
async fn what_finds_no_room_is_refused_as_a_whole_and_goes_on_when_there_is_some() {
    let Some(server) = OwnServer::start(Room::Little) else {
        return;
    };
    let schema = server.migrated().await;
    let stores = patient(&schema).await;
    let mut seq = 0;
    let error = loop {
        match append(&stores, seq + 1).await {
            Ok(()) => seq += 1,
            Err(error) => break error,
        }
        assert!(seq < 5000, "it never runs out of room");
    };
    refused(Err::<(), _>(error));
    assert!(seq > 10, "{seq}");
    for _ in 0..5 {
        refused(append(&stores, seq + 1).await);
    }
    assert_eq!(rows(&stores).await, seq, "nothing half done");
    until_it_works(&stores).await;
    // An operator finds room: old rows go, and what they left is used again.
    schema.run("DELETE FROM audit_rows WHERE seq <= 10").await;
    schema.run("VACUUM audit_rows").await;
    append(&stores, seq + 1).await.unwrap();
    assert_eq!(rows(&stores).await, seq + 1 - 10);
}
