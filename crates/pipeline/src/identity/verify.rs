//! The first look at a credential: which kind it is, what proves it, whom it stands for, and whether that one may still come in.
//! Everything here happens once per credential; repeats are answered from memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::{
    Caller, Credential, Opaque, PersonId, ReasonCode, Refusal, ServiceId, Subject, Timestamp,
    limits,
};
use store::{Person, Seen, Target};

use super::cache::{Fingerprint, Verified};
use super::claims::{Claims, Times};
use super::issuer::{About, Issuer, PersonFacts, Proof, Use};
use super::jws::Jws;
use super::memberships::Watch;
use super::refused::NotAdmitted;
use super::revocation::{Ended, Live};
use super::{Identity, OWN_ISSUER, hex, unavailable};

impl Identity {
    pub(super) async fn verify(
        &self,
        credential: &str,
        fingerprint: &Fingerprint,
        now: Timestamp,
    ) -> Result<Arc<Verified>, NotAdmitted> {
        if credential.starts_with(Opaque::ServiceKey.prefix()) {
            return self.service_key(credential, now).await;
        }
        if let Some(help) = not_ours(credential) {
            return Err(Refusal::new(ReasonCode::CredentialMalformed, help).into());
        }
        let jws = Jws::parse(credential)?;
        let stated = Claims(&jws.claims).required("iss")?;
        if self.tokens.is_ours(stated) {
            return self.session(&jws, now).await;
        }
        let issuer = self.issuers.stated(stated)?;
        let proof = issuer.verify(&jws, Use::Bearer, now).await?;
        tracing::debug!(
            issuer = &**issuer.name(),
            credential = proof.credential.as_str(),
            token = &*hex(&fingerprint[..6]),
            "verified a token"
        );
        self.admit_proof(issuer, proof, now).await
    }

    async fn admit_proof(
        &self,
        issuer: &Issuer,
        proof: Proof,
        now: Timestamp,
    ) -> Result<Arc<Verified>, NotAdmitted> {
        let Proof {
            about,
            credential,
            times,
        } = proof;
        // An issuer's clock may run ahead by as much as is forgiven: a token that states a moment shortly after a revocation may
        // have been made before it, and a replica that has not met it cannot tell. It does not survive.
        let stated = times.issued;
        let times = Times {
            issued: stated.plus_ms(-limits::CLOCK_SKEW_MS),
            ..times
        };
        match about {
            About::Person(facts) => {
                let made = (times.issued, times.issued);
                let person = self.person(issuer, &facts, credential, made, now).await?;
                if times.issued <= person.not_before {
                    let caller = self.caller(issuer, facts, &person, credential);
                    let refusal = cut_off(stated, person.not_before);
                    return Err(NotAdmitted::known(caller, refusal));
                }
                let (facts, watch) = self.with_groups(facts, person.id, times.issued).await?;
                let caller = self.caller(issuer, facts, &person, credential);
                let targets = [Target::Person(person.id), Target::Everyone];
                self.admit(caller, times, &targets, Some(watch), now)
            }
            About::Service { name, groups } => {
                let new =
                    ServiceId::from_parts(now.unix_ms().unsigned_abs(), self.ids.random_bits());
                let id = self
                    .store
                    .ensure_service(self.org, issuer.name(), &name, new, now)
                    .await
                    .map_err(unavailable)?;
                let caller = self.service(id, &name, groups, issuer.name(), credential);
                self.admit(caller, times, &[Target::Service(id)], None, now)
            }
        }
    }

