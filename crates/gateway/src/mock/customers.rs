//! The customers of the support desk.

use serde::Serialize;

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Customer {
    #[serde(rename = "customer_id")]
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) email: &'static str,
    pub(super) account_status: &'static str,
    pub(super) tier: &'static str,
    #[serde(rename = "customer_since")]
    pub(super) since: &'static str,
    pub(super) last_activity: &'static str,
    pub(super) open_tickets: u32,
}

/// Most recently active first.
pub(super) const CUSTOMERS: [Customer; 6] = [
    Customer {
        id: "JOHNDOE123",
        name: "John Doe",
        email: "john.doe@example.com",
        account_status: "active",
        tier: "premium",
        since: "2021-03-15",
        last_activity: "2026-11-20",
        open_tickets: 1,
    },
    Customer {
        id: "CUST67890",
        name: "Maria Alvarez",
        email: "maria.alvarez@example.com",
        account_status: "active",
        tier: "standard",
        since: "2023-09-02",
        last_activity: "2026-11-19",
        open_tickets: 0,
    },
    Customer {
        id: "CUST12345",
        name: "Priya Natarajan",
        email: "priya.n@example.org",
        account_status: "active",
        tier: "premium",
        since: "2019-06-30",
        last_activity: "2026-11-17",
        open_tickets: 2,
    },
    Customer {
        id: "CUST24680",
        name: "Søren Lindqvist",
        email: "soren@example.net",
        account_status: "suspended",
        tier: "standard",
        since: "2022-01-11",
        last_activity: "2026-11-02",
        open_tickets: 3,
    },
    Customer {
        id: "CUST13579",
        name: "Aiko Tanaka",
        email: "aiko.tanaka@example.com",
        account_status: "active",
        tier: "standard",
        since: "2024-04-23",
        last_activity: "2026-10-28",
        open_tickets: 0,
    },
    Customer {
        id: "CUST11111",
        name: "Kwame Mensah",
        email: "kwame@example.org",
        account_status: "closed",
        tier: "standard",
        since: "2018-12-05",
        last_activity: "2026-08-14",
        open_tickets: 0,
    },
];

pub(super) fn find(id: &str) -> Option<&'static Customer> {
    CUSTOMERS.iter().find(|customer| customer.id == id)
}
