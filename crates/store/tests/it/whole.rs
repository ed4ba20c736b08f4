//! Every row, read at one moment beside a writer, and put into an empty database of either engine.

use domain::{OrgId, SessionId};
use store::whole::{Column, Kind, Loading, Snapshot, Table, Value};
use store::{Engine, Session, Store, StoreError};

use crate::bed::{Bed, Place, at, number, on_both_engines, service_key};

type Rows = Vec<(Table, Vec<Vec<Value>>)>;

/// Something in most tables, of every kind of value.
async fn fill(bed: &Bed) {
    let ada = bed.person("tid/oid").await;
    bed.session(&ada, "token").await;
    bed.store.keep_secret("key", &[0, 255, 10]).await.unwrap();
    let key = service_key("nightly", "h", 0);
    bed.store.add_service_key(bed.org, &key).await.unwrap();
    let spent = "INSERT INTO spending (org, purse, period, window_start, chain, spent_nanos) VALUES ('x', 'ü \"\n', 'day', 1, 'c', 9007199254740993)";
    let mut beside = bed.beside().await;
    sqlx::query(spent).execute(&mut beside).await.unwrap();
    sqlx::Connection::close(beside).await.unwrap();
    for count in 0..450 {
        bed.store
            .ensure_org(
                &format!("org {count}"),
                OrgId::from_parts(8, number().into()),
            )
            .await
            .unwrap();
    }
}

async fn read(url: &str) -> Rows {
    let mut snapshot = Snapshot::take(url).await.unwrap();
    let rows = rows_of(&mut snapshot).await;
    snapshot.close().await;
    rows
}

async fn rows_of(snapshot: &mut Snapshot) -> Rows {
    let mut all = Vec::new();
    for (index, table) in snapshot.tables().to_vec().into_iter().enumerate() {
        let mut reading = snapshot.read(index).await.unwrap();
        let mut rows = Vec::new();
        loop {
            let more = reading.next().await.unwrap();
            if more.is_empty() {
                break;
            }
            rows.extend(more);
        }
        rows.sort_by_key(|row| format!("{row:?}"));
        all.push((table, rows));
    }
    all
}

async fn load(url: &str, rows: &Rows) -> Loading {
    let mut loading = Loading::begin(url, schema().await).await.unwrap();
    for (table, rows) in rows {
        // columns may come in any order
        let columns: Vec<Column> = table.columns.iter().rev().cloned().collect();
        let rows: Vec<Vec<Value>> = rows
            .iter()
            .map(|row| row.iter().rev().cloned().collect())
            .collect();
        loading.put(&table.name, &columns, &rows).await.unwrap();
    }
    loading
}

async fn schema() -> i64 {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let store = Store::open(&url).await.unwrap();
    let (looking, schema) = Store::look(&url).await.unwrap();
    looking.close().await;
    store.close().await;
    schema.known
}

fn without_order(mut rows: Rows) -> Vec<(String, Vec<Column>, Vec<Vec<Value>>)> {
    let mut tables = Vec::new();
    for (table, rows) in &mut rows {
        let mut columns: Vec<(usize, Column)> = table.columns.iter().cloned().enumerate().collect();
        columns.sort_by(|one, other| one.1.name.cmp(&other.1.name));
        let mut sorted: Vec<Vec<Value>> = rows
            .iter()
            .map(|row| columns.iter().map(|(at, _)| row[*at].clone()).collect())
            .collect();
        sorted.sort_by_key(|row| format!("{row:?}"));
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        tables.push((table.name.clone(), columns, sorted));
    }
    tables.sort_by(|one, other| one.0.cmp(&other.0));
    tables
}