    /// The person, with what a credential says of them, unless it is older than what is kept, or than a cutoff. `stated` is when it says so,
    /// `made` what cutoffs are held against.
    pub(super) async fn person(
        &self,
        issuer: &Issuer,
        facts: &PersonFacts,
        credential: Credential,
        (stated, made): (Timestamp, Timestamp),
        now: Timestamp,
    ) -> Result<Person, NotAdmitted> {
        let seen = Seen {
            org: self.org,
            issuer: issuer.name(),
            stable_id: &facts.stable_id,
            email: facts.email.as_deref(),
            name: facts.name.as_deref(),
            groups: &facts.groups,
            stated,
            made,
            at: now,
        };
        let new = PersonId::from_parts(now.unix_ms().unsigned_abs(), self.ids.random_bits());
        let person = self
            .store
            .upsert_person(seen, new)
            .await
            .map_err(unavailable)?;
        if person.out_since().is_some() {
            let caller = self.caller(issuer, facts.clone(), &person, credential);
            return Err(NotAdmitted::known(caller, Ended::Access.refusal()));
        }
        Ok(person)
    }

    /// The facts with the groups that the directory says, for a credential made at `issued`.
    pub(super) async fn with_groups(
        &self,
        facts: PersonFacts,
        person: PersonId,
        issued: Timestamp,
    ) -> Result<(PersonFacts, Arc<Watch>), Refusal> {
        let joined = self
            .memberships
            .join(&self.store, person, facts.groups, issued);
        let (groups, watch) = joined.await.map_err(unavailable)?;
        Ok((PersonFacts { groups, ..facts }, watch))
    }

    pub(super) fn caller(
        &self,
        issuer: &Issuer,
        facts: PersonFacts,
        person: &Person,
        credential: Credential,
    ) -> Caller {
        Caller {
            org: self.org,
            subject: Subject::Person(person.id),
            stable_id: facts.stable_id.into(),
            issuer: Arc::clone(issuer.name()),
            email: facts.email.map(Into::into),
            name: facts.name.map(Into::into),
            groups: facts.groups,
            session: None,
            credential,
        }
    }

    fn service(
        &self,
        id: ServiceId,
        name: &str,
        groups: BTreeSet<String>,
        issuer: &Arc<str>,
        credential: Credential,
    ) -> Caller {
        Caller {
            org: self.org,
            subject: Subject::Service(id),
            stable_id: name.into(),
            issuer: Arc::clone(issuer),
            email: None,
            name: Some(name.into()),
            groups,
            session: None,
            credential,
        }
    }

    async fn service_key(&self, key: &str, now: Timestamp) -> Result<Arc<Verified>, NotAdmitted> {
        let unknown = || Refusal::plain(ReasonCode::ServiceKeyUnknown);
        let hash = hex(&Opaque::ServiceKey.sha256(key).ok_or_else(unknown)?);
        let known = self
            .store
            .service_key(self.org, &hash)
            .await
            .map_err(unavailable)?
            .ok_or_else(unknown)?;
        let caller = self.service(
            known.service,
            &known.service_name,
            known.groups,
            &OWN_ISSUER.into(),
            Credential::ServiceKey,
        );
        let expires = known.expires.unwrap_or(Timestamp::from_unix_ms(i64::MAX));
        let over = if known.revoked_at.is_some() {
            Some("The service key has been revoked.")
        } else {
            (now >= expires).then_some("The service key has expired.")
        };
        if let Some(over) = over {
            let refusal = Refusal::new(ReasonCode::ServiceKeyUnknown, over);
            return Err(NotAdmitted::known(caller, refusal));
        }
        let is_stale = |used: Timestamp| now.ms_since(used) >= limits::TOKEN_USE_NOTED_MS;
        if known.used_at.is_none_or(is_stale) {
            // What is not noted is noted the next time; nobody is kept out for it.
            let noted = self.store.note_service_key_use(self.org, &hash, now).await;
            let _unnoted = noted.is_err();
        }
        let targets = [Target::Service(known.service), Target::ServiceKey(hash)];
        self.admit(
            caller,
            Times {
                issued: known.created,
                expires,
            },
            &targets,
            None,
            now,
        )
    }

