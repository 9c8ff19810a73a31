//! What every backend owes, as stories that run against fresh stores.
//!
//! One list in [`store_contract!`](crate::store_contract) names every obligation; an obligation that
//! the list forgets is dead code, which the build refuses.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "this module is test code that other crates' tests call"
)]

mod api_keys;
mod audit;
mod authorization_keys;
mod clients;
mod connections;
mod consents;
mod grants;
mod leases;
mod meta;
mod one_time;
mod replicas;
mod revocations;
mod sessions;
mod signing_keys;

use std::future::Future;
use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::Stores;

pub use api_keys::plain_key;
pub use revocations::plain_revocation;

/// Instantiates every obligation as a test of its own.
///
/// The argument names an async function in scope that returns fresh, empty [`Stores`] and a value
/// that is kept alive for as long as they are used. Needs `tokio` with `macros` and
/// `rt-multi-thread`.
#[macro_export]
macro_rules! store_contract {
    (@list $what:ident $argument:ident) => {
        $crate::store_contract! { @$what $argument
            api_keys:
                a_key_comes_back_as_it_was_stored
                a_key_with_nothing_optional_comes_back_as_it_was_stored
                of_many_inserts_of_one_id_exactly_one_is_stored
                of_many_inserts_of_one_mac_exactly_one_is_stored
                of_many_inserts_of_one_alias_exactly_one_is_stored
                a_refused_insert_changes_nothing
                keys_without_alias_do_not_collide
                an_unknown_key_is_none
                the_first_revocation_wins
                concurrent_revocations_agree
                pages_cover_every_key_once_in_order
                a_page_limit_is_at_least_one
                the_change_feed_reports_in_order_and_resumes
                a_reader_of_the_change_feed_misses_no_concurrent_insert
                names_may_be_any_text;
            audit:
                rows_come_back_as_they_were_appended
                a_gap_is_refused_and_changes_nothing
                a_repeated_append_is_refused
                rows_of_another_writer_are_refused
                a_head_that_is_not_the_last_row_is_refused
                an_empty_append_is_refused
                of_concurrent_appends_at_one_position_exactly_one_is_stored
                writers_do_not_disturb_each_other
                heads_are_listed_by_writer
                listing_is_ordered_by_time_and_pages_cover_everything
                filters_combine
                the_latest_rows_come_newest_first
                a_foreign_cursor_is_refused
                a_chain_is_read_from_any_position;
            sessions:
                a_terminated_session_stays_terminated
                many_terminations_of_one_session_are_one_change
                the_feed_reports_in_order_and_resumes
                purging_forgets_only_the_expired
                numbers_are_not_used_again_after_a_purge;
            meta:
                an_absent_value_is_none
                of_many_first_writers_all_get_the_same_answer
                a_value_is_replaced_as_a_whole
                names_and_values_may_be_anything;
            revocations:
                every_kind_of_entry_comes_back_as_it_was_stored
                of_many_adds_of_one_id_exactly_one_is_stored
                two_entries_may_refuse_the_same
                the_first_lift_wins_and_is_told_to_readers
                only_what_still_refuses_is_listed
                pages_cover_every_entry_once_in_order
                the_feed_reports_in_order_and_resumes
                purging_forgets_what_is_over_and_what_was_lifted_long_ago;
            signing_keys:
                keys_come_back_as_they_were_stored_in_order
                of_many_first_keys_exactly_one_is_stored
                of_many_successors_exactly_one_is_stored
                algorithms_follow_each_their_own
                a_kid_stands_for_one_key_only
                a_key_that_was_removed_is_gone;
            one_time:
                of_many_who_redeem_exactly_one_gets_the_value
                of_many_who_put_exactly_one_keeps_its_value
                there_is_room_for_so_many_of_one_use
                of_many_who_put_there_are_never_more_than_the_room
                a_value_is_good_until_its_time_is_over
                a_value_is_unknown_to_other_uses
                looking_uses_nothing_and_sees_what_redeeming_would_give
                purging_forgets_only_what_is_over;
            clients:
                a_client_comes_back_as_it_was_registered
                who_was_never_used_makes_room_the_oldest_first
                however_many_register_there_are_no_more_than_there_is_room_for
                who_was_not_used_for_long_is_forgotten;
            grants:
                a_grant_comes_back_as_it_was_opened
                a_principals_standing_grants_are_listed_oldest_first
                a_grant_ends_once_and_is_never_begun_again
                a_refresh_token_is_replaced_by_its_successor
                of_many_who_rotate_one_token_exactly_one_wins
                a_token_is_good_until_its_time_or_its_grants_is_over
                purging_forgets_what_is_over_with_its_tokens;
            authorization_keys:
                keys_for_tokens_are_not_those_for_upstream_servers;
            leases:
                of_many_holders_exactly_one_takes_a_lease
                a_holder_prolongs_and_another_waits
                only_its_holder_gives_a_lease_back;
            consents:
                a_consent_stands_until_its_time_is_over
                a_consent_given_again_is_as_it_was_given_last
                a_principals_consents_are_listed_latest_first
                a_withdrawal_takes_all_of_one_client_and_nothing_else
                purging_forgets_only_what_is_over
                an_id_token_is_there_until_it_ends_or_is_forgotten;
            connections:
                a_connection_is_at_the_place_of_its_person_and_server
                what_makes_room_is_told_exactly_once
                every_place_is_listed_once_in_order
                what_was_changed_since_it_was_seen_stays
                of_many_who_follow_one_state_exactly_one_replaces_it
                what_was_removed_or_made_anew_is_not_followed
                of_many_who_register_a_client_all_get_the_same
                a_client_is_known_at_its_issuer_for_its_address_only;
            replicas:
                a_replica_runs_until_it_is_silent_for_too_long
                a_replica_that_leaves_runs_no_more
                purging_forgets_only_replicas_that_are_gone
                a_session_is_found_as_it_was_put_last
                of_many_who_take_a_session_exactly_one_does
                a_state_that_is_not_there_is_not_followed
                purging_forgets_only_sessions_that_are_over;
        }
    };
    (@tests $factory:ident $($suite:ident: $($name:ident)+;)+) => {
        $(mod $suite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let (stores, _alive) = super::$factory().await;
                    let obligation = concat!(stringify!($suite), "::", stringify!($name));
                    $crate::contract::check(obligation, stores).await;
                }
            )+
        })+
    };
    (@tests_where_there_is $factory:ident $($suite:ident: $($name:ident)+;)+) => {
        $(mod $suite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    if let Some((stores, _alive)) = super::$factory().await {
                        let obligation = concat!(stringify!($suite), "::", stringify!($name));
                        $crate::contract::check(obligation, stores).await;
                    }
                }
            )+
        })+
    };
    (@dispatch $stores:ident $($suite:ident: $($name:ident)+;)+) => {
        /// Runs the obligation with this name, e.g. `meta::an_absent_value_is_none`, and panics
        /// when the backend does not meet it.
        pub async fn check(obligation: &str, $stores: Stores) {
            $($(
                if obligation == concat!(stringify!($suite), "::", stringify!($name)) {
                    return $suite::$name($stores).await;
                }
            )+)+
            panic!("no obligation is called {obligation}");
        }
    };
    ($factory:ident where there is one) => {
        $crate::store_contract! { @list tests_where_there_is $factory }
    };
    ($factory:ident) => {
        $crate::store_contract! { @list tests $factory }
    };
}

crate::store_contract! { @list dispatch stores }

/// How many tasks compete in the concurrent obligations.
const CONTENDERS: usize = 16;

/// Runs `attempt` in many tasks that start together, and returns what each got.
async fn at_once<F, T>(attempt: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let start = Arc::new(Barrier::new(CONTENDERS));
    let mut tasks = JoinSet::new();
    for number in 0..CONTENDERS {
        let (start, attempt) = (Arc::clone(&start), attempt(number));
        tasks.spawn(async move {
            start.wait().await;
            attempt.await
        });
    }
    tasks.join_all().await
}
