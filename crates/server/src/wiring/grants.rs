//! People's grants: what the connectors' door is told of them, what the console's page begins and finishes, and ending them where they were
//! given. Rows and records are `control`'s, authorization servers are [`connectors::oauth`]'s; only here the two meet. What is secret is
//! opened for one call and kept nowhere.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::connectors::grants::{Finding, Found, Grants, Judging, Token};
use ::connectors::oauth::{At, Before, Brought, Kept, OauthClient, Pending, Unlinked, together};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use console::{Came, Ending, Leading, Linked, Linking};
use control::grants::{self, Grant, New, Opened, everyones};
use control::{Actor, Control, ControlError, Operation};
use domain::policy::Connector;
use domain::policy::connectors::Credentials;
use domain::policy::own::is_of_key;
use domain::{Caller, PersonId, ReasonCode, Refusal, SessionId, Subject, Timestamp, limits};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::Url;

use super::programs::Keyed;

/// Who knows of them, for as long as the process lives.
#[derive(Debug, Clone)]
pub(super) struct Vault(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    control: Control,
    oauth: Arc<OauthClient>,
    issuers_for_people: usize,
    endings: Arc<Semaphore>,
    /// How often each person has begun to connect in the window that runs.
    begun: Mutex<(i64, HashMap<PersonId, u32>)>,
}

/// What a person's browser has to come back with, sealed.
#[derive(Serialize, Deserialize)]
struct Under {
    person: String,
    session: String,
    connector: String,
    address: String,
    pending: Pending,
}

impl Vault {
    pub(super) fn new(control: Control, oauth: OauthClient, issuers_for_people: usize) -> Self {
        let oauth = Arc::new(oauth);
        Self(Arc::new(Inner {
            control,
            oauth,
            issuers_for_people,
            endings: Arc::new(Semaphore::new(limits::GRANT_ENDINGS_MAX)),
            begun: Mutex::default(),
        }))
    }

    /// Doorward as the client of authorization servers.
    pub(super) fn oauth(&self) -> Arc<OauthClient> {
        Arc::clone(&self.0.oauth)
    }

    /// Wipes what is to be wiped, and ends it where it was given; how many that were.
    pub(super) async fn follow(&self) -> Result<usize, ControlError> {
        let actor = Actor::doorward();
        let wiped = grants::follow(&self.0.control.operation(&actor)).await?;
        let many = wiped.len();
        for opened in wiped {
            self.end(opened);
        }
        Ok(many)
    }

    /// Which of the keys that programs run with are still their persons'.
    pub(super) async fn keys_that_stand(
        &self,
        running: &[Keyed],
    ) -> Result<HashSet<Keyed>, ControlError> {
        let of = running
            .iter()
            .filter_map(|(connector, whose, version)| match whose {
                Subject::Person(person) => Some((*person, connector.clone(), *version)),
                Subject::Service(_) => None,
            });
        let of: Vec<_> = of.collect();
        let actor = Actor::doorward();
        let standing = grants::standing(&self.0.control.operation(&actor), &of).await?;
        let keyed = |(person, connector, version)| (connector, Subject::Person(person), version);
        Ok(standing.into_iter().map(keyed).collect())
    }

    /// Ends a grant that was taken away here where it was given, as well as that can be done: it is wiped in any case.
    fn end(&self, opened: Opened) {
        // A key is ended by its person where they made it; and whatever it looks like, it names no server to be asked.
        if is_of_key(&opened.grant.address) {
            return;
        }
        let Some(kept) = opened.secret.as_ref().and_then(Kept::read) else {
            return;
        };
        self.end_kept(opened.grant, kept);
    }

