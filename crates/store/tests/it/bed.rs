//! A fresh database for one scene, gone afterwards whether the scene held or not. PostgreSQL must be there: a run without it
//! would only seem to have tested both.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::{OrgId, PersonId, ServiceId, SessionId, Timestamp};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _};
use store::{Engine, Person, Seen, ServiceKey, Session, Store};

static NUMBER: AtomicU64 = AtomicU64::new(1);

/// A number that no other caller in this process gets.
pub(crate) fn number() -> u64 {
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// Noon of some day, plus so many milliseconds.
pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_795_262_400_000 + ms)
}

/// A key that is not kept yet, with a service id that only a new service gets.
pub(crate) fn service_key(service_name: &str, hash: &str, created_ms: i64) -> ServiceKey {
    ServiceKey {
        key_hash: hash.to_owned(),
        service: ServiceId::from_parts(5, number().into()),
        service_name: service_name.to_owned(),
        prefix: format!("dwk_{hash}"),
        groups: ["builders".to_owned(), "ops".to_owned()].into(),
        made_by: "ada".to_owned(),
        created: at(created_ms),
        expires: Some(at(100)),
        revoked_at: None,
        used_at: None,
    }
}

/// One scene's database, and an open store with one organisation in it.
#[derive(Debug, Clone)]
pub(crate) struct Bed {
    pub(crate) url: String,
    pub(crate) store: Store,
    pub(crate) org: OrgId,
}

impl Bed {
    /// Plays a scene on an engine.
    pub(crate) async fn play<F, S>(engine: Engine, scene: F)
    where
        F: FnOnce(Bed) -> S + Send + 'static,
        S: Future<Output = ()> + Send,
    {
        sqlx::any::install_default_drivers();
        let place = Place::make(engine).await;
        let url = place.url.clone();
        let played = tokio::spawn(async move {
            let store = Store::open(&url).await.unwrap();
            let org = OrgId::from_parts(1, number().into());
            let org = store.ensure_org("acme", org).await.unwrap();
            scene(Bed {
                url,
                store: store.clone(),
                org,
            })
            .await;
            store.close().await;
        })
        .await;
        place.remove().await;
        if let Err(failed) = played {
            std::panic::resume_unwind(failed.into_panic());
        }
    }

    /// Another replica's store on the same database.
    pub(crate) async fn replica(&self) -> Store {
        Store::open(&self.url).await.unwrap()
    }

    /// A connection beside the store, for looking and for making trouble.
    pub(crate) async fn beside(&self) -> AnyConnection {
        AnyConnection::connect(&self.url).await.unwrap()
    }

    /// A number out of the database, past the store.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        let mut connection = self.beside().await;
        let count = sqlx::query_scalar(sql)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        count
    }

    /// Makes a table of the program's own unreachable: an outage in the middle of what touches others before it.
    pub(crate) async fn take_away(&self, table: &str) {
        self.rename(table, &format!("{table}_away")).await;
    }

    /// So many programs that registered themselves and that nobody was let in through, past the store.
    pub(crate) async fn fill_oauth_clients(&self, count: i64) {
        let mut connection = self.beside().await;
        let sql = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
             INSERT INTO oauth_clients (client_id, org, name, redirect_uris, created) \
             SELECT 'flood' || i, '{}', 'x', '[]', i FROM n",
            self.org
        );
        let filled = sqlx::raw_sql(AssertSqlSafe(sql));
        filled.execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// The end of that outage.
    pub(crate) async fn bring_back(&self, table: &str) {
        self.rename(&format!("{table}_away"), table).await;
    }

    async fn rename(&self, from: &str, to: &str) {
        let mut connection = self.beside().await;
        let sql = format!("ALTER TABLE {from} RENAME TO {to}");
        let renamed = sqlx::raw_sql(AssertSqlSafe(sql));
        renamed.execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// A second organisation, to be kept apart from the first.
    pub(crate) async fn other_org(&self) -> OrgId {
        let new = OrgId::from_parts(2, number().into());
        self.store.ensure_org("globex", new).await.unwrap()
    }

    pub(crate) async fn person(&self, stable_id: &str) -> Person {
        self.person_of(self.org, stable_id).await
    }

    pub(crate) async fn person_of(&self, org: OrgId, stable_id: &str) -> Person {
        let seen = Seen {
            org,
            issuer: "entra",
            stable_id,
            email: Some("Ada@acme.example"),
            name: Some("Ada"),
            groups: &["engineers".to_owned()].into(),
            stated: at(0),
            made: at(0),
            at: at(0),
        };
        let new = PersonId::from_parts(3, number().into());
        self.store.upsert_person(seen, new).await.unwrap()
    }

    /// A service of the issuer `github`.
    pub(crate) async fn service(&self, name: &str) -> ServiceId {
        self.service_of("github", name).await
    }

    pub(crate) async fn service_of(&self, issuer: &str, name: &str) -> ServiceId {
        let new = ServiceId::from_parts(5, number().into());
        self.store
            .ensure_service(self.org, issuer, name, new, at(0))
            .await
            .unwrap()
    }

    /// An open session whose first refresh token has the hash `token` and lives for an hour.
    pub(crate) async fn session(&self, person: &Person, token: &str) -> SessionId {
        let session = Session {
            id: SessionId::from_parts(4, number().into()),
            person: person.id,
            client: "claude_code".to_owned(),
            created: at(0),
            ended_at: None,
        };
        self.store
            .create_session(person.org, &session, token, at(3_600_000))
            .await
            .unwrap();
        session.id
    }
}

/// Where a scene's database lies.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) url: String,
    server: Option<(String, String)>,
    _folder: Option<tempfile::TempDir>,
}

impl Place {
    /// A new and empty one.
    pub(crate) async fn make(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                Self {
                    url: format!("sqlite:{}", folder.path().join("store.db").display()),
                    server: None,
                    _folder: Some(folder),
                }
            }
            Engine::Postgres => {
                let server = postgres();
                let name = format!("store_{}_{}", std::process::id(), number());
                run_on(&server, format!("CREATE DATABASE {name}")).await;
                let (base, _) = server.rsplit_once('/').unwrap();
                Self {
                    url: format!("{base}/{name}"),
                    server: Some((server, name)),
                    _folder: None,
                }
            }
        }
    }

    pub(crate) async fn remove(self) {
        if let Some((server, name)) = self.server {
            run_on(&server, format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test run names its PostgreSQL in the environment"
)]
fn postgres() -> String {
    std::env::var("DOORWARD_TEST_POSTGRES").unwrap_or_else(|_| {
        panic!("no PostgreSQL to test on: run `cargo xtask test`, which starts one and names it in DOORWARD_TEST_POSTGRES")
    })
}

async fn run_on(server: &str, sql: String) {
    let mut connection = AnyConnection::connect(server).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

/// Declares scenes; each becomes one test per engine.
macro_rules! on_both_engines {
    ($($(#[doc = $doc:literal])* async fn $name:ident($bed:ident) $body:block)*) => {$(
        $(#[doc = $doc])*
        mod $name {
            #[allow(unused_imports, reason = "a scene takes what it needs of its file")]
            use super::*;

            async fn scene($bed: crate::bed::Bed) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                crate::bed::Bed::play(store::Engine::Sqlite, scene).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                crate::bed::Bed::play(store::Engine::Postgres, scene).await;
            }
        }
    )*};
}
pub(crate) use on_both_engines;
