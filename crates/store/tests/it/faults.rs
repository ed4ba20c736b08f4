//! PostgreSQL that goes away, falls silent or is cut off: the error says what is certain, and the store works again afterwards.

use domain::window::Period;
use domain::{AuditId, BudgetId, SpendScope, Timestamp};
use sqlx::AnyConnection;
use store::{Engine, PolicyVersion, PutPolicy, SpendLimit, SpendLimitAudit, Store, StoreError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::bed::{Bed, at, number};

fn limit() -> (SpendLimit, SpendLimitAudit) {
    let id = BudgetId::from_parts(6, number().into());
    let limit = SpendLimit {
        id,
        scope: SpendScope::Organization,
        period: Period::Daily,
        amount_cents: Some("1".to_owned()),
        pooled_json: None,
        created: at(0),
        updated: at(0),
    };
    let audit = SpendLimitAudit {
        id: AuditId::from_parts(0, number().into()),
        created: at(0),
        actor: "ada".to_owned(),
        action: "upsert".to_owned(),
        target: String::new(),
        before_json: None,
        after_json: None,
    };
    (limit, audit)
}

fn policy() -> PolicyVersion {
    PolicyVersion {
        version: 0,
        text: "text".to_owned(),
        author: "ada".to_owned(),
        reason: String::new(),
        created: at(0),
    }
}

/// Ends every other connection to this database that waits for a lock; returns once there was one.
async fn end_who_waits(beside: &mut AnyConnection) {
    let sql = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid() AND wait_event_type = 'Lock'";
    loop {
        let ended: i64 = sqlx::query_scalar(sql)
            .fetch_one(&mut *beside)
            .await
            .unwrap();
        if ended > 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_ends_us_within_a_transaction_has_written_nothing() {
    Bed::play(Engine::Postgres, |bed| async move {
        let mut beside = bed.beside().await;
        // The limit itself is written, then its audit entry waits for this lock.
        sqlx::raw_sql("BEGIN; LOCK TABLE spend_limit_audit")
            .execute(&mut beside)
            .await
            .unwrap();
        let writing = tokio::spawn({
            let bed = bed.clone();
            async move {
                let (limit, audit) = limit();
                bed.store
                    .set_spend_limit(bed.org, &limit, |_, _| audit)
                    .await
            }
        });
        end_who_waits(&mut beside).await;
        let error = writing.await.unwrap().unwrap_err();
        assert!(error.nothing_written(), "{error:?}");
        assert_eq!(
            error.to_string(),
            "the store cannot be reached or refused; nothing was written"
        );
        sqlx::raw_sql("ROLLBACK")
            .execute(&mut beside)
            .await
            .unwrap();
        assert_eq!(bed.store.spend_limits(bed.org).await.unwrap(), []);
        assert_eq!(bed.store.watermarks(bed.org).await.unwrap().spend_limits, 0);
        let (limit, audit) = limit();
        bed.store
            .set_spend_limit(bed.org, &limit, |_, _| audit)
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_of_the_server_the_store_works_again() {
    Bed::play(Engine::Postgres, |bed| async move {
        bed.store.ping().await.unwrap();
        let mut beside = bed.beside().await;
        sqlx::query(
            "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .execute(&mut beside)
        .await
        .unwrap();
        // Connections are tried before they are used, so not even the first call need fail.
        assert_eq!(
            bed.store.put_policy(bed.org, 0, &policy()).await.unwrap(),
            PutPolicy::Added(1)
        );
    })
    .await;
}

/// Where a connection through the door in between is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Nowhere,
    /// The commit does not reach the server.
    BeforeCommit,
    /// The commit reaches the server, its answer does not reach us.
    AfterCommit,
}

/// A door between the store and its server, which can be told to cut the next commit. Returns its address.
async fn door(server: String, cut: watch::Receiver<Cut>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(pass(client, server, cut.clone()));
        }
    });
    address
}

async fn pass(client: TcpStream, server: TcpStream, cut: watch::Receiver<Cut>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answers =
        tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from_client.read(&mut bytes).await {
        let bytes = &bytes[..length];
        let commits = bytes.windows(6).any(|part| part == b"COMMIT");
        match *cut.borrow() {
            Cut::BeforeCommit if commits => break,
            Cut::AfterCommit if commits => {
                answers.abort();
            }
            _ => {}
        }
        to_server.write_all(bytes).await.unwrap();
        if commits && *cut.borrow() == Cut::AfterCommit {
            break;
        }
    }
    answers.abort();
}

async fn through_a_door(bed: &Bed) -> (Store, watch::Sender<Cut>) {
    let (tell, cut) = watch::channel(Cut::Nowhere);
    let (before, rest) = bed.url.split_once('@').unwrap();
    let (server, database) = rest.split_once('/').unwrap();
    let address = door(server.to_owned(), cut).await;
    let store = Store::open(&format!("{before}@{address}/{database}"))
        .await
        .unwrap();
    (store, tell)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_said_to_be_uncertain() {
    Bed::play(Engine::Postgres, |bed| async move {
        let (store, cut) = through_a_door(&bed).await;
        for (place, expected) in [(Cut::BeforeCommit, 0), (Cut::AfterCommit, 0)] {
            cut.send_replace(place);
            let error = store
                .put_policy(bed.org, expected, &policy())
                .await
                .unwrap_err();
            assert!(
                matches!(error, StoreError::Uncertain(_)) && !error.nothing_written(),
                "{error:?}"
            );
            cut.send_replace(Cut::Nowhere);
        }
        // One of the two was written; the server may still be at it when we look, which the counter's lock makes us wait for.
        let (limit, audit) = limit();
        store
            .set_spend_limit(bed.org, &limit, |_, _| audit)
            .await
            .unwrap();
        assert_eq!(
            store.put_policy(bed.org, 0, &policy()).await.unwrap(),
            PutPolicy::Conflict(1)
        );
        store.close().await;
    })
    .await;
}

/// With time that jumps to the next thing to wait for, so that nobody waits for the limits.
#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_and_says_nothing_is_given_up_on() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let error = Store::open(&format!("postgres://doorward@{address}/x"))
        .await
        .unwrap_err();
    assert!(error.nothing_written(), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_without_the_password() {
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let error = Store::open(&format!("postgres://doorward:hunter2@{free}/x"))
        .await
        .unwrap_err();
    let mut said = format!("{error} {error:?}");
    assert!(said.contains(&free.to_string()), "{said}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        said += &error.to_string();
        cause = error.source();
    }
    assert!(
        matches!(error, StoreError::Unreachable(..)) && !said.contains("hunter2"),
        "{said}"
    );
}

/// A value that was to be stored, or a token's hash, has no place in a log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_the_database_does_not_repeat_what_was_to_be_stored() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        Bed::play(engine, |bed| async move {
            let expires = Timestamp::from_unix_ms(i64::MAX);
            let keep = || {
                bed.store
                    .insert_login_state(bed.org, "hash-4711", "{\"secret\":1}", expires)
            };
            keep().await.unwrap();
            let error = keep().await.unwrap_err();
            let said = format!(
                "{error} {error:?} {}",
                std::error::Error::source(&error).unwrap()
            );
            assert!(!said.contains("4711") && !said.contains("secret"), "{said}");
        })
        .await;
    }
}
