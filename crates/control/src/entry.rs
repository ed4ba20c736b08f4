//! Who comes to the admin API or the console: a signed-in person, a personal access token or a browser's cookie becomes an [`Actor`] with
//! the rights of this moment.
//! Roles, and whether the person may come in at all, are read from the store at each entrance: what was taken away is gone with the next
//! request, on every replica, before what a replica remembers has caught up. Otherwise whoever is shut out could undo it.

use std::collections::BTreeSet;

use domain::opaque::{hex, sha256};
use domain::{Caller, Opaque, PersonId, Role, SessionId, Subject, Timestamp, console, limits};
use store::{Person, StoreError};

use crate::access::{Actor, Right};
use crate::{Control, ControlError, break_glass, people, roles};

/// Why somebody does not come in.
#[derive(Debug, thiserror::Error)]
pub enum Entry {
    /// A service; the admin API is for people and their tokens.
    #[error("services have no roles")]
    NoPerson,
    /// The token is not one of ours, has ended or was taken away, or its owner has gone.
    #[error("the token opens nothing")]
    UnknownToken,
    /// The person may not come in.
    #[error("access was taken away")]
    ShutOut,
    /// The session has ended, or the credential is from before the person was signed out everywhere.
    #[error("the session has ended")]
    SignedOut,
    /// Something of ours is not at hand.
    #[error(transparent)]
    Control(#[from] ControlError),
}

/// Somebody at the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// Who acts, with the rights of this moment.
    pub actor: Actor,
    /// The person, with the groups that hold for them now.
    pub person: Person,
    /// The session.
    pub session: SessionId,
    /// When they last proved who they are at the identity provider; the epoch when nobody said.
    pub proved_at: Timestamp,
    /// Since when they are signed in.
    pub since: Timestamp,
    /// Since when the break-glass account is open, whoever this is.
    pub glass_broken: Option<Timestamp>,
}

impl Visit {
    /// Whether they may do now what is dangerous, or must prove who they are first.
    pub const fn is_fresh(&self, now: Timestamp) -> bool {
        console::is_fresh(self.proved_at, now)
    }
}

impl Control {
    /// The actor that a verified caller is, whose credential was made at `made`.
    pub async fn enter(&self, caller: &Caller, made: Timestamp) -> Result<Actor, Entry> {
        let Subject::Person(person) = caller.subject else {
            return Err(Entry::NoPerson);
        };
        if caller.org != self.org {
            return Err(Entry::UnknownToken);
        }
        let known = self.admit(person, caller.session, made).await?;
        // Those of the credential, joined when it was proved: what the directory took away since goes as well.
        let said = self.store.person_directory_groups(self.org, person).await;
        let stated = known.stated.max(made);
        let groups = said.map_err(store)?.join(caller.groups.clone(), stated);
        let of = (self.vouching).groups_words(&caller.issuer, &caller.stable_id);
        let held = roles::held_by(&self.store, self.org, person, &of, &groups).await?;
        Ok(Actor::person(person, caller.label(), held))
    }

    /// The person, if a credential of theirs that was made at `made` still counts, as the store knows it.
    async fn admit(
        &self,
        person: PersonId,
        session: Option<SessionId>,
        made: Timestamp,
    ) -> Result<Person, Entry> {
        let person = self.store.person(self.org, person).await.map_err(store)?;
        let person = person.ok_or(Entry::ShutOut)?;
        self.counts(&person, made)?;
        if let Some(session) = session {
            let session = self.store.session(self.org, session).await.map_err(store)?;
            if session.is_none_or(|session| session.ended_at.is_some()) {
                return Err(Entry::SignedOut);
            }
        }
        Ok(person)
    }

    /// Whether a credential of this person's that was made at `made` still counts, whatever kind it is.
    fn counts(&self, person: &Person, made: Timestamp) -> Result<(), Entry> {
        if person.out_since().is_some() {
            return Err(Entry::ShutOut);
        }
        let is_vouched = (self.vouching).for_person(&person.issuer, &person.stable_id);
        if made <= person.not_before || !is_vouched {
            return Err(Entry::SignedOut);
        }
        Ok(())
    }

    /// The person as the directory knows them now, and the roles they hold by it: who was taken out of a group loses its roles with the
    /// next request.
    async fn as_now(&self, person: Person) -> Result<(Person, BTreeSet<Role>), Entry> {
        let person = people::as_now(&self.store, person).await.map_err(store)?;
        let of = (self.vouching).groups_words(&person.issuer, &person.stable_id);
        let held = roles::held_by(&self.store, self.org, person.id, &of, &person.groups).await?;
        Ok((person, held))
    }

