//! What every backend owes, as stories that run against fresh stores.
//!
//! Two lists in [`store_contract!`](crate::store_contract) name every obligation: what a database alone
//! keeps, and what may be kept beside it. An obligation that both forget is dead code, which the build
//! refuses.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "this module is test code that other crates' tests call"
)]

mod announcements;
mod api_keys;
mod approvals;
mod audit;
mod authorization_keys;
mod budgets;
mod clients;
mod concurrency;
mod connections;
mod consents;
mod counters;
mod directory;
mod grants;
mod leases;
mod limits;
mod meta;
mod one_time;
mod pins;
mod replicas;
mod revocations;
mod servers;
mod sessions;
mod shared_tokens;
mod signing_keys;
mod usage;

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
                names_may_be_any_text
                a_key_is_replaced_as_it_was_seen_only
                of_many_replacements_of_one_key_exactly_one_is_stored
                a_revoked_key_is_not_replaced;
            directory:
                an_entry_comes_back_as_it_was_entered
                an_entry_is_changed_from_the_version_before_only
                of_many_changes_to_one_version_exactly_one_is_stored
                of_many_entries_of_one_name_exactly_one_is_stored
                a_name_is_free_when_its_entry_is_deleted
                pages_cover_every_standing_entry_of_a_kind_once_in_order
                the_feed_reports_in_order_and_resumes;
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
                a_chain_is_read_from_any_position
                pruning_takes_a_chains_beginning_and_leaves_the_rest
                pruning_at_a_row_that_is_not_there_is_refused_and_changes_nothing
                of_concurrent_prunings_at_one_place_exactly_one_happens;
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
            servers:
                a_server_comes_back_as_it_was_defined_in_order_of_names
                of_many_who_define_one_name_exactly_one_does
                of_many_who_define_there_are_never_more_than_the_room
                of_many_who_follow_one_state_of_a_server_exactly_one_replaces_it
                a_removal_is_a_change_and_takes_the_state_that_was_seen;
            signing_keys:
                keys_come_back_as_they_were_stored_in_order
                of_many_first_keys_exactly_one_is_stored
                of_many_successors_exactly_one_is_stored
                algorithms_follow_each_their_own
                a_kid_stands_for_one_key_only
                a_key_that_was_removed_is_gone;
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
            approvals:
                an_approval_comes_back_as_it_was_asked_for
                of_many_who_ask_for_the_same_exactly_one_asks
                what_is_over_or_used_is_asked_for_anew
                there_is_room_for_so_many_pending
                of_many_who_ask_there_are_never_more_than_the_room
                of_many_who_decide_exactly_one_does
                what_is_over_is_not_decided
                of_many_who_redeem_exactly_one_does
                what_nobody_decided_expires_once
                pages_list_the_latest_first
                purging_forgets_what_is_over_and_never_what_nobody_ended;
            budgets:
                what_is_reserved_is_spent_until_it_is_settled
                one_budget_that_is_exhausted_spends_none
                of_many_who_spend_at_once_none_spends_what_another_has
                of_many_who_settle_exactly_one_does
                a_period_is_counted_by_itself
                what_is_never_settled_stays_spent
                no_amount_is_too_great_to_be_counted;
            limits:
                limits_come_back_as_they_were_written
                of_many_who_follow_one_state_exactly_one_writes
                the_feed_reports_in_order_and_resumes;
            pins:
                a_pin_comes_back_as_it_was_written
                the_pinned_object_stays_until_another_is_written
                of_many_who_see_one_thing_first_exactly_one_pins_it
                one_that_is_late_hinders_no_other
                many_who_write_in_any_order_all_come_to_an_end
                the_feed_reports_in_order_and_resumes;
            usage:
                what_is_added_at_once_is_all_there
                sums_are_of_the_time_that_is_asked_about
                what_somebody_spent_is_told_of_them_alone
                purging_forgets_only_what_is_older;
        }
    };
    // What a store beside the database may keep too.
    (@beside $what:ident $argument:ident) => {
        $crate::store_contract! { @$what $argument
            one_time:
                of_many_who_redeem_exactly_one_gets_the_value
                of_many_who_put_exactly_one_keeps_its_value
                there_is_room_for_so_many_of_one_use
                of_many_who_put_there_are_never_more_than_the_room
                a_value_is_good_until_its_time_is_over
                a_value_is_unknown_to_other_uses
                looking_uses_nothing_and_sees_what_redeeming_would_give
                purging_forgets_only_what_is_over;
            counters:
                a_burst_passes_and_then_one_each_time_that_is_due
                the_wait_that_is_said_is_the_wait
                one_scope_that_may_not_keeps_all_from_counting
                of_many_at_once_exactly_as_many_pass_as_may
                nothing_passes_where_nothing_may
                a_rate_is_the_one_of_this_call
                a_clock_that_goes_back_locks_nobody_out_for_long
                purging_forgets_only_what_makes_no_difference;
            concurrency:
                of_many_at_once_exactly_as_many_are_seated_as_there_are_places
                one_scope_that_is_full_seats_nobody_anywhere
                a_place_is_free_when_it_is_given_back
                a_place_is_free_when_its_time_is_over
                a_place_that_is_prolonged_stays_taken
                purging_forgets_only_places_that_are_over;
            leases:
                of_many_holders_exactly_one_takes_a_lease
                a_holder_prolongs_and_another_waits
                only_its_holder_gives_a_lease_back;
            shared_tokens:
                a_token_is_there_until_its_time_is_over
                a_token_is_replaced_by_the_next
                only_the_token_that_was_meant_is_forgotten;
            announcements:
                what_is_announced_is_heard_by_all_who_listen
                a_topic_is_heard_by_those_alone_who_listen_to_it
                what_was_announced_before_is_not_heard;
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
    (@dispatch $called:ident $($suite:ident: $($name:ident)+;)+) => {
        /// Runs the obligation with this name, if it is in this list.
        async fn $called(obligation: &str, stores: Stores) -> Result<(), Stores> {
            $($(
                if obligation == concat!(stringify!($suite), "::", stringify!($name)) {
                    $suite::$name(stores).await;
                    return Ok(());
                }
            )+)+
            Err(stores)
        }
    };
    ($factory:ident where there is one) => {
        $crate::store_contract! { @list tests_where_there_is $factory }
        $crate::store_contract! { @beside tests_where_there_is $factory }
    };
    ($factory:ident beside the database, where there is one) => {
        $crate::store_contract! { @beside tests_where_there_is $factory }
    };
    ($factory:ident) => {
        $crate::store_contract! { @list tests $factory }
        $crate::store_contract! { @beside tests $factory }
    };
}

crate::store_contract! { @list dispatch of_the_database }
crate::store_contract! { @beside dispatch beside_the_database }

/// Runs the obligation with this name, e.g. `meta::an_absent_value_is_none`, and panics when the backend
/// does not meet it.
pub async fn check(obligation: &str, stores: Stores) {
    let Err(stores) = of_the_database(obligation, stores).await else {
        return;
    };
    let checked = beside_the_database(obligation, stores).await;
    assert!(checked.is_ok(), "no obligation is called {obligation}");
}

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
