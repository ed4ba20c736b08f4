//! Opening: many may migrate at once, a newer or foreign schema is refused and left alone, and the file is its owner's.

use std::process::Stdio;

use domain::ServiceId;
use sqlx::Connection as _;
use store::{Engine, Store, StoreError};

use crate::bed::{Bed, on_both_engines};

/// The name under which a process that a test starts finds the database it shall open.
const OPEN: &str = "DOORWARD_TEST_OPEN";

async fn alter(bed: &Bed, sql: &'static str) {
    let mut beside = bed.beside().await;
    sqlx::raw_sql(sql).execute(&mut beside).await.unwrap();
    beside.close().await.unwrap();
}

/// The newest schema that the program knows.
async fn known(bed: &Bed) -> i64 {
    let (looking, schema) = Store::look(&bed.url).await.unwrap();
    looking.close().await;
    schema.known
}

/// As it was before anyone opened it.
async fn empty(bed: &Bed) {
    bed.store.close().await;
    if bed.store.engine() == Engine::Sqlite {
        let path = bed.url.strip_prefix("sqlite:").unwrap();
        std::fs::remove_file(path).unwrap();
    } else {
        alter(bed, "DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
    }
}

/// As it was when these were all the migrations there were.
async fn as_it_was(bed: &Bed, migrations: &[&'static str]) {
    let mut beside = bed.beside().await;
    let history = sqlx::query_as("SELECT number, checksum FROM migrations ORDER BY number");
    let history: Vec<(i64, String)> = history.fetch_all(&mut beside).await.unwrap();
    beside.close().await.unwrap();
    empty(bed).await;
    if bed.store.engine() == Engine::Sqlite {
        std::fs::write(bed.url.strip_prefix("sqlite:").unwrap(), []).unwrap();
    }
    alter(
        bed,
        "CREATE TABLE migrations (number BIGINT PRIMARY KEY, checksum TEXT NOT NULL)",
    )
    .await;
    let mut beside = bed.beside().await;
    for (sql, (number, checksum)) in migrations.iter().copied().zip(history) {
        sqlx::raw_sql(sql).execute(&mut beside).await.unwrap();
        let applied = format!("INSERT INTO migrations VALUES ({number}, '{checksum}')");
        let applied = sqlx::raw_sql(sqlx::AssertSqlSafe(applied));
        applied.execute(&mut beside).await.unwrap();
    }
    beside.close().await.unwrap();
}

on_both_engines! {
    async fn opening_again_changes_nothing(bed) {
        let person = bed.person("tid/oid").await;
        let again = bed.replica().await;
        assert_eq!(again.person(bed.org, person.id).await.unwrap(), Some(person));
        again.close().await;
        assert_eq!(bed.count("SELECT COUNT(*) FROM migrations").await, known(&bed).await);
    }

    async fn a_newer_schema_is_refused_by_name_and_left_alone(bed) {
        let newest = known(&bed).await;
        alter(&bed, "INSERT INTO migrations (number, checksum) VALUES (900, 'x'), (999, 'y')").await;
        let refused = Store::open(&bed.url).await.unwrap_err();
        assert!(matches!(refused, StoreError::NewerSchema { found: 999, known } if known == newest), "{refused}");
        let sentence = format!("the store has schema 999, newer than {newest}, the newest this version knows; run the newer version");
        assert_eq!(refused.to_string(), sentence);
        assert_eq!(bed.count("SELECT COUNT(*) FROM migrations").await, newest + 2);
    }

    /// What looks beside a running server must not be able to change anything, not even by mistake.
    async fn whoever_only_looks_reads_everything_and_changes_nothing(bed) {
        let (looking, schema) = Store::look(&bed.url).await.unwrap();
        assert_eq!(schema.found, schema.known);
        assert_eq!(looking.org_named("acme").await.unwrap(), Some(bed.org));
        assert_eq!(looking.org_named("nobody").await.unwrap(), None);
        let person = bed.person("tid/oid").await;
        assert_eq!(looking.person(bed.org, person.id).await.unwrap().as_ref(), Some(&person));
        let refused = looking.shut_out(bed.org, person.id, crate::bed::at(1), "left").await;
        assert!(refused.unwrap_err().nothing_written());
        assert_eq!(bed.person("tid/oid").await.out_since(), None);
        looking.close().await;
    }

    async fn looking_migrates_nothing_and_says_how_far_the_schema_is(bed) {
        let newest = known(&bed).await;
        alter(&bed, "DELETE FROM migrations WHERE number = (SELECT MAX(number) FROM migrations)").await;
        let (looking, schema) = Store::look(&bed.url).await.unwrap();
        assert_eq!((schema.found, schema.known), (newest - 1, newest));
        looking.close().await;
        alter(&bed, "DROP TABLE migrations").await;
        let (looking, schema) = Store::look(&bed.url).await.unwrap();
        assert_eq!(schema.found, 0);
        looking.close().await;
        let mut beside = bed.beside().await;
        assert!(sqlx::query("SELECT 1 FROM migrations").execute(&mut beside).await.is_err());
        beside.close().await.unwrap();
    }

    async fn a_history_that_is_not_ours_is_refused(bed) {
        alter(&bed, "UPDATE migrations SET checksum = 'x'").await;
        let refused = Store::open(&bed.url).await.unwrap_err();
        assert!(matches!(refused, StoreError::ChangedMigration(1)), "{refused}");
        let refused = Store::look(&bed.url).await.unwrap_err();
        assert!(matches!(refused, StoreError::ChangedMigration(1)), "{refused}");
    }

    /// The database was filled by someone else; what is there must not be touched.
    async fn a_migration_that_fails_leaves_nothing_behind(bed) {
        bed.store.close().await;
        alter(&bed, "DROP TABLE migrations; DROP TABLE spending").await;
        let refused = Store::open(&bed.url).await.unwrap_err();
        assert!(matches!(refused, StoreError::Database(_)), "{refused}");
        let mut beside = bed.beside().await;
        for table in ["migrations", "spending"] {
            let sql = format!("SELECT COUNT(*) FROM {table}");
            let there = sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut beside).await;
            assert!(there.is_err(), "{table} was made");
        }
        beside.close().await.unwrap();
    }

    /// What the schema before the third migration held, with services by name alone.
    async fn services_from_before_are_taken_over_by_the_first_issuer_that_names_them(bed) {
        let (key, token) = (ServiceId::from_parts(5, 1), ServiceId::from_parts(5, 2));
        let org = bed.org;
        as_it_was(&bed, &[
            include_str!("../../migrations/0001_spine.sql"),
            include_str!("../../migrations/0002_service_keys.sql"),
        ]).await;
        let mut beside = bed.beside().await;
        for sql in [
            format!("INSERT INTO orgs VALUES ('{org}', 'acme')"),
            format!("INSERT INTO services VALUES ('{key}', '{org}', 'nightly', 1), ('{token}', '{org}', 'ci', 1)"),
            format!("INSERT INTO service_keys (key_hash, org, service, prefix, created) VALUES ('h', '{org}', '{key}', 'dwk_', 1)"),
        ] {
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut beside).await.unwrap();
        }
        beside.close().await.unwrap();
        let bed = Bed { store: Store::open(&bed.url).await.unwrap(), ..bed };
        let kept = bed.store.service_key(org, "h").await.unwrap().unwrap();
        assert_eq!((kept.service, kept.service_name.as_str()), (key, "nightly"));
        assert_eq!(bed.service_of("doorward", "nightly").await, key);
        assert_ne!(bed.service_of("github", "nightly").await, key);
        assert_eq!(bed.service_of("gitlab", "ci").await, token, "the first that names it");
        assert_ne!(bed.service_of("github", "ci").await, token);
        assert_eq!(bed.service_of("gitlab", "ci").await, token);
        bed.store.close().await;
    }

    async fn processes_that_start_at_once_on_an_empty_store_all_come_up(bed) {
        empty(&bed).await;
        let mut processes = Vec::new();
        for _ in 0..4 {
            let this = std::env::current_exe().unwrap();
            let mut command = tokio::process::Command::new(this);
            command
                .args(["--exact", "migrations::a_store_opens_and_answers"])
                .env(OPEN, &bed.url)
                .stdout(Stdio::piped());
            processes.push(command.spawn().unwrap());
        }
        for process in processes {
            let end = process.wait_with_output().await.unwrap();
            let said = String::from_utf8(end.stdout).unwrap();
            assert!(end.status.success() && said.contains("1 passed"), "{said}");
        }
        assert_eq!(bed.count("SELECT COUNT(*) FROM migrations").await, known(&bed).await);
    }
}

