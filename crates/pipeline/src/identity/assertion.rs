//! Identity assertions (ID-JAG, draft-ietf-oauth-identity-assertion-authz-grant): the company's identity provider says in one token, made
//! for us alone, that a program may call a connector for a person. Only issuers that were configured for it are believed, and a token made
//! for anything else is none: the type, the audience and the program must be said.
//!
//! It states no groups as a rule, and then changes none. Called by the token endpoint.

use std::sync::Arc;

use domain::{Credential, PersonId, ReasonCode, Refusal, Timestamp, limits};

use super::Identity;
use super::claims::{Claims, wrong};
use super::issuer::{About, Issuer, PersonFacts, Use};
use super::jws::Jws;
use super::revocation::Ended;
use super::unavailable;

/// What an assertion says, its signature checked. It counts once; that is for the store to see to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// Whom it is about.
    pub person: PersonId,
    /// The issuer's configured name.
    pub issuer: Arc<str>,
    /// Its own id.
    pub jti: String,
    /// From when on it is refused anyhow.
    pub expires: Timestamp,
    /// When it was made, as cutoffs are held against it.
    pub made: Timestamp,
    /// The connector's address, where it names one.
    pub resource: Option<String>,
    /// What it allows, where it says so.
    pub scope: Option<String>,
}

impl Identity {
    /// Proves an assertion that a program brings. `server` is our address as an authorization server.
    pub async fn assertion(
        &self,
        text: &str,
        (server, client_id): (&str, &str),
    ) -> Result<Assertion, Refusal> {
        let now = self.clock.now();
        let jws = Jws::parse(text)?;
        let claims = Claims(&jws.claims);
        let issuer = self.issuers.stated(claims.required("iss")?)?;
        if !issuer.config().identity_assertions {
            let text = "This issuer may not let programs in here.";
            return Err(Refusal::new(ReasonCode::TokenIssuer, text));
        }
        if claims.required("client_id")? != client_id {
            return Err(wrong(
                "client_id",
                "is another program than the one that brings it",
            ));
        }
        let jti = claims.required("jti")?.to_owned();
        let proof = issuer.verify(&jws, Use::Assertion { server }, now).await?;
        let About::Person(facts) = proof.about else {
            return Err(Refusal::plain(ReasonCode::WorkloadUnknown));
        };
        let stated = proof.times.issued.min(now);
        let made = proof.times.issued.plus_ms(-limits::CLOCK_SKEW_MS);
        let says_groups = claims.at(&issuer.config().groups_claim).is_some();
        let person = self
            .asserted(issuer, &facts, says_groups, (stated, made, now))
            .await?;
        let text = |name: &str| claims.text(name).map(|text| text.map(str::to_owned));
        Ok(Assertion {
            person,
            issuer: Arc::clone(issuer.name()),
            jti,
            expires: proof.times.expires,
            made,
            resource: text("resource")?,
            scope: text("scope")?,
        })
    }

    /// The person that an assertion is about. What it says nothing of stays as another credential said it.
    async fn asserted(
        &self,
        issuer: &Issuer,
        facts: &PersonFacts,
        says_groups: bool,
        (stated, made, now): (Timestamp, Timestamp, Timestamp),
    ) -> Result<PersonId, Refusal> {
        if !says_groups {
            let known = self
                .store
                .person_by_stable(self.org, issuer.name(), &facts.stable_id);
            if let Some(person) = known.await.map_err(unavailable)? {
                return match person.out_since() {
                    None => Ok(person.id),
                    Some(_) => Err(Ended::Access.refusal()),
                };
            }
        }
        let credential = Credential::IdToken;
        let person = self
            .person(issuer, facts, credential, (stated, made), now)
            .await?;
        Ok(person.id)
    }
}