    fn end_kept(&self, grant: Grant, kept: Kept) {
        let Ok(turn) = Arc::clone(&self.0.endings).try_acquire_owned() else {
            tracing::warn!(
                connector = grant.connector,
                "a wiped grant is not ended where it was given: too many are"
            );
            return;
        };
        let inner = Arc::clone(&self.0);
        tokio::spawn(async move {
            let _turn = turn;
            match inner.oauth.end(at(&grant), &kept).await {
                Ok(true) => {}
                Ok(false) => tracing::info!(
                    connector = grant.connector,
                    issuer = grant.issuer,
                    "a wiped grant cannot be ended where it was given: tokens cannot be revoked there"
                ),
                Err(error) => tracing::warn!(
                    connector = grant.connector,
                    issuer = grant.issuer,
                    error = &error as &dyn std::error::Error,
                    "a wiped grant could not be ended where it was given"
                ),
            }
        });
    }
}

fn at(grant: &Grant) -> At<'_> {
    At {
        name: &grant.connector,
        address: &grant.address,
    }
}

/// An outage of ours is never a word about the grant.
fn outage(error: &ControlError) -> Refusal {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "a grant cannot be read or kept"
    );
    Refusal::plain(match error.code() {
        ReasonCode::LedgerUnavailable => ReasonCode::LedgerUnavailable,
        _ => ReasonCode::StoreUnavailable,
    })
}

impl Grants for Vault {
    fn find<'a>(
        &'a self,
        caller: &'a Caller,
        connector: &'a Connector,
        refused: Option<i64>,
    ) -> Finding<'a> {
        Box::pin(async move {
            let actor = acting(caller)?;
            self.found(&actor, connector, refused).await
        })
    }

    fn stands<'a>(
        &'a self,
        caller: &'a Caller,
        connector: &'a Connector,
        given: Timestamp,
    ) -> Judging<'a> {
        Box::pin(async move {
            let actor = acting(caller)?;
            let operation = self.0.control.operation(&actor);
            let at = (&*connector.name, &*place(connector));
            let stands = grants::stands(&operation, at, given).await;
            stands.map_err(|error| outage(&error))
        })
    }

    fn is_dead<'a>(
        &'a self,
        caller: &'a Caller,
        connector: &'a Connector,
        version: i64,
    ) -> Finding<'a> {
        Box::pin(async move {
            let actor = acting(caller)?;
            let operation = self.0.control.operation(&actor);
            let found = grants::find(&operation, &connector.name, &place(connector)).await;
            if let Some(opened) = found.map_err(|error| outage(&error))?
                && opened.grant.version == version
            {
                let why = "the connector refused it although it was renewed";
                let died = grants::died(&operation, &opened.grant, why).await;
                died.map_err(|error| outage(&error))?;
            }
            Ok(Found::Dead)
        })
    }

    fn lacks<'a>(
        &'a self,
        caller: &'a Caller,
        connector: &'a Connector,
        scope: &'a str,
    ) -> Judging<'a> {
        Box::pin(async move {
            let actor = acting(caller)?;
            let operation = self.0.control.operation(&actor);
            let found = grants::find(&operation, &connector.name, &place(connector)).await;
            // Taken away meanwhile: they connect in any case.
            let Some(Opened { grant, .. }) = found.map_err(|error| outage(&error))? else {
                return Ok(true);
            };
            let missing = self.0.oauth.lacking(at(&grant), &grant.scope, scope);
            let Some(missing) = missing else {
                return Ok(false);
            };
            let wants = together(&grant.wants, &missing);
            if wants != grant.wants {
                let noted = grants::wants(&operation, &grant, &wants).await;
                noted.map_err(|error| outage(&error))?;
            }
            Ok(true)
        })
    }
}

/// The caller as who acts; a service has no grants.
fn acting(caller: &Caller) -> Result<Actor, Refusal> {
    let Subject::Person(person) = caller.subject else {
        let text = "This connector wants each person's own account, and a service has none.";
        return Err(Refusal::new(ReasonCode::GrantNeeded, text));
    };
    Ok(Actor::person(person, caller.label(), BTreeSet::new()))
}

