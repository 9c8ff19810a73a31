//! Obligations of [`crate::AuditStore`].

use std::sync::Arc;

use portcullis_core::{Timestamp, sha256};

use super::at_once;
use crate::{AuditFilter, AuditHead, AuditPruning, AuditRow, PageRequest, StoreErrorKind, Stores};

fn row(writer: &str, seq: u64, at: i64) -> AuditRow {
    AuditRow {
        writer: writer.to_owned(),
        seq,
        at: Timestamp::from_millis(at),
        request_id: format!("request-{seq}"),
        event: format!(r#"{{"note":"数据 🗝 'quoted'","seq":{seq}}}"#),
        mac: sha256(format!("{writer}/{seq}/{at}").as_bytes()),
    }
}

fn head_of(rows: &[AuditRow]) -> AuditHead {
    let last = rows.last().unwrap();
    AuditHead {
        writer: last.writer.clone(),
        seq: last.seq,
        mac: last.mac,
        anchor: sha256(&last.mac),
    }
}

async fn append(stores: &Stores, rows: &[AuditRow]) {
    stores.audit.append(rows, &head_of(rows)).await.unwrap();
}

async fn refused(stores: &Stores, rows: &[AuditRow], head: &AuditHead) {
    let heads = stores.audit.heads().await.unwrap();
    let error = stores.audit.append(rows, head).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Corrupt);
    assert_eq!(stores.audit.heads().await.unwrap(), heads);
    for row in rows {
        let stored = stores.audit.chain(&row.writer, row.seq, 1).await.unwrap();
        let known = heads
            .iter()
            .any(|head| head.writer == row.writer && head.seq >= row.seq);
        assert_eq!(stored.iter().any(|stored| stored.seq == row.seq), known);
    }
}

fn everything() -> (AuditFilter, PageRequest) {
    (AuditFilter::default(), PageRequest::first(1000))
}

pub(super) async fn rows_come_back_as_they_were_appended(stores: Stores) {
    let rows = [row("w", 1, -5), row("w", 2, 10), row("w", 3, 10)];
    append(&stores, &rows[..2]).await;
    append(&stores, &rows[2..]).await;
    assert_eq!(stores.audit.chain("w", 1, 10).await.unwrap(), rows);
    let (filter, page) = everything();
    assert_eq!(stores.audit.list(&filter, &page).await.unwrap().items, rows);
    assert_eq!(stores.audit.heads().await.unwrap(), [head_of(&rows)]);
}

pub(super) async fn a_gap_is_refused_and_changes_nothing(stores: Stores) {
    let late_start = [row("w", 2, 0)];
    refused(&stores, &late_start, &head_of(&late_start)).await;
    append(&stores, &[row("w", 1, 0)]).await;
    let skipping = [row("w", 3, 0)];
    refused(&stores, &skipping, &head_of(&skipping)).await;
    let inner_gap = [row("w", 2, 0), row("w", 4, 0)];
    refused(&stores, &inner_gap, &head_of(&inner_gap)).await;
    append(&stores, &[row("w", 2, 0)]).await;
}

pub(super) async fn a_repeated_append_is_refused(stores: Stores) {
    let rows = [row("w", 1, 0), row("w", 2, 0)];
    append(&stores, &rows).await;
    refused(&stores, &rows, &head_of(&rows)).await;
    refused(&stores, &rows[1..], &head_of(&rows)).await;
}

pub(super) async fn rows_of_another_writer_are_refused(stores: Stores) {
    let foreign = [row("w", 1, 0), row("other", 2, 0)];
    let head = AuditHead {
        writer: "w".to_owned(),
        ..head_of(&foreign)
    };
    refused(&stores, &foreign, &head).await;
}

pub(super) async fn a_head_that_is_not_the_last_row_is_refused(stores: Stores) {
    let rows = [row("w", 1, 0), row("w", 2, 0)];
    refused(&stores, &rows, &head_of(&rows[..1])).await;
    let forged = AuditHead {
        mac: [7; 32],
        ..head_of(&rows)
    };
    refused(&stores, &rows, &forged).await;
}

pub(super) async fn an_empty_append_is_refused(stores: Stores) {
    let rows = [row("w", 1, 0)];
    refused(&stores, &[], &head_of(&rows)).await;
    append(&stores, &rows).await;
    refused(&stores, &[], &head_of(&rows)).await;
}

