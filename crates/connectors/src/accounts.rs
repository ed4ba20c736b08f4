//! Doorward's own account at a connector, where the policy has everybody's calls go out as one: a token that Doorward asks for as itself
//! (RFC 6749, section 4.4), for the scope that the operator declared. Kept in memory alone, asked for by one of those who need it, and
//! renewed before it ends; a server that says no is left alone for a moment. Called by [`crate::upstream`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::policy::Connector;
use domain::{Clock, ReasonCode, Refusal, Timestamp, limits};
use pipeline::fetch::FetchError;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use crate::grants::Token;
use crate::oauth::{At, OauthClient, Tokens, Unlinked};

/// What is held of each connector's account, by its name and address.
type Held = BTreeMap<(String, String), Arc<tokio::sync::Mutex<Account>>>;

/// The accounts, for as long as the process lives.
#[derive(Debug)]
pub struct Accounts {
    oauth: Arc<OauthClient>,
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Account {
    token: Option<Token>,
    /// From when on another one is asked for.
    renew: Option<Timestamp>,
    /// How many were had.
    version: i64,
    /// Until when nobody asks for another, and why.
    failed: Option<(Timestamp, ReasonCode)>,
}

impl Account {
    /// The token, where it is good and not the one that was refused.
    fn good(&self, now: Timestamp, refused: Option<i64>) -> Option<Token> {
        let token = self.token.as_ref()?;
        let is_good = refused != Some(token.version) && self.renew.is_none_or(|at| now < at);
        is_good.then(|| token.clone())
    }

    fn keep(&mut self, tokens: Tokens, now: Timestamp) -> Token {
        self.version += 1;
        self.renew = tokens.expires(now).map(|end| {
            let life = end.ms_since(now);
            end.plus_ms(-limits::GRANT_EARLY_MS.min(life / 2))
        });
        self.failed = None;
        let token = Token {
            bearer: tokens.kept.access,
            version: self.version,
            given: None,
        };
        self.token = Some(token.clone());
        token
    }

    fn fail(&mut self, now: Timestamp, code: ReasonCode) -> Refusal {
        self.failed = Some((now.plus_ms(limits::ACCOUNT_AGAIN_MS), code));
        Refusal::plain(code)
    }
}

impl Accounts {
    /// With the client that knows which accounts were set up.
    pub fn new(oauth: Arc<OauthClient>, clock: Arc<dyn Clock>) -> Self {
        Self {
            oauth,
            clock,
            held: Mutex::default(),
        }
    }

    /// The token of a connector's account; another one than the one that was `refused`.
    pub(crate) async fn find(
        &self,
        connector: &Connector,
        refused: Option<i64>,
    ) -> Result<Token, Refusal> {
        // Whoever comes while one is asked for waits for it.
        let account = self.place(connector).lock_owned().await;
        let now = self.clock.now();
        if let Some(token) = account.good(now, refused) {
            return Ok(token);
        }
        if let Some((until, code)) = account.failed
            && now < until
        {
            return Err(Refusal::plain(code));
        }
        let asking = Asking {
            oauth: Arc::clone(&self.oauth),
            clock: Arc::clone(&self.clock),
            connector: connector.name.clone(),
            address: connector.url.clone().unwrap_or_default(),
        };
        // It goes on when whoever waits for it leaves: others wait too, and a no must be known.
        let asked = tokio::spawn(asking.ask(account)).await;
        asked.unwrap_or_else(|_| Err(Refusal::plain(ReasonCode::Internal)))
    }

    /// Notes that the connector refuses a token that is new. Whose calls it takes go on; for a moment nobody asks for another one.
    pub(crate) async fn note_refused(&self, connector: &Connector, version: i64) {
        let mut account = self.place(connector).lock_owned().await;
        if account.version == version {
            tracing::error!(
                connector = connector.name,
                "a connector refuses a new token of Doorward's own account there"
            );
            account.fail(self.clock.now(), ReasonCode::UpstreamCredential);
        }
    }

    fn place(&self, connector: &Connector) -> Arc<tokio::sync::Mutex<Account>> {
        let address = connector.url.clone().unwrap_or_default();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        // Connectors come and go with the policy: what is not in use may be asked for anew.
        if held.len() >= limits::CONNECTORS_MAX {
            held.retain(|_, account| Arc::strong_count(account) > 1);
        }
        let place = held.entry((connector.name.clone(), address)).or_default();
        Arc::clone(place)
    }
}

/// One that asks for a token.
struct Asking {
    oauth: Arc<OauthClient>,
    clock: Arc<dyn Clock>,
    connector: String,
    address: String,
}

impl Asking {
    async fn ask(self, mut account: OwnedMutexGuard<Account>) -> Result<Token, Refusal> {
        let at = At {
            name: &self.connector,
            address: &self.address,
        };
        let time = Duration::from_millis(limits::ACCOUNT_MS);
        let asked = timeout(time, self.oauth.account(at)).await;
        let now = self.clock.now();
        let error = match asked {
            Ok(Ok(tokens)) => return Ok(account.keep(tokens, now)),
            Ok(Err(error)) => error,
            Err(_) => {
                tracing::warn!(
                    connector = self.connector,
                    "no token of Doorward's own account at a connector can be had in time"
                );
                return Err(account.fail(now, ReasonCode::UpstreamTimeout));
            }
        };
        tracing::warn!(
            connector = self.connector,
            error = &error as &dyn std::error::Error,
            "no token of Doorward's own account at a connector can be had"
        );
        Err(account.fail(now, code_of(&error)))
    }
}

const fn code_of(error: &Unlinked) -> ReasonCode {
    match error {
        Unlinked::Unasked(FetchError::Timeout(_)) => ReasonCode::UpstreamTimeout,
        Unlinked::Unasked(_) => ReasonCode::UpstreamUnavailable,
        _ => ReasonCode::UpstreamCredential,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::Kept;

    fn tokens(expires_in_s: Option<u32>) -> Tokens {
        let kept = r#"{"access":"a","resource":"","token_endpoint":"","client":{"id":"a","method":"none","is_set_up":false,"secret":null}}"#;
        Tokens {
            kept: Kept::read(&kept.to_owned().into()).unwrap(),
            scope: String::new(),
            expires_in_s,
        }
    }

    #[test]
    fn a_token_is_good_until_shortly_before_its_end_and_never_once_refused() {
        let at = Timestamp::from_unix_ms;
        for (life_s, until_ms) in [
            (Some(3_600), 3_540_000),
            (Some(120), 60_000),
            (Some(10), 5_000),
            (None, i64::MAX),
        ] {
            let mut account = Account::default();
            account.keep(tokens(life_s), at(0));
            assert!(account.good(at(until_ms - 1), None).is_some(), "{life_s:?}");
            assert!(life_s.is_none() || account.good(at(until_ms), None).is_none());
            assert!(account.good(at(0), Some(1)).is_none());
            account.fail(at(0), ReasonCode::UpstreamCredential);
            assert!(
                account.good(at(0), None).is_some(),
                "what others use goes on"
            );
            account.keep(tokens(life_s), at(0));
            assert!(account.failed.is_none() && account.good(at(0), Some(1)).is_some());
        }
    }
}
