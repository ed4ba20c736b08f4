//! The applications registered at an identity provider, and how each proves itself at the token endpoint.

use domain::Clock;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::net::Ask;
use crate::net::ask::Fields;
use crate::token::{Keys, claims_unchecked};

/// The assertion type of RFC 7523.
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The audience Entra wants in a federated workload token.
pub const FEDERATED_AUDIENCE: &str = "api://AzureADTokenExchange";

/// A registered application.
#[derive(Debug, Clone)]
pub struct App {
    /// Its client id.
    pub client_id: String,
    redirects: Vec<String>,
    native: bool,
    secret: Option<SecretString>,
    assertion_keys: Option<Keys>,
    federations: Vec<Federation>,
}

/// A foreign issuer whose tokens stand in for the application's own secret.
#[derive(Debug, Clone)]
pub struct Federation {
    /// The foreign `iss`.
    pub issuer: String,
    /// The foreign `sub`, exactly.
    pub subject: String,
    /// The foreign issuer's published keys.
    pub keys: Keys,
}

impl App {
    fn new(client_id: &str, native: bool) -> Self {
        Self {
            client_id: client_id.to_owned(),
            redirects: Vec::new(),
            native,
            secret: None,
            assertion_keys: None,
            federations: Vec::new(),
        }
    }

    /// A public client on a person's machine; its loopback redirects fit on any port (RFC 8252, section 7.3).
    pub fn native(client_id: &str, redirect: &str) -> Self {
        Self::new(client_id, true).redirect(redirect)
    }

    /// A confidential client with a secret; its redirects fit exactly.
    pub fn web(client_id: &str, secret: &str, redirect: &str) -> Self {
        Self::new(client_id, false)
            .redirect(redirect)
            .secret(secret)
    }

    /// A client that signs in no people, only itself.
    pub fn machine(client_id: &str) -> Self {
        Self::new(client_id, false)
    }

    /// Adds a redirect address.
    #[must_use]
    pub fn redirect(mut self, redirect: &str) -> Self {
        self.redirects.push(redirect.to_owned());
        self
    }

    /// Sets the secret.
    #[must_use]
    pub fn secret(mut self, secret: &str) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// Lets it prove itself by a JWT signed with one of these keys (`private_key_jwt`).
    #[must_use]
    pub fn assertion_keys(mut self, keys: Keys) -> Self {
        self.assertion_keys = Some(keys);
        self
    }

    /// Lets it prove itself by a foreign issuer's token (workload identity federation).
    #[must_use]
    pub fn federate(mut self, federation: Federation) -> Self {
        self.federations.push(federation);
        self
    }

    /// Whether an authorisation request may name this redirect address.
    pub(crate) fn allows_redirect(&self, asked: &str) -> bool {
        self.redirects.iter().any(|known| {
            known == asked || (self.native && same_but_for_loopback_port(known, asked))
        })
    }

    /// Whether the token request comes from this application. Public clients prove nothing here; PKCE binds them.
    pub(crate) fn is_proven_by(
        &self,
        ask: &Ask,
        form: &Fields,
        endpoint: &str,
        clock: &dyn Clock,
    ) -> bool {
        if form.text("client_assertion_type") == ASSERTION_TYPE {
            return self.asserts(form.text("client_assertion"), endpoint, clock);
        }
        match &self.secret {
            Some(secret) => {
                let basic = ask.basic().map(|(_, password)| password);
                let given = basic.as_deref().or_else(|| form.find("client_secret"));
                given == Some(secret.expose_secret())
            }
            None => self.native,
        }
    }

    fn asserts(&self, assertion: &str, endpoint: &str, clock: &dyn Clock) -> bool {
        let own = self.assertion_keys.as_ref().is_some_and(|keys| {
            keys.verify_for(assertion, clock, &[&self.client_id], &[endpoint])
                .is_ok_and(|claims| claims["sub"] == self.client_id.as_str())
        });
        own || self.federations.iter().any(|federation| {
            federation
                .keys
                .verify_for(
                    assertion,
                    clock,
                    &[&federation.issuer],
                    &[FEDERATED_AUDIENCE],
                )
                .is_ok_and(|claims| claims["sub"] == federation.subject.as_str())
        })
    }
}

/// The client a token request names: in the form, in Basic, or as the subject of its own assertion.
pub(crate) fn named_client(ask: &Ask, form: &Fields) -> Option<String> {
    if let Some(id) = form.find("client_id") {
        return Some(id.to_owned());
    }
    if let Some((id, _)) = ask.basic() {
        return Some(id);
    }
    let claims = claims_unchecked(form.find("client_assertion")?)?;
    claims["sub"].as_str().map(str::to_owned)
}

fn same_but_for_loopback_port(known: &str, asked: &str) -> bool {
    let (Ok(known), Ok(mut asked)) = (Url::parse(known), Url::parse(asked)) else {
        return false;
    };
    let loopback = matches!(known.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    loopback && known.scheme() == "http" && asked.set_port(known.port()).is_ok() && known == asked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_native_app_may_use_any_loopback_port_and_nothing_else() {
        let app = App::native("desktop", "http://127.0.0.1/callback");
        for (asked, allowed) in [
            ("http://127.0.0.1/callback", true),
            ("http://127.0.0.1:53682/callback", true),
            ("http://localhost:53682/callback", false),
            ("http://127.0.0.1:53682/other", false),
            ("http://127.0.0.1:53682/callback?x=1", false),
            ("https://127.0.0.1:53682/callback", false),
            ("http://127.0.0.1.attacker.example/callback", false),
            ("http://127.0.0.1@attacker.example/callback", false),
            ("http://x@127.0.0.1/callback", false),
        ] {
            assert_eq!(app.allows_redirect(asked), allowed, "{asked}");
        }
    }

    #[test]
    fn a_web_app_may_use_its_exact_redirect_only() {
        let app = App::web("doorward", "s", "http://127.0.0.1:8080/oauth/callback");
        assert!(app.allows_redirect("http://127.0.0.1:8080/oauth/callback"));
        assert!(!app.allows_redirect("http://127.0.0.1:8081/oauth/callback"));
    }

    #[test]
    fn an_apps_debug_form_keeps_its_secret() {
        let app = App::web("doorward", "hush-hush", "http://127.0.0.1/");
        assert!(!format!("{app:?}").contains("hush-hush"));
    }
}