pub(super) async fn of_concurrent_appends_at_one_position_exactly_one_is_stored(stores: Stores) {
    append(&stores, &[row("w", 1, 0)]).await;
    let outcomes = at_once(|number| {
        let audit = Arc::clone(&stores.audit);
        let at = i64::try_from(number).unwrap();
        let rows = [row("w", 2, at), row("w", 3, at)];
        async move { audit.append(&rows, &head_of(&rows)).await.map(|()| at) }
    })
    .await;
    let stored: Vec<_> = outcomes.iter().flatten().collect();
    assert_eq!(stored.len(), 1, "{outcomes:?}");
    assert!(
        outcomes
            .iter()
            .filter_map(|outcome| outcome.as_ref().err())
            .all(|error| error.kind == StoreErrorKind::Corrupt)
    );
    let chain = stores.audit.chain("w", 2, 10).await.unwrap();
    assert_eq!(chain, [row("w", 2, *stored[0]), row("w", 3, *stored[0])]);
    assert_eq!(stores.audit.heads().await.unwrap(), [head_of(&chain)]);
}

pub(super) async fn writers_do_not_disturb_each_other(stores: Stores) {
    at_once(|number| {
        let stores = stores.clone();
        let writer = format!("writer-{number}");
        async move {
            for seq in 1..=5 {
                append(&stores, &[row(&writer, seq, 0)]).await;
            }
        }
    })
    .await;
    let heads = stores.audit.heads().await.unwrap();
    assert_eq!(heads.len(), super::CONTENDERS);
    for head in heads {
        let chain = stores.audit.chain(&head.writer, 1, 10).await.unwrap();
        assert_eq!(
            chain.iter().map(|row| row.seq).collect::<Vec<_>>(),
            [1, 2, 3, 4, 5]
        );
        assert_eq!(head_of(&chain), head);
    }
}

pub(super) async fn heads_are_listed_by_writer(stores: Stores) {
    for writer in ["b", "a", "é", "B"] {
        append(&stores, &[row(writer, 1, 0)]).await;
    }
    let writers: Vec<_> = stores
        .audit
        .heads()
        .await
        .unwrap()
        .into_iter()
        .map(|head| head.writer)
        .collect();
    assert_eq!(writers, ["B", "a", "b", "é"]);
}

pub(super) async fn listing_is_ordered_by_time_and_pages_cover_everything(stores: Stores) {
    let b = [row("b", 1, 10), row("b", 2, 20), row("b", 3, 20)];
    let a = [row("a.1", 1, 20), row("a.1", 2, 5), row("a.1", 3, 30)];
    append(&stores, &b).await;
    append(&stores, &a).await;
    let expected = [&a[1], &b[0], &a[0], &b[1], &b[2], &a[2]].map(Clone::clone);
    for limit in 1..=7 {
        let (mut seen, mut page) = (Vec::new(), PageRequest::first(limit));
        loop {
            let part = stores
                .audit
                .list(&AuditFilter::default(), &page)
                .await
                .unwrap();
            assert!(part.items.len() <= limit);
            seen.extend(part.items);
            page.after = part.next;
            if page.after.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected, "pages of {limit}");
    }
}

pub(super) async fn the_latest_rows_come_newest_first(stores: Stores) {
    let b = [row("b", 1, 10), row("b", 2, 20), row("b", 3, 20)];
    let a = [row("a.1", 1, 20), row("a.1", 2, 5), row("a.1", 3, 30)];
    append(&stores, &b).await;
    append(&stores, &a).await;
    let everything = AuditFilter::default();
    let newest = stores.audit.latest(&everything, 3).await.unwrap();
    assert_eq!(newest, [&a[2], &b[2], &b[1]].map(Clone::clone));
    let of_a = AuditFilter {
        writer: Some("a.1".to_owned()),
        ..AuditFilter::default()
    };
    assert_eq!(stores.audit.latest(&of_a, 1).await.unwrap(), [a[2].clone()]);
    assert_eq!(
        stores.audit.latest(&everything, 100).await.unwrap().len(),
        6
    );
}

pub(super) async fn filters_combine(stores: Stores) {
    append(
        &stores,
        &[row("a", 1, 10), row("a", 2, 20), row("a", 3, 30)],
    )
    .await;
    append(&stores, &[row("b", 1, 15), row("b", 2, 20)]).await;
    let at = |millis| Some(Timestamp::from_millis(millis));
    let cases: [(AuditFilter, &[(&str, u64)]); 5] = [
        (
            AuditFilter {
                since: at(20),
                ..AuditFilter::default()
            },
            &[("a", 2), ("b", 2), ("a", 3)],
        ),
        (
            AuditFilter {
                until: at(20),
                ..AuditFilter::default()
            },
            &[("a", 1), ("b", 1)],
        ),
        (
            AuditFilter {
                request_id: Some("request-2".to_owned()),
                ..AuditFilter::default()
            },
            &[("a", 2), ("b", 2)],
        ),
        (
            AuditFilter {
                writer: Some("b".to_owned()),
                ..AuditFilter::default()
            },
            &[("b", 1), ("b", 2)],
        ),
        (
            AuditFilter {
                since: at(20),
                until: at(21),
                request_id: Some("request-2".to_owned()),
                writer: Some("a".to_owned()),
            },
            &[("a", 2)],
        ),
    ];
    for (filter, expected) in cases {
        let (_, page) = everything();
        let found = stores.audit.list(&filter, &page).await.unwrap();
        let found: Vec<_> = found
            .items
            .iter()
            .map(|row| (row.writer.as_str(), row.seq))
            .collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}

pub(super) async fn a_foreign_cursor_is_refused(stores: Stores) {
    for cursor in ["", "x", "1", "1.2", "x.1.w", "1.x.w", "1.-1.w"] {
        let page = PageRequest {
            after: Some(cursor.to_owned()),
            limit: 10,
        };
        let error = stores
            .audit
            .list(&AuditFilter::default(), &page)
            .await
            .unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::InvalidCursor, "{cursor}");
    }
}