/// Where what people bring is good for; a place that nothing is kept for where they bring nothing.
fn place(connector: &Connector) -> String {
    connector.own_place().unwrap_or_default()
}

/// What is to be done with what there is.
enum Due {
    /// It is used as it is.
    Nothing,
    /// It is renewed before it is used.
    Renewing,
    /// It is renewed, and can be used meanwhile.
    Soon,
    /// There is nothing to renew it with.
    Over,
}

fn due(grant: &Grant, kept: &Kept, refused: Option<i64>, now: Timestamp) -> Due {
    let is_refused = refused == Some(grant.version);
    let is_over = grant.expires.is_some_and(|expires| expires <= now);
    let is_near = grant
        .expires
        .is_some_and(|expires| expires <= now.plus_ms(limits::GRANT_EARLY_MS));
    match (is_refused || is_over, kept.refresh.is_some()) {
        (true, true) => Due::Renewing,
        (true, false) => Due::Over,
        (false, true) if is_near => Due::Soon,
        (false, _) => Due::Nothing,
    }
}

impl Vault {
    async fn found(
        &self,
        actor: &Actor,
        connector: &Connector,
        refused: Option<i64>,
    ) -> Result<Found, Refusal> {
        let operation = self.0.control.operation(actor);
        let began = Instant::now();
        loop {
            let found = grants::find(&operation, &connector.name, &place(connector)).await;
            let Some(opened) = found.map_err(|error| outage(&error))? else {
                return Ok(Found::Nothing);
            };
            let grant = opened.grant;
            if grant.dead_since.is_some() {
                return Ok(Found::Dead);
            }
            if is_of_key(&grant.address)
                && let Some(key) = opened.secret
            {
                return self.key_of(&operation, grant, key, refused).await;
            }
            let Some(kept) = opened.secret.as_ref().and_then(Kept::read) else {
                tracing::error!(
                    connector = grant.connector,
                    person = %grant.person,
                    "no key opens a grant; its person has to connect anew"
                );
                return Ok(Found::Dead);
            };
            let as_it_is = Found::Token(Token {
                bearer: kept.access.clone(),
                version: grant.version,
                given: Some(grant.connected),
            });
            let due = due(&grant, &kept, refused, operation.clock.now());
            match due {
                Due::Nothing => return Ok(as_it_is),
                Due::Over => {
                    let why = "its token ended, and there is nothing to renew it with";
                    let died = grants::died(&operation, &grant, why).await;
                    died.map_err(|error| outage(&error))?;
                    return Ok(Found::Dead);
                }
                Due::Renewing | Due::Soon => {}
            }
            let turn = grants::take_turn(&operation, &grant).await;
            if turn.map_err(|error| outage(&error))? {
                let renewed = self.renewed(actor.clone(), grant, kept).await;
                return match (renewed, due) {
                    // It failed for now, and what there is still holds.
                    (Err(_), Due::Soon) => Ok(as_it_is),
                    (renewed, _) => renewed,
                };
            }
            if matches!(due, Due::Soon) {
                return Ok(as_it_is);
            }
            if began.elapsed() >= Duration::from_millis(limits::GRANT_WAIT_MS) {
                return Err(Refusal::plain(ReasonCode::UpstreamUnavailable));
            }
            tokio::time::sleep(Duration::from_millis(limits::GRANT_LOOK_MS)).await;
        }
    }

    /// A person's own API key, which nobody can renew: refused once, it is dead.
    async fn key_of(
        &self,
        operation: &Operation<'_>,
        grant: Grant,
        key: SecretString,
        refused: Option<i64>,
    ) -> Result<Found, Refusal> {
        if refused == Some(grant.version) {
            let died = grants::died(operation, &grant, "the connector refused the key").await;
            died.map_err(|error| outage(&error))?;
            return Ok(Found::Dead);
        }
        Ok(Found::Token(Token {
            bearer: key,
            version: grant.version,
            given: Some(grant.connected),
        }))
    }

