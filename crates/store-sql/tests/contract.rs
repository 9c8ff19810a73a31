//! SQLite keeps every promise of the store traits, in a file and in memory; so does PostgreSQL.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use portcullis_store_sql::{Location, Settings, SqliteStores};

mod in_a_file {
    use super::{Location, Settings, SqliteStores};
    use portcullis_store::Stores;

    async fn fresh() -> (Stores, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::File(folder.path().join("portcullis.db"));
        let database = SqliteStores::open(&location, &Settings::default()).await;
        (database.unwrap().stores(), folder)
    }

    portcullis_store::store_contract!(fresh);
}

mod in_memory {
    use super::{Location, Settings, SqliteStores};
    use portcullis_store::Stores;

    async fn fresh() -> (Stores, SqliteStores) {
        let database = SqliteStores::open(&Location::InMemory, &Settings::default()).await;
        let database = database.unwrap();
        (database.stores(), database)
    }

    portcullis_store::store_contract!(fresh);
}

mod in_postgres {
    use portcullis_store::Stores;
    use portcullis_store_sql::PostgresStores;
    use portcullis_store_sql::testing::Schema;

    async fn fresh() -> Option<(Stores, (PostgresStores, Schema))> {
        let schema = Schema::migrated().await?;
        let database = schema.open().await;
        Some((database.stores(), (database, schema)))
    }

    portcullis_store::store_contract!(fresh where there is one);
}
