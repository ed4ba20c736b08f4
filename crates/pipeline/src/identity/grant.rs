//! Sessions of programs that call connectors: begun by a code that a person's yes was worth, or by what the company's identity provider
//! asserts. Each is bound to one program and one connector; its tokens open nothing else. Called by the token endpoint.

use domain::opaque::sha256;
use domain::{PersonId, ReasonCode, Refusal, SessionId};
use secrecy::SecretString;
use store::{Asserted, AssertionTaken, Began, Bound, Redeem, Redeemed, Target};

use super::assertion::Assertion;
use super::hex;
use super::resource::Resource;
use super::revocation::Ended;
use super::session::{Sessions, Tokens, legible};
use super::unavailable;

/// A code, as a program presents it.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'a> {
    /// Hash of the code.
    pub code_hash: &'a str,
    /// The program, as it has proved or said.
    pub client_id: &'a str,
    /// The redirect address it names, where it names one.
    pub redirect_uri: Option<&'a str>,
    /// The challenge that its verifier makes.
    pub challenge: &'a str,
    /// The connector it names, where it names one.
    pub resource: Option<&'a Resource>,
}

/// What a program learns that presents a code.
#[derive(Debug)]
pub enum Granted {
    /// Let in.
    In(Tokens),
    /// The code is not known, was used, is too old, or was given for something else. In words for whoever looks after the program.
    Refused(&'static str),
    /// The code was given for another connector.
    OtherResource,
}

impl Sessions {
    /// Begins the session of a code. An outage leaves the code as good as it was.
    pub async fn redeem(&self, presented: Presented<'_>) -> Result<Granted, Refusal> {
        let now = self.clock.now();
        let refresh = self.mint(now);
        let redeem = Redeem {
            org: self.org,
            code_hash: presented.code_hash,
            client_id: presented.client_id,
            redirect_uri: presented.redirect_uri,
            challenge: presented.challenge,
            resource: presented.resource.map(Resource::as_str),
            at: now,
            refresh_hash: &refresh.hash,
            refresh_expires: refresh.expires,
        };
        let redeemed = self.store.redeem_code(redeem).await.map_err(unavailable)?;
        Ok(match redeemed {
            Redeemed::Begun(holder) => Granted::In(self.tokens(&holder, refresh.token)?),
            Redeemed::ShutOut => return Err(Refusal::plain(ReasonCode::PersonRevoked)),
            // The store has ended its session for every replica; what is open here is cut before the answer.
            Redeemed::Again(session) => {
                tracing::warn!(%session, "an authorization code was used again; its session is ended");
                self.revocations
                    .apply(&Target::Session(session), now, Ended::Session);
                Granted::Refused(
                    "The code had been used before; its session has been ended for safety.",
                )
            }
            Redeemed::Mismatch => Granted::Refused(
                "The code was given to another client, redirect address or verifier; it is spent.",
            ),
            Redeemed::OtherResource => Granted::OtherResource,
            Redeemed::Expired => Granted::Refused("The code has expired."),
            Redeemed::Unknown => Granted::Refused("This code is not known."),
        })
    }

    /// The token for what an identity provider asserts, once for each assertion; none when this one was taken before. There is no refresh
    /// token: whoever wants to go on asks the identity provider again, which can say no.
    pub async fn assert(
        &self,
        assertion: &Assertion,
        (client_id, client_name): (&str, &str),
        (resource, scope): (&Resource, &str),
    ) -> Result<Option<Brief>, Refusal> {
        let bound = Bound {
            client_id: client_id.to_owned(),
            resource: resource.as_str().to_owned(),
            scope: scope.to_owned(),
            began_by: Began::Assertion,
        };
        let asserted = Asserted {
            org: self.org,
            person: assertion.person,
            issuer: &assertion.issuer,
            jti_hash: &hex(&sha256(assertion.jti.as_bytes())),
            expires: assertion.expires,
            made: assertion.made,
            bound: &bound,
            client_name: &legible(client_name),
            session: self.new_id(),
            at: self.clock.now(),
        };
        let taken = self.store.take_assertion(asserted).await;
        match taken.map_err(unavailable)? {
            AssertionTaken::Again => Ok(None),
            AssertionTaken::ShutOut => Err(Refusal::plain(ReasonCode::PersonRevoked)),
            AssertionTaken::In(holder) => {
                let (access, claims) = self.access(&holder)?;
                Ok(Some(Brief {
                    access,
                    session: claims.session,
                    person: claims.person,
                    scope: bound.scope,
                }))
            }
        }
    }
}

/// What a program gets for an assertion.
#[derive(Debug)]
pub struct Brief {
    /// The session token.
    pub access: SecretString,
    /// The session.
    pub session: SessionId,
    /// The person.
    pub person: PersonId,
    /// What is granted.
    pub scope: String,
}
