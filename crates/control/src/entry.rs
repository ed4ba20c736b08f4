//! Who comes to the admin API or the console: a signed-in person, a personal access token or a browser's cookie becomes an [`Actor`] with
//! the rights of this moment.
//! Roles, and whether the person may come in at all, are read from the store at each entrance: what was taken away is gone with the next
//! request, on every replica, before what a replica remembers has caught up. Otherwise whoever is shut out could undo it.

use std::collections::BTreeSet;

use domain::opaque::{hex, sha256};
use domain::{Caller, Opaque, PersonId, SessionId, Subject, Timestamp, console, limits};
use store::{Person, StoreError};

use crate::access::{Actor, Right};
use crate::{Control, ControlError, people, roles};

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
        if person.out_since().is_some() {
            return Err(Entry::ShutOut);
        }
        if !self.vouching.for_person(&person.issuer, &person.stable_id) {
            return Err(Entry::SignedOut);
        }
        if made <= person.not_before {
            return Err(Entry::SignedOut);
        }
        if let Some(session) = session {
            let session = self.store.session(self.org, session).await.map_err(store)?;
            if session.is_none_or(|session| session.ended_at.is_some()) {
                return Err(Entry::SignedOut);
            }
        }
        Ok(person)
    }

    /// Who comes with a console cookie of this secret. It ends with everything that ends a session, after a time without a request, and
    /// half a day after the sign-in. What opens nothing costs one look at the store.
    pub async fn enter_by_cookie(&self, secret: &str) -> Result<Visit, Entry> {
        let hash = hex(&sha256(secret.as_bytes()));
        let found = self.store.console_session(self.org, &hash).await;
        let held = found.map_err(store)?.ok_or(Entry::SignedOut)?;
        if held.person.out_since().is_some() {
            return Err(Entry::ShutOut);
        }
        let now = self.clock.now();
        let stands = held.stands(now);
        let (session, person) = (held.session, held.person);
        if !stands || !(self.vouching).for_person(&person.issuer, &person.stable_id) {
            return Err(Entry::SignedOut);
        }
        let person = people::as_now(&self.store, person).await.map_err(store)?;
        let of = (self.vouching).groups_words(&person.issuer, &person.stable_id);
        let held = roles::held_by(&self.store, self.org, person.id, &of, &person.groups).await?;
        if now.ms_since(session.last_seen) >= limits::CONSOLE_SEEN_NOTED_MS {
            // What is not noted is noted the next time; nobody is kept out for it.
            let noted = self.store.note_console_use(self.org, &hash, now).await;
            let _unnoted = noted.is_err();
        }
        let label = person.email.as_deref().or(person.name.as_deref());
        let label = label.unwrap_or(&person.stable_id);
        Ok(Visit {
            actor: Actor::person(person.id, label, held),
            session: session.session,
            proved_at: session.proved_at,
            since: session.created,
            person,
        })
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
        if owner.out_since().is_some() || token.created <= owner.not_before {
            return Err(Entry::UnknownToken);
        }
        if !self.vouching.for_person(&owner.issuer, &owner.stable_id) {
            return Err(Entry::UnknownToken);
        }
        // The directory knows better than the last sign-in: who was taken out of a group loses its roles with the next request.
        let owner = people::as_now(&self.store, owner).await.map_err(store)?;
        let of = (self.vouching).groups_words(&owner.issuer, &owner.stable_id);
        let held = roles::held_by(&self.store, self.org, owner.id, &of, &owner.groups).await?;
        let is_stale = |used| now.ms_since(used) >= limits::TOKEN_USE_NOTED_MS;
        if token.last_used.is_none_or(is_stale) {
            // What is not noted is noted the next time; nobody is kept out for it.
            let noted = self.store.note_token_use(self.org, token.id, now).await;
            let _unnoted = noted.is_err();
        }
        let label = owner.email.as_deref().or(owner.name.as_deref());
        let label = format!("{} ({})", label.unwrap_or(&owner.stable_id), token.prefix);
        let words = token.scopes.iter();
        let scopes: BTreeSet<Right> = words.filter_map(|word| word.parse().ok()).collect();
        Ok(Actor::token(owner.id, token.id, &label, held, &scopes))
    }
}

fn store(error: StoreError) -> Entry {
    Entry::Control(ControlError::Store(error))
}