on_both_engines! {
    /// Each engine's rows into each engine, which covers all four ways.
    async fn every_row_goes_into_an_empty_database_of_either_engine(bed) {
        fill(&bed).await;
        let before = read(&bed.url).await;
        assert!(before.iter().map(|(_, rows)| rows.len()).sum::<usize>() > 450);
        for engine in [Engine::Sqlite, Engine::Postgres] {
            let place = Place::make(engine).await;
            load(&place.url, &before).await.commit().await.unwrap();
            let after = read(&place.url).await;
            assert_eq!(without_order(after), without_order(before.clone()), "{engine:?}");
            // what was taken off for loading is there again
            let store = Store::open(&place.url).await.unwrap();
            assert_eq!(store.org_named("acme").await.unwrap(), Some(bed.org));
            let nobody = domain::PersonId::from_parts(1, 1);
            let orphan = Session { id: SessionId::from_parts(1, 1), person: nobody, client: String::new(), created: at(0), ended_at: None };
            assert!(store.create_session(bed.org, &orphan, "t", at(1)).await.is_err(), "{engine:?}");
            store.close().await;
            place.remove().await;
        }
    }

    async fn what_is_written_after_the_look_is_not_in_it(bed) {
        let mut snapshot = Snapshot::take(&bed.url).await.unwrap();
        bed.person("later").await;
        let people = rows_of(&mut snapshot).await.into_iter().find(|(table, _)| table.name == "people").unwrap();
        assert_eq!(people.1.len(), 0);
        snapshot.close().await;
        let people = read(&bed.url).await.into_iter().find(|(table, _)| table.name == "people").unwrap();
        assert_eq!(people.1.len(), 1);
    }

    async fn a_database_that_holds_a_row_is_not_filled(bed) {
        let refused = Loading::begin(&bed.url, schema().await).await.unwrap_err();
        assert!(matches!(&refused, StoreError::NotEmpty(table) if table == "orgs"), "{refused}");
        assert_eq!(bed.store.org_named("acme").await.unwrap(), Some(bed.org));
    }

    async fn a_load_that_is_not_committed_leaves_an_empty_place_that_takes_another(bed) {
        fill(&bed).await;
        let rows = read(&bed.url).await;
        let place = Place::make(bed.store.engine()).await;
        load(&place.url, &rows).await.undo().await;
        let again = load(&place.url, &rows).await;
        drop(again);
        assert!(read(&place.url).await.iter().all(|(_, rows)| rows.is_empty()));
        place.remove().await;
    }

    async fn nobody_is_signed_in_afterwards(bed) {
        fill(&bed).await;
        let ada = bed.person("tid/oid").await;
        let token = format!(
            "INSERT INTO personal_tokens (id, org, person, token_hash, prefix, name, scopes_json, created, expires) \
             VALUES ('t', '{}', '{}', 'h', 'dwp_', 'mine', '[]', 1, {})",
            bed.org, ada.id, at(1_000).unix_ms()
        );
        let directory = format!(
            "INSERT INTO scim_tokens (id, token_hash, org, issuer, tenant, name, prefix, made_by, created) \
             VALUES ('d', 'h', '{}', 'entra', '', 'mine', 'dws_', 'ada', 1)",
            bed.org
        );
        let console = Session {
            id: SessionId::from_parts(4, number().into()),
            person: ada.id,
            client: "Console".to_owned(),
            created: at(0),
            ended_at: None,
        };
        let begun = bed.store.begin_console_session(bed.org, &console, "cookie", at(0)).await;
        begun.unwrap().unwrap().keep().await.unwrap();
        let mut beside = bed.beside().await;
        for sql in [token, directory] {
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut beside).await.unwrap();
        }
        sqlx::Connection::close(beside).await.unwrap();
        let rows = read(&bed.url).await;
        let place = Place::make(bed.store.engine()).await;
        let mut loading = load(&place.url, &rows).await;
        let ended = loading.end_sign_ins(at(500), "restored").await.unwrap();
        assert_eq!((ended.sessions, ended.refresh_tokens, ended.personal_tokens), (2, 1, 1));
        assert_eq!(loading.end_keys(at(500)).await.unwrap(), (1, 1));
        assert_eq!(loading.forget_secrets().await.unwrap(), 1);
        loading.commit().await.unwrap();
        let store = Store::open(&place.url).await.unwrap();
        assert_eq!(store.person(bed.org, ada.id).await.unwrap().unwrap().not_before, at(500));
        assert!(store.service_key(bed.org, "h").await.unwrap().unwrap().revoked_at.is_some());
        assert_eq!(store.secret("key").await.unwrap(), None);
        assert_eq!(store.console_session(bed.org, "cookie").await.unwrap(), None);
        store.close().await;
        place.remove().await;
    }

    async fn rows_that_do_not_fit_are_refused(bed) {
        let place = Place::make(bed.store.engine()).await;
        let column = |name: &str, kind| Column { name: name.to_owned(), kind };
        let mut loading = Loading::begin(&place.url, schema().await).await.unwrap();
        let row = vec![vec![Value::Text("a".into()), Value::Text("b".into())]];
        for (table, columns) in [
            ("nothing", vec![column("id", Kind::Text), column("name", Kind::Text)]),
            ("orgs", vec![column("id", Kind::Text)]),
            ("orgs", vec![column("id", Kind::Text), column("nom", Kind::Text)]),
            ("orgs", vec![column("id", Kind::Text), column("name", Kind::Integer)]),
            ("orgs; DROP TABLE people", vec![column("id", Kind::Text), column("name", Kind::Text)]),
        ] {
            let refused = loading.put(table, &columns, &row).await.unwrap_err();
            assert!(matches!(refused, StoreError::OtherColumns(_)), "{refused}");
        }
        loading.undo().await;
        // a reference to what is not there
        let mut loading = Loading::begin(&place.url, schema().await).await.unwrap();
        let keys = loading.tables().iter().find(|table| table.name == "services").unwrap().clone();
        let row = keys.columns.iter().map(|column| match column.kind {
            Kind::Integer => Value::Integer(1),
            _ => Value::Text("nobody".into()),
        });
        let row = vec![row.collect()];
        loading.put("services", &keys.columns, &row).await.unwrap();
        assert!(loading.commit().await.is_err(), "an orphan was taken");
        assert!(read(&place.url).await.iter().all(|(_, rows)| rows.is_empty()));
        place.remove().await;
    }

    async fn an_older_schema_is_made_as_it_was_and_brought_up_to_date_on_opening(bed) {
        let place = Place::make(bed.store.engine()).await;
        let mut loading = Loading::begin(&place.url, 2).await.unwrap();
        let orgs = loading.tables().iter().find(|table| table.name == "orgs").unwrap().clone();
        let row = vec![vec![Value::Text(bed.org.to_string()), Value::Text("acme".into())]];
        loading.put("orgs", &orgs.columns, &row).await.unwrap();
        loading.commit().await.unwrap();
        let store = Store::open(&place.url).await.unwrap();
        assert_eq!(store.org_named("acme").await.unwrap(), Some(bed.org));
        store.close().await;
        let refused = Loading::begin(&place.url, 2).await.unwrap_err();
        assert!(matches!(refused, StoreError::NotEmpty(_)), "{refused}");
        place.remove().await;
    }

    async fn a_newer_schema_is_refused_before_anything_is_made(bed) {
        let place = Place::make(bed.store.engine()).await;
        let refused = Loading::begin(&place.url, schema().await + 1).await.unwrap_err();
        assert!(matches!(refused, StoreError::NewerSchema { .. }), "{refused}");
        place.remove().await;
    }
}