pub(super) async fn a_chain_is_read_from_any_position(stores: Stores) {
    let rows: Vec<_> = (1..=5).map(|seq| row("w", seq, 0)).collect();
    append(&stores, &rows).await;
    append(&stores, &[row("w2", 1, 0)]).await;
    assert_eq!(stores.audit.chain("w", 0, 10).await.unwrap(), rows);
    assert_eq!(stores.audit.chain("w", 2, 2).await.unwrap(), rows[1..3]);
    assert_eq!(stores.audit.chain("w", 6, 10).await.unwrap(), []);
    assert_eq!(stores.audit.chain("nobody", 1, 10).await.unwrap(), []);
}

fn pruning_at(row: &AuditRow) -> AuditPruning {
    AuditPruning {
        writer: row.writer.clone(),
        seq: row.seq,
        mac: row.mac,
        seal: sha256(&row.mac),
    }
}

pub(super) async fn pruning_takes_a_chains_beginning_and_leaves_the_rest(stores: Stores) {
    let rows: Vec<_> = (1..=5).map(|seq| row("w", seq, 10)).collect();
    let other = [row("other", 1, 10)];
    append(&stores, &rows).await;
    append(&stores, &other).await;
    assert_eq!(stores.audit.prunings().await.unwrap(), []);
    let first = pruning_at(&rows[1]);
    assert_eq!(stores.audit.prune(&first).await.unwrap(), 2);
    assert_eq!(stores.audit.chain("w", 0, 10).await.unwrap(), rows[2..]);
    assert_eq!(stores.audit.chain("other", 0, 10).await.unwrap(), other);
    assert_eq!(stores.audit.prunings().await.unwrap(), [first]);
    // The next one takes the place of the one before; heads stay, and the chain goes on.
    let whole = pruning_at(&rows[4]);
    assert_eq!(stores.audit.prune(&whole).await.unwrap(), 3);
    let of_other = pruning_at(&other[0]);
    assert_eq!(stores.audit.prune(&of_other).await.unwrap(), 1);
    assert_eq!(stores.audit.prunings().await.unwrap(), [of_other, whole]);
    assert_eq!(stores.audit.chain("w", 0, 10).await.unwrap(), []);
    assert_eq!(stores.audit.heads().await.unwrap().len(), 2);
    let next = [row("w", 6, 20)];
    append(&stores, &next).await;
    assert_eq!(stores.audit.chain("w", 0, 10).await.unwrap(), next);
}

pub(super) async fn pruning_at_a_row_that_is_not_there_is_refused_and_changes_nothing(
    stores: Stores,
) {
    let rows: Vec<_> = (1..=3).map(|seq| row("w", seq, 10)).collect();
    append(&stores, &rows).await;
    let done = pruning_at(&rows[0]);
    stores.audit.prune(&done).await.unwrap();
    let beyond = AuditPruning {
        seq: 4,
        ..pruning_at(&rows[2])
    };
    let of_nobody = AuditPruning {
        writer: "nobody".to_owned(),
        ..pruning_at(&rows[1])
    };
    let another_row = AuditPruning {
        mac: [9; 32],
        ..pruning_at(&rows[1])
    };
    for wrong in [beyond, of_nobody, another_row, done.clone()] {
        let error = stores.audit.prune(&wrong).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Corrupt, "{wrong:?}");
        assert_eq!(stores.audit.chain("w", 0, 10).await.unwrap(), rows[1..]);
        assert_eq!(
            stores.audit.prunings().await.unwrap(),
            std::slice::from_ref(&done)
        );
    }
}

pub(super) async fn of_concurrent_prunings_at_one_place_exactly_one_happens(stores: Stores) {
    let rows: Vec<_> = (1..=3).map(|seq| row("w", seq, 10)).collect();
    append(&stores, &rows).await;
    let pruning = pruning_at(&rows[1]);
    let outcomes = at_once(|_| {
        let (audit, pruning) = (Arc::clone(&stores.audit), pruning.clone());
        async move { audit.prune(&pruning).await }
    })
    .await;
    let happened = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(happened, 1, "{outcomes:?}");
    assert_eq!(stores.audit.chain("w", 0, 10).await.unwrap(), rows[2..]);
}
