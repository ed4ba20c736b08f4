//! Device sign-ins (RFC 8628). Codes are kept as hashes but for the short one that people compare; each is consumed once.

use domain::{OrgId, PersonId, SessionId, Timestamp, limits};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use crate::connection::Tx;
use crate::people::hold_person;
use crate::sessions::{Holder, insert_session};
use crate::{Result, Session, Store, StoreError, id, maybe_id, time};

/// A sign-in that a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCode {
    /// Hash of the code the client holds.
    pub device_hash: String,
    /// The code a person compares: `WDJK-MPRT`.
    pub user_code: String,
    /// What the client says it is.
    pub client: String,
    /// Where it asked from.
    pub address: String,
    /// When.
    pub created: Timestamp,
    /// Until when it is good.
    pub expires: Timestamp,
}

/// Where a sign-in stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceState {
    /// Nobody has answered.
    Pending,
    /// Somebody let it in.
    Approved,
    /// Somebody sent it away.
    Denied,
}

/// A client that asks, and what its session begins with should it be let in.
#[derive(Debug, Clone, Copy)]
pub struct DeviceAsk<'a> {
    /// The organisation.
    pub org: OrgId,
    /// Hash of the code it holds.
    pub device_hash: &'a str,
    /// Now.
    pub at: Timestamp,
    /// The program that asks.
    pub client: &'a str,
    /// Hash of the session's first refresh token.
    pub refresh_hash: &'a str,
    /// When that expires.
    pub refresh_expires: Timestamp,
}

/// What a client that asks is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DevicePoll {
    /// Ask again later.
    Pending,
    /// Ask less often; the interval has grown.
    SlowDown,
    /// Let in: the session has begun. Said once.
    Approved(Box<Holder>),
    /// Let in by somebody who has been shut out or signed out everywhere since the code was given. Said once.
    ShutOut,
    /// Sent away. Said once.
    Denied,
    /// Too late.
    Expired,
    /// No such code, or it was consumed.
    Unknown,
}