    /// Renews a grant whose turn was taken. A caller who leaves does not take it along: what comes back may be good once.
    async fn renewed(&self, actor: Actor, grant: Grant, kept: Kept) -> Result<Found, Refusal> {
        let vault = self.clone();
        let renewing = tokio::spawn(async move { vault.renew(&actor, grant, kept).await });
        let renewed = renewing.await;
        renewed.unwrap_or_else(|_| Err(Refusal::plain(ReasonCode::Internal)))
    }

    async fn renew(&self, actor: &Actor, grant: Grant, kept: Kept) -> Result<Found, Refusal> {
        let operation = self.0.control.operation(actor);
        let tokens = match self.0.oauth.renew(at(&grant), &kept, &grant.scope).await {
            Ok(tokens) => tokens,
            Err(Unlinked::Refused(code)) => {
                let why = format!("refused where it was given: {code}");
                let died = grants::died(&operation, &grant, &why).await;
                died.map_err(|error| outage(&error))?;
                return Ok(Found::Dead);
            }
            Err(error) => {
                tracing::warn!(
                    connector = grant.connector,
                    issuer = grant.issuer,
                    error = &error as &dyn std::error::Error,
                    "a grant cannot be renewed now"
                );
                let left = grants::leave_turn(&operation, &grant).await;
                left.map_err(|error| outage(&error))?;
                return Err(Refusal::plain(match error {
                    Unlinked::ClientRefused => ReasonCode::UpstreamCredential,
                    _ => ReasonCode::UpstreamUnavailable,
                }));
            }
        };
        let expires = tokens.expires(operation.clock.now());
        let secret = (&tokens.kept.to_text(), &*tokens.scope);
        let is_kept = grants::renewed(&operation, &grant, secret, expires).await;
        if !is_kept.map_err(|error| outage(&error))? {
            // Wiped or given anew in between: nobody may use what just came.
            self.end_kept(grant, tokens.kept);
            return Ok(Found::Nothing);
        }
        Ok(Found::Token(Token {
            bearer: tokens.kept.access,
            version: grant.version + 1,
            given: Some(grant.connected),
        }))
    }
}

impl Linking for Vault {
    fn begin<'l>(
        &'l self,
        actor: &'l Actor,
        session: SessionId,
        connector: &'l str,
    ) -> Leading<'l, Url> {
        Box::pin(async move {
            let operation = self.0.control.operation(actor);
            let issuers = self.0.issuers_for_people;
            let connector = grants::connector(&operation, issuers, connector).await?;
            if connector.credential != Credentials::Grant {
                return Err(ControlError::NoSuch("connector").into());
            }
            self.begun(&operation, session, &connector).await
        })
    }

    fn finish<'l>(
        &'l self,
        actor: &'l Actor,
        session: SessionId,
        came: Came<'l>,
    ) -> Leading<'l, String> {
        Box::pin(async move {
            let operation = self.0.control.operation(actor);
            self.finished(&operation, session, came).await
        })
    }

    fn bring<'l>(
        &'l self,
        actor: &'l Actor,
        connector: &'l str,
        key: &'l SecretString,
        saw: &'l str,
    ) -> Leading<'l, ()> {
        Box::pin(async move {
            let operation = self.0.control.operation(actor);
            let issuers = self.0.issuers_for_people;
            let connector = grants::connector(&operation, issuers, connector).await?;
            let person = actor.person_id().ok_or(ControlError::NoSuch("person"))?;
            if !self.may_begin(person, operation.clock.now()) {
                return Err(Linked::TooOften);
            }
            if let Some(before) = grants::keep_key(&operation, &connector, key, saw).await? {
                self.end(before);
            }
            Ok(())
        })
    }

    fn disconnect<'l>(&'l self, actor: &'l Actor, connector: &'l str) -> Leading<'l, bool> {
        Box::pin(async move {
            let operation = self.0.control.operation(actor);
            let ended = grants::disconnect(&operation, connector).await?;
            let was_there = ended.is_some();
            if let Some(opened) = ended {
                self.end(opened);
            }
            Ok(was_there)
        })
    }

    fn end_of<'l>(
        &'l self,
        actor: &'l Actor,
        whose: (PersonId, &'l str),
        reason: &'l str,
    ) -> Ending<'l> {
        Box::pin(async move {
            let operation = self.0.control.operation(actor);
            self.end(everyones::end(&operation, whose, reason).await?);
            Ok(())
        })
    }
}