    /// Who comes with a console cookie of this secret. It ends with everything that ends a session, after a time without a request, and
    /// half a day after the sign-in. What opens nothing costs one look at the store.
    pub async fn enter_by_cookie(&self, secret: &str) -> Result<Visit, Entry> {
        self.by_cookie(secret, true).await
    }

    /// The same for what an open page asks by itself: that is no use of the session, which ends as if nobody were there.
    pub async fn look_by_cookie(&self, secret: &str) -> Result<Visit, Entry> {
        self.by_cookie(secret, false).await
    }

    async fn by_cookie(&self, secret: &str, is_use: bool) -> Result<Visit, Entry> {
        let hash = hex(&sha256(secret.as_bytes()));
        let found = self.store.console_session(self.org, &hash).await;
        let held = found.map_err(store)?.ok_or(Entry::SignedOut)?;
        let now = self.clock.now();
        let is_account = break_glass::is_account(&held.person);
        if !is_account {
            self.counts(&held.person, held.session.created)?;
        }
        if !held.stands(now) {
            return Err(Entry::SignedOut);
        }
        let (session, person) = (held.session, held.person);
        let account = self.store.break_glass(self.org).await.map_err(store)?;
        let glass_broken = account.as_ref().and_then(|account| account.opened_at);
        if is_account {
            let ages = (session.created, now);
            if !break_glass::stands(account.as_ref(), session.session, ages) {
                return Err(Entry::SignedOut);
            }
            self.note_use(&hash, (session.last_seen, now), is_use).await;
            return Ok(Visit {
                actor: Actor::break_glass(person.id),
                session: session.session,
                // Nobody could prove more while the identity provider is away; the hour bounds it.
                proved_at: now,
                since: session.created,
                glass_broken,
                person,
            });
        }
        let (person, held) = self.as_now(person).await?;
        self.note_use(&hash, (session.last_seen, now), is_use).await;
        Ok(Visit {
            actor: Actor::person(person.id, person.label(), held),
            session: session.session,
            proved_at: session.proved_at,
            since: session.created,
            glass_broken,
            person,
        })
    }

    /// Notes that a console session is used, once in a while.
    async fn note_use(&self, hash: &str, (last_seen, now): (Timestamp, Timestamp), is_use: bool) {
        if is_use && now.ms_since(last_seen) >= limits::CONSOLE_SEEN_NOTED_MS {
            // What is not noted is noted the next time; nobody is kept out for it.
            let noted = self.store.note_console_use(self.org, hash, now).await;
            let _unnoted = noted.is_err();
        }
    }

    /// The actor that a personal access token stands for: its owner as the directory last said, narrowed by its scopes. It dies with
    /// its owner's access, and with whatever ended all their sessions after it was made.
    pub async fn enter_by_token(&self, token: &str) -> Result<Actor, Entry> {
        let hash = Opaque::PersonalToken.sha256(token);
        let hash = hex(&hash.ok_or(Entry::UnknownToken)?);
        let found = self.store.personal_token_of_hash(self.org, &hash).await;
        let token = found.map_err(store)?.ok_or(Entry::UnknownToken)?;
        let now = self.clock.now();
        if token.revoked_at.is_some() || now >= token.expires {
            return Err(Entry::UnknownToken);
        }
        let owner = self.store.person(self.org, token.person).await;
        let owner = owner.map_err(store)?.ok_or(Entry::UnknownToken)?;
        let counts = self.counts(&owner, token.created);
        counts.map_err(|_| Entry::UnknownToken)?;
        let (owner, held) = self.as_now(owner).await?;
        let is_stale = |used| now.ms_since(used) >= limits::TOKEN_USE_NOTED_MS;
        if token.last_used.is_none_or(is_stale) {
            // What is not noted is noted the next time; nobody is kept out for it.
            let noted = self.store.note_token_use(self.org, token.id, now).await;
            let _unnoted = noted.is_err();
        }
        let label = format!("{} ({})", owner.label(), token.prefix);
        let words = token.scopes.iter();
        let scopes: BTreeSet<Right> = words.filter_map(|word| word.parse().ok()).collect();
        Ok(Actor::token(owner.id, token.id, &label, held, &scopes))
    }
}

fn store(error: StoreError) -> Entry {
    Entry::Control(ControlError::Store(error))
}