impl Store {
    /// Keeps a new sign-in, unless too many are open; then false. Clears away those that ended long ago.
    pub async fn insert_device_code(&self, org: OrgId, code: &DeviceCode) -> Result<bool> {
        let mut tx = self.pools.begin().await?;
        let long_ago = code.created.plus_ms(-limits::DEVICE_CODE_MS);
        tx.run(query("DELETE FROM device_codes WHERE expires < $1").bind(long_ago.unix_ms()))
            .await?;
        let open = open_codes(&mut tx, org, code.created).await?;
        if usize::try_from(open).is_ok_and(|open| open >= limits::DEVICE_CODES_OPEN_MAX) {
            return Ok(false);
        }
        tx.run(
            query(
                "INSERT INTO device_codes \
                   (device_hash, org, user_code, client, address, created, expires, state, interval_s, polled_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', $8, 0)",
            )
            .bind(&code.device_hash)
            .bind(org.to_string())
            .bind(&code.user_code)
            .bind(&code.client)
            .bind(&code.address)
            .bind(code.created.unix_ms())
            .bind(code.expires.unix_ms())
            .bind(i64::from(limits::DEVICE_POLL_S)),
        )
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The sign-in of a short code, with its state.
    pub async fn device_by_user_code(
        &self,
        org: OrgId,
        user_code: &str,
    ) -> Result<Option<(DeviceCode, DeviceState)>> {
        let row = self.pools.row(query(
            "SELECT device_hash, user_code, client, address, created, expires, state FROM device_codes \
             WHERE org = $1 AND user_code = $2",
        )
        .bind(org.to_string())
        .bind(user_code))
        .await?;
        let Some(row) = row else { return Ok(None) };
        let state = match row.try_get::<String, _>(6)?.as_str() {
            "pending" => DeviceState::Pending,
            "approved" => DeviceState::Approved,
            "denied" => DeviceState::Denied,
            _ => return Err(StoreError::Damaged("device_codes.state")),
        };
        let code = DeviceCode {
            device_hash: row.try_get(0)?,
            user_code: row.try_get(1)?,
            client: row.try_get(2)?,
            address: row.try_get(3)?,
            created: time(&row, 4)?,
            expires: time(&row, 5)?,
        };
        Ok(Some((code, state)))
    }

    /// Lets a pending sign-in in; false when it is not pending or too old.
    pub async fn approve_device(
        &self,
        org: OrgId,
        user_code: &str,
        person: PersonId,
        session: SessionId,
        at: Timestamp,
    ) -> Result<bool> {
        let done = self
            .pools
            .write(
                query(
                    "UPDATE device_codes SET state = 'approved', person = $3, session = $4 \
             WHERE org = $1 AND user_code = $2 AND state = 'pending' AND expires > $5",
                )
                .bind(org.to_string())
                .bind(user_code)
                .bind(person.to_string())
                .bind(session.to_string())
                .bind(at.unix_ms()),
            )
            .await?;
        Ok(done == 1)
    }

    /// Sends a pending sign-in away; false when it is not pending.
    pub async fn deny_device(&self, org: OrgId, user_code: &str) -> Result<bool> {
        let done = self.pools.write(query(
            "UPDATE device_codes SET state = 'denied' WHERE org = $1 AND user_code = $2 AND state = 'pending'",
        )
        .bind(org.to_string())
        .bind(user_code))
        .await?;
        Ok(done == 1)
    }

    /// Says where a sign-in stands. One that was answered is consumed, and the session of one that was let in begins, in the same
    /// transaction: whoever cannot be told for an outage asks once more. Asking before the interval is over makes it longer by
    /// five seconds.
    pub async fn poll_device(&self, ask: DeviceAsk<'_>) -> Result<DevicePoll> {
        let mut tx = self.pools.begin().await?;
        // Taking the row by a write orders those who ask at once, on either engine.
        let held = query(
            "UPDATE device_codes SET created = created WHERE org = $1 AND device_hash = $2 \
             RETURNING state, expires, interval_s, polled_at, person, session, created",
        );
        let held = held.bind(ask.org.to_string()).bind(ask.device_hash);
        let Some(row) = tx.row(held).await? else {
            return Ok(DevicePoll::Unknown);
        };
        if time(&row, 1)? <= ask.at {
            return Ok(DevicePoll::Expired);
        }
        let answer = match row.try_get::<&str, _>(0)? {
            "approved" => begin(&mut tx, &ask, &row).await?,
            "denied" => DevicePoll::Denied,
            _ => wait(&mut tx, &ask, &row).await?,
        };
        if !matches!(answer, DevicePoll::Pending | DevicePoll::SlowDown) {
            let consumed = query("DELETE FROM device_codes WHERE device_hash = $1");
            tx.run(consumed.bind(ask.device_hash)).await?;
        }
        tx.commit().await?;
        Ok(answer)
    }
}

/// Begins the session of a sign-in that was let in.
async fn begin(tx: &mut Tx, ask: &DeviceAsk<'_>, row: &AnyRow) -> Result<DevicePoll> {
    let person: PersonId = maybe_id(row, 4, "device_codes.person")?
        .ok_or(StoreError::Damaged("device_codes.person"))?;
    let person = match hold_person(tx, ask.org, person).await? {
        Some(person) if person.admits(time(row, 6)?) => person,
        _ => return Ok(DevicePoll::ShutOut),
    };
    let session = Session {
        id: id(row, 5, "device_codes.session")?,
        person: person.id,
        client: ask.client.to_owned(),
        created: ask.at,
        ended_at: None,
    };
    let first = (ask.refresh_hash, ask.refresh_expires);
    insert_session(tx, ask.org, &session, first).await?;
    let bound = None;
    Ok(DevicePoll::Approved(Box::new(Holder {
        session,
        person,
        bound,
    })))
}

/// Notes that a client has asked and must ask again.
async fn wait(tx: &mut Tx, ask: &DeviceAsk<'_>, row: &AnyRow) -> Result<DevicePoll> {
    let (interval_s, polled_at): (i64, _) = (row.try_get(2)?, time(row, 3)?);
    // Half a second of forgiveness for clients whose timers run fast.
    let early = ask.at.ms_since(polled_at) + 500 < interval_s.saturating_mul(1_000);
    let (interval_s, answer) = if early {
        (interval_s.saturating_add(5).min(60), DevicePoll::SlowDown)
    } else {
        (interval_s, DevicePoll::Pending)
    };
    let noted =
        query("UPDATE device_codes SET polled_at = $2, interval_s = $3 WHERE device_hash = $1");
    let noted = noted.bind(ask.device_hash).bind(ask.at.unix_ms());
    tx.run(noted.bind(interval_s)).await?;
    Ok(answer)
}

/// Sign-ins of an organisation that could still be answered.
async fn open_codes(tx: &mut Tx, org: OrgId, at: Timestamp) -> Result<i64> {
    let count = query(
        "SELECT COUNT(*) FROM device_codes WHERE org = $1 AND expires > $2 AND state = 'pending'",
    );
    let count = count.bind(org.to_string()).bind(at.unix_ms());
    let row = tx.row(count).await?;
    let row = row.ok_or(StoreError::Damaged("device_codes"))?;
    Ok(row.try_get(0)?)
}