    async fn session(&self, jws: &Jws<'_>, now: Timestamp) -> Result<Arc<Verified>, NotAdmitted> {
        let (mut claims, times) = self.tokens.verify(jws, now)?;
        if !self
            .vouching
            .for_person(&claims.issuer_name, &claims.stable_id)
        {
            return Err(nobody_vouches().into());
        }
        if claims.groups_left_out {
            let person = self
                .store
                .person(self.org, claims.person)
                .await
                .map_err(unavailable)?;
            let person = person.ok_or_else(|| Ended::Access.refusal())?;
            (claims.groups, claims.groups_stated) = (person.groups, person.stated);
            if claims.resource.is_some() {
                (claims.email, claims.name) = (person.email, person.name);
            }
        }
        let (groups, stated) = (claims.groups, claims.groups_stated);
        let (groups, watch) = self
            .memberships
            .join(&self.store, claims.person, groups, stated)
            .await
            .map_err(unavailable)?;
        let caller = Caller {
            org: self.org,
            subject: Subject::Person(claims.person),
            stable_id: claims.stable_id.into(),
            issuer: claims.issuer_name.into(),
            email: claims.email.map(Into::into),
            name: claims.name.map(Into::into),
            groups,
            session: Some(claims.session),
            credential: Credential::Session,
        };
        let targets = [
            Target::Person(claims.person),
            Target::Session(claims.session),
            Target::Everyone,
        ];
        // Measured from the session's beginning: a token refreshed in the very moment of a revocation does not outlive it.
        let times = Times {
            issued: claims.started,
            ..times
        };
        let (caller, live) = self.let_in(caller, &targets, times.issued, now)?;
        let verified = Verified::new(caller, times.expires, live, Some(watch));
        Ok(Arc::new(verified.only_at(claims.resource)))
    }

    fn admit(
        &self,
        caller: Caller,
        times: Times,
        targets: &[Target],
        groups: Option<Arc<Watch>>,
        now: Timestamp,
    ) -> Result<Arc<Verified>, NotAdmitted> {
        let (caller, live) = self.let_in(caller, targets, times.issued, now)?;
        Ok(Arc::new(Verified::new(caller, times.expires, live, groups)))
    }

    /// Notes that a credential of this caller is in use, unless it was taken away.
    fn let_in(
        &self,
        caller: Caller,
        targets: &[Target],
        issued: Timestamp,
        now: Timestamp,
    ) -> Result<(Caller, Arc<Live>), NotAdmitted> {
        match self.revocations.admit(targets, issued, now) {
            Ok(live) => Ok((caller, live)),
            Err(refusal) => Err(NotAdmitted::known(caller, refusal)),
        }
    }
}

/// The session of somebody for whom no issuer vouches that is still configured.
pub(super) fn nobody_vouches() -> Refusal {
    Refusal::new(
        ReasonCode::SessionEnded,
        "The identity provider of this sign-in is not trusted here any more. Sign in again with another.",
    )
}

/// A token from before a sign-out, or one that may be.
fn cut_off(stated: Timestamp, not_before: Timestamp) -> Refusal {
    if stated <= not_before {
        return Ended::Session.refusal();
    }
    Refusal::new(
        ReasonCode::SessionEnded,
        "This token was made within a minute of a sign-out everywhere and does not count. Wait until that minute is over.",
    )
}

/// What to say to credentials that are never accepted, but that people send.
fn not_ours(credential: &str) -> Option<&'static str> {
    if credential.starts_with("sk-ant-") {
        Some("Anthropic API keys are not accepted here; sign in with the company's account.")
    } else if credential.starts_with(Opaque::RefreshToken.prefix()) {
        Some(
            "This is a refresh token; exchange it at the token endpoint instead of sending it with requests.",
        )
    } else if credential.starts_with(Opaque::PersonalToken.prefix())
        || credential.starts_with(Opaque::DirectoryToken.prefix())
    {
        Some(
            "This is a token for the admin API or for SCIM; it does not open Claude. Sign in, or use a service key.",
        )
    } else {
        None
    }
}