impl Vault {
    /// Counts a beginning; false when it is one too many. What is under way is kept beside everybody's sign-ins, and many authorization
    /// servers register a client for each.
    fn may_begin(&self, person: PersonId, now: Timestamp) -> bool {
        let window = now.unix_ms().div_euclid(limits::GRANT_CONNECT_MS);
        let begun = self.0.begun.lock();
        let mut begun = begun.unwrap_or_else(PoisonError::into_inner);
        if begun.0 != window {
            *begun = (window, HashMap::new());
        }
        let count = begun.1.entry(person).or_insert(0);
        let is_left = *count < limits::GRANTS_BEGUN_MAX;
        *count += u32::from(is_left);
        is_left
    }

    async fn begun(
        &self,
        operation: &Operation<'_>,
        session: SessionId,
        connector: &Connector,
    ) -> Result<Url, Linked> {
        let person = operation.actor.person_id();
        let person = person.ok_or(ControlError::NoSuch("person"))?;
        if !self.may_begin(person, operation.clock.now()) {
            return Err(Linked::TooOften);
        }
        let mut bytes = [0; 32];
        operation.ids.fill(&mut bytes);
        let state = URL_SAFE_NO_PAD.encode(bytes);
        let address = place(connector);
        let place = At {
            name: &connector.name,
            address: &address,
        };
        let before = grants::find(operation, &connector.name, &address).await?;
        let before = before.map(|Opened { grant, .. }| Before {
            scope: together(&grant.scope, &grant.wants),
            issuer: grant.issuer,
        });
        let begun = self.0.oauth.begin(place, &state, before.as_ref()).await;
        let (url, pending) = begun.map_err(|error| unlinked(connector, &error))?;
        let under = Under {
            person: person.to_string(),
            session: session.to_string(),
            connector: connector.name.clone(),
            address: address.clone(),
            pending,
        };
        let text = serde_json::to_vec(&under).map_err(|_| ControlError::NoSuch("connector"))?;
        let hash = hash_of(&state);
        let row = ["connecting", &*operation.org.to_string(), &*hash];
        let sealed = operation.vault.seal(&row, &text, operation.ids);
        let until = operation.clock.now().plus_ms(limits::GRANT_CONNECT_MS);
        let body = URL_SAFE_NO_PAD.encode(sealed);
        let kept = operation
            .store
            .insert_login_state(operation.org, &hash, &body, until);
        kept.await.map_err(ControlError::Store)?;
        Ok(url)
    }

    async fn finished(
        &self,
        operation: &Operation<'_>,
        session: SessionId,
        came: Came<'_>,
    ) -> Result<String, Linked> {
        let under = self.under_way(operation, session, came.state).await?;
        let issuers = self.0.issuers_for_people;
        let connector = grants::connector(operation, issuers, &under.connector).await?;
        if place(&connector) != under.address {
            return Err(Linked::Begin);
        }
        let Some(code) = came.code else {
            return Err(Linked::Denied(under.connector));
        };
        let place = At {
            name: &under.connector,
            address: &under.address,
        };
        let brought = Brought {
            code,
            issuer: came.issuer,
        };
        let tokens = self.0.oauth.finish(place, &under.pending, brought).await;
        let tokens = tokens.map_err(|error| unlinked(&connector, &error))?;
        let new = New {
            connector: &under.connector,
            address: &under.address,
            issuer: &under.pending.issuer,
            scope: &tokens.scope,
            secret: &tokens.kept.to_text(),
            expires: tokens.expires(operation.clock.now()),
        };
        if let Some(before) = grants::keep(operation, new).await? {
            self.end(before);
        }
        Ok(under.connector)
    }

