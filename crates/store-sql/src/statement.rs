//! One static text with its values, run on whichever database there is.

use std::borrow::Cow;

use sqlx::postgres::{PgArguments, PgQueryResult};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteQueryResult};
use sqlx::{Postgres, Sqlite};

use crate::database::{Pool, Row, Transaction};

/// A statement whose values are still to come: `$1` is bound first.
pub(crate) fn query<'q>(text: &'static str) -> Statement<'q> {
    Statement {
        text,
        values: Vec::with_capacity(8),
    }
}

/// A text and what is bound to it.
#[derive(Debug)]
pub(crate) struct Statement<'q> {
    text: &'static str,
    values: Vec<Value<'q>>,
}

/// What columns hold. An absent value keeps its type, which PostgreSQL asks for.
#[derive(Debug)]
pub(crate) enum Value<'q> {
    Number(Option<i64>),
    Text(Option<Cow<'q, str>>),
    Bytes(Option<&'q [u8]>),
}

/// How many rows a statement changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changed(u64);

impl Changed {
    pub(crate) const fn rows_affected(self) -> u64 {
        self.0
    }
}

impl From<SqliteQueryResult> for Changed {
    fn from(result: SqliteQueryResult) -> Self {
        Self(result.rows_affected())
    }
}

impl From<PgQueryResult> for Changed {
    fn from(result: PgQueryResult) -> Self {
        Self(result.rows_affected())
    }
}

/// Where a statement runs.
#[derive(Debug)]
pub(crate) enum Target<'t> {
    Pool(&'t Pool),
    Transaction(&'t mut Transaction),
}

impl<'t> From<&'t Pool> for Target<'t> {
    fn from(pool: &'t Pool) -> Self {
        Self::Pool(pool)
    }
}

impl<'t> From<&'t mut Transaction> for Target<'t> {
    fn from(transaction: &'t mut Transaction) -> Self {
        Self::Transaction(transaction)
    }
}

/// The same call on each kind of database; what a PostgreSQL server answers is waited for so long only.
macro_rules! run {
    ($statement:expr, $target:expr, $call:ident) => {
        match $target {
            Target::Pool(Pool::Sqlite(pool)) => $statement.sqlite().$call(pool).await.map(give),
            Target::Transaction(Transaction::Sqlite(open)) => {
                $statement.sqlite().$call(&mut **open).await.map(give)
            }
            Target::Pool(Pool::Postgres(pool)) => {
                let statement = $statement.postgres()?;
                let mut lent = pool.lend().await?;
                let (patience, connection) = lent.connection()?;
                let ended = tokio::time::timeout(patience, statement.$call(connection)).await;
                lent.settle(ended).map(give)
            }
            Target::Transaction(Transaction::Postgres(open)) => {
                let statement = $statement.postgres()?;
                let (patience, connection) = open.connection()?;
                let ended = tokio::time::timeout(patience, statement.$call(connection)).await;
                open.settle(ended).map(give)
            }
        }
    };
}

impl<'q> Statement<'q> {
    #[must_use]
    pub(crate) fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Binds a value that only some texts have a place for.
    #[must_use]
    pub(crate) fn with(self, value: Option<&'q str>) -> Self {
        match value {
            None => self,
            Some(value) => self.bind(value),
        }
    }

    pub(crate) async fn execute<'t>(
        self,
        target: impl Into<Target<'t>>,
    ) -> Result<Changed, sqlx::Error> {
        fn give(result: impl Into<Changed>) -> Changed {
            result.into()
        }
        run!(self, target.into(), execute)
    }

    pub(crate) async fn fetch_all<'t>(
        self,
        target: impl Into<Target<'t>>,
    ) -> Result<Vec<Row>, sqlx::Error> {
        fn give(rows: Vec<impl Into<Row>>) -> Vec<Row> {
            rows.into_iter().map(Into::into).collect()
        }
        let target = target.into();
        if self.finds_nothing(&target) {
            return Ok(Vec::new());
        }
        run!(self, target, fetch_all)
    }

    pub(crate) async fn fetch_optional<'t>(
        self,
        target: impl Into<Target<'t>>,
    ) -> Result<Option<Row>, sqlx::Error> {
        fn give(row: Option<impl Into<Row>>) -> Option<Row> {
            row.map(Into::into)
        }
        let target = target.into();
        if self.finds_nothing(&target) {
            return Ok(None);
        }
        run!(self, target, fetch_optional)
    }

    pub(crate) async fn fetch_one<'t>(
        self,
        target: impl Into<Target<'t>>,
    ) -> Result<Row, sqlx::Error> {
        let found = self.fetch_optional(target).await?;
        found.ok_or(sqlx::Error::RowNotFound)
    }

    /// PostgreSQL keeps no text with a NUL in it, so nothing that is read is about one.
    fn finds_nothing(&self, target: &Target<'_>) -> bool {
        let reading = matches!(target, Target::Pool(Pool::Postgres(pool)) if pool.only_reads());
        reading && self.has_nul()
    }

    fn has_nul(&self) -> bool {
        let with_nul =
            |value: &Value<'_>| matches!(value, Value::Text(Some(text)) if has_nul(text));
        self.values.iter().any(with_nul)
    }

    fn sqlite(self) -> Query<'static, Sqlite, SqliteArguments> {
        let bare = sqlx::query(self.text);
        self.values.iter().fold(bare, |query, value| match value {
            Value::Number(number) => query.bind(*number),
            Value::Text(text) => query.bind(text.as_deref()),
            Value::Bytes(bytes) => query.bind(*bytes),
        })
    }

    fn postgres(self) -> Result<Query<'static, Postgres, PgArguments>, sqlx::Error> {
        if self.has_nul() {
            return Err(sqlx::Error::Encode(Box::new(TextWithNul)));
        }
        let bare = sqlx::query(self.text);
        Ok(self.values.iter().fold(bare, |query, value| match value {
            Value::Number(number) => query.bind(*number),
            Value::Text(text) => query.bind(text.as_deref()),
            Value::Bytes(bytes) => query.bind(*bytes),
        }))
    }
}

/// What PostgreSQL cannot keep, and would refuse with the text in its answer.
#[derive(Debug, thiserror::Error)]
#[error("a text has a NUL character in it, which PostgreSQL does not keep")]
pub(crate) struct TextWithNul;

pub(crate) fn has_nul(text: &str) -> bool {
    text.as_bytes().contains(&0)
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Some(Cow::Owned(text)))
    }
}

impl<'q> From<&'q str> for Value<'q> {
    fn from(text: &'q str) -> Self {
        Self::Text(Some(Cow::Borrowed(text)))
    }
}

impl<'q> From<&'q String> for Value<'q> {
    fn from(text: &'q String) -> Self {
        Self::from(text.as_str())
    }
}

impl<'q> From<Option<&'q str>> for Value<'q> {
    fn from(text: Option<&'q str>) -> Self {
        Self::Text(text.map(Cow::Borrowed))
    }
}

impl<'q> From<&'q Option<String>> for Value<'q> {
    fn from(text: &'q Option<String>) -> Self {
        Self::from(text.as_deref())
    }
}

impl<'q> From<&'q [u8]> for Value<'q> {
    fn from(bytes: &'q [u8]) -> Self {
        Self::Bytes(Some(bytes))
    }
}

impl<'q> From<Option<&'q [u8]>> for Value<'q> {
    fn from(bytes: Option<&'q [u8]>) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'q> From<&'q Vec<u8>> for Value<'q> {
    fn from(bytes: &'q Vec<u8>) -> Self {
        Self::Bytes(Some(bytes))
    }
}