/// Also what the processes do that another test starts.
#[tokio::test]
async fn a_store_opens_and_answers() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the starting test names the database"
    )]
    let given = std::env::var(OPEN);
    let folder = tempfile::tempdir().unwrap();
    let own = format!("sqlite:{}", folder.path().join("store.db").display());
    let store = Store::open(&given.unwrap_or(own)).await.unwrap();
    store.ping().await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn an_address_that_names_no_lasting_database_is_refused() {
    for address in [
        "",
        "mysql://x",
        "sqlite",
        "sqlite:",
        "sqlite::memory:",
        "sqlite:x?mode=memory",
        "/tmp/x",
    ] {
        let refused = Store::open(address).await.unwrap_err();
        assert!(
            matches!(refused, StoreError::Address),
            "{address}: {refused}"
        );
    }
    let nowhere = Store::open("sqlite:/nowhere/at/all/store.db")
        .await
        .unwrap_err();
    assert!(matches!(nowhere, StoreError::File(..)), "{nowhere}");
}

#[tokio::test]
async fn looking_makes_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let refused = Store::look(&format!("sqlite:{}", path.display())).await;
    assert!(matches!(refused.unwrap_err(), StoreError::File(..)));
    assert!(!path.exists());
}

#[tokio::test]
async fn any_file_name_is_a_file_name() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a b.db", "50%20off.db", "ü#1.db"] {
        let path = folder.path().join(name);
        let store = Store::open(&format!("sqlite:{}", path.display()))
            .await
            .unwrap();
        store.close().await;
        assert!(path.metadata().unwrap().len() > 0, "{name}");
    }
    // The stores and, at most, their companions: no file under another name.
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            ["a b.db", "50%20off.db", "ü#1.db"]
                .iter()
                .any(|known| name.starts_with(known)),
            "{name}"
        );
    }
}

/// The store holds names, addresses and sealed secrets; other accounts of the machine have no business with it.
#[cfg(unix)]
#[tokio::test]
async fn the_file_and_its_companions_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Store::open(&format!("sqlite:{}", path.display()))
        .await
        .unwrap();
    let mut files = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", entry.path().display());
        files += 1;
    }
    assert_eq!(files, 3, "the database, its log and its index");
    store.close().await;
}

#[tokio::test]
async fn sqlite_is_set_to_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Store::open(&format!("sqlite:{}", path.display()))
        .await
        .unwrap();
    let mut beside = sqlx::AnyConnection::connect(&format!("sqlite://{}", path.display()))
        .await
        .unwrap();
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(&mut beside)
        .await
        .unwrap();
    assert_eq!(mode, "wal");
    beside.close().await.unwrap();
    store.close().await;
}