    /// What was begun under a state, by this person in this browser: once, and only in time.
    async fn under_way(
        &self,
        operation: &Operation<'_>,
        session: SessionId,
        state: &str,
    ) -> Result<Under, Linked> {
        let hash = hash_of(state);
        let (store, org, now) = (operation.store, operation.org, operation.clock.now());
        let taken = store.take_login_state(org, &hash, now).await;
        let body = taken.map_err(ControlError::Store)?.ok_or(Linked::Begin)?;
        let row = ["connecting", &*org.to_string(), &*hash];
        let sealed = URL_SAFE_NO_PAD.decode(body).map_err(|_| Linked::Begin)?;
        let text = operation.vault.open(&row, &sealed);
        let text = text.map_err(|_| Linked::Begin)?;
        let under: Under = serde_json::from_slice(&text).map_err(|_| Linked::Begin)?;
        let person = operation.actor.person_id().map(|person| person.to_string());
        let is_theirs = person.as_ref() == Some(&under.person);
        if !is_theirs || session.to_string() != under.session {
            return Err(Linked::Begin);
        }
        Ok(under)
    }
}

/// What a state is kept under; never what a sign-in's is.
fn hash_of(state: &str) -> String {
    let text = SecretString::from(format!("connect {state}"));
    let digest =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.expose_secret().as_bytes());
    URL_SAFE_NO_PAD.encode(digest.as_ref())
}

/// What whoever would connect is told.
fn unlinked(connector: &Connector, error: &Unlinked) -> Linked {
    tracing::warn!(
        connector = connector.name,
        error = error as &dyn std::error::Error,
        "nobody can be connected to a connector"
    );
    Linked::Unlinked(format!(
        "{} could not be connected: {error}.",
        connector.title()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(refresh: bool) -> Kept {
        let client = r#"{"id":"a","method":"none","is_set_up":false,"secret":null}"#;
        Kept {
            access: "a".to_owned().into(),
            refresh: refresh.then(|| "r".to_owned().into()),
            resource: String::new(),
            token_endpoint: String::new(),
            revocation_endpoint: None,
            client: serde_json::from_str(client).unwrap(),
        }
    }

    #[test]
    fn a_token_is_renewed_when_it_is_refused_or_ends_and_not_before() {
        let now = Timestamp::from_unix_ms(1_000_000);
        for (left_ms, refused, refresh, expected) in [
            (Some(120_000), None, true, "nothing"),
            (Some(120_000), Some(7), true, "renewing"),
            (Some(120_000), Some(6), true, "nothing"),
            (Some(120_000), Some(7), false, "over"),
            (Some(59_999), None, true, "soon"),
            (Some(59_999), None, false, "nothing"),
            (Some(0), None, true, "renewing"),
            (Some(0), None, false, "over"),
            (None, None, true, "nothing"),
            (None, Some(7), true, "renewing"),
        ] {
            let grant = Grant {
                person: PersonId::from_parts(1, 1),
                connector: "crm".to_owned(),
                address: String::new(),
                issuer: String::new(),
                scope: String::new(),
                sealed: Vec::new(),
                version: 7,
                connected: now,
                renewed: now,
                expires: left_ms.map(|ms| now.plus_ms(ms)),
                dead_since: None,
                wants: String::new(),
            };
            let found = match due(&grant, &kept(refresh), refused, now) {
                Due::Nothing => "nothing",
                Due::Renewing => "renewing",
                Due::Soon => "soon",
                Due::Over => "over",
            };
            assert_eq!(found, expected, "{left_ms:?} {refused:?} {refresh}");
        }
    }
}
