//! Connectors themselves: one request to one, and its answer's head judged. The only place where their credentials go out; the caller's
//! own never comes here. Follows no redirect. An action goes out only by [`Upstream::act`], which takes a call whose decision is
//! durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use domain::policy::Connector;
use domain::policy::connectors::{Credentials, Transport};
use domain::{Caller, Ids, Reason, ReasonCode, Refusal, limits};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use pipeline::fetch::{Fetch, FetchError};
use pipeline::identity::{Ended, Live};
use pipeline::{Call, Reserved};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Origin, Url};

use crate::accounts::Accounts;
use crate::grants::{Found, Giving, Grants, Missing, NOBODY_BEHIND, Token, not_theirs, refusal};
use crate::headers::{Era, SESSION};
use crate::line::{Line, Lines};
use crate::oauth::wanted;
use crate::seam::Seam;
use crate::sse::Streams;
use crate::stdio::Programs;

/// A shared header that some connectors want, out of the boot configuration.
#[derive(Debug, Clone)]
pub struct SharedHeader {
    /// Its name.
    pub name: HeaderName,
    /// Its value.
    pub value: SecretString,
    /// Where alone it goes.
    pub origin: Origin,
}

/// The client for connectors, and what it authenticates with.
#[derive(Debug)]
pub struct Upstream {
    pub(crate) fetch: Fetch,
    shared: BTreeMap<String, SharedHeader>,
    grants: Arc<dyn Grants>,
    accounts: Accounts,
    programs: Arc<Programs>,
    public_url: String,
    pub(crate) lines: Lines,
    pub(crate) streams: Streams,
}

/// A request to a connector.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Who it is of: the grant that it goes with is theirs alone.
    pub caller: Arc<Caller>,
    /// Whether what they came in with is still believed.
    pub live: Arc<Live>,
    /// POST, GET or DELETE.
    pub method: Method,
    /// What of the client's headers goes on.
    pub headers: HeaderMap,
    /// The upstream's session.
    pub session: Option<String>,
    /// The message.
    pub body: Bytes,
    /// The age that its client is of, where it goes over a line of Doorward's own.
    pub across: Option<Era>,
}

/// What a connector began to answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// The session it has begun.
    pub session: Option<String>,
    /// Its body.
    pub body: Body,
    /// What it wants more of, where it refuses a token that covers too little.
    pub wants: Option<String>,
    /// How it is put into its client's words, and the line it came over, where it went over one.
    pub seam: Option<(Seam, Arc<Line>)>,
    /// What a stream goes on with that a person can take back.
    pub giving: Option<Giving>,
}

impl Answer {
    /// With nothing but this.
    pub const fn new(status: StatusCode, body: Body) -> Self {
        Self {
            status,
            session: None,
            body,
            wants: None,
            seam: None,
            giving: None,
        }
    }
}

/// A body as it comes.
pub type Coming = UnsyncBoxBody<Bytes, Cut>;

/// An answer has broken off, for this reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer has broken off")]
pub struct Cut(pub ReasonCode);

/// The body, by what it says it is.
#[derive(Debug)]
pub enum Body {
    /// One JSON text, to be read whole.
    Json(Coming),
    /// Events.
    Events(Coming),
    /// Nothing, or nothing that can be understood.
    Nothing,
}

impl Upstream {
    /// With a client, the shared headers by the names that the policy calls them, the programs that may run, people's grants with the origin
    /// that leads to the page where they connect, accounts of Doorward's own, and randomness.
    pub fn new(
        fetch: Fetch,
        shared: BTreeMap<String, SharedHeader>,
        programs: Arc<Programs>,
        (grants, public_url): (Arc<dyn Grants>, &str),
        accounts: Accounts,
        ids: Arc<dyn Ids>,
    ) -> Self {
        Self {
            fetch,
            shared,
            grants,
            accounts,
            programs,
            public_url: public_url.to_owned(),
            lines: Lines::default(),
            streams: Streams::new(ids),
        }
    }

    /// Refuses a call for which its caller has to connect first.
    pub async fn ready(&self, connector: &Connector, caller: &Caller) -> Result<(), Refusal> {
        self.token(connector, caller, None).await.map(|_| ())
    }

    /// The token of the caller's grant, or of an account of Doorward's own, for a connector that wants one.
    async fn token(
        &self,
        connector: &Connector,
        caller: &Caller,
        refused: Option<i64>,
    ) -> Result<Option<Token>, Refusal> {
        match connector.credential {
            Credentials::None | Credentials::Header => return Ok(None),
            Credentials::ServiceAccount => {
                return self.accounts.find(connector, refused).await.map(Some);
            }
            Credentials::Grant | Credentials::ApiKey => {}
        }
        match self.grants.find(caller, connector, refused).await? {
            Found::Token(token) => Ok(Some(token)),
            Found::Nothing => Err(refusal(connector, &self.public_url, Missing::All)),
            Found::Dead => Err(refusal(connector, &self.public_url, Missing::Ended)),
        }
    }

    /// Connectors that are programs.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Sends an action. Only a call whose decision is durable can.
    pub async fn act(
        &self,
        call: &mut Call<Reserved>,
        connector: &Connector,
        outgoing: Outgoing,
    ) -> Result<Answer, Refusal> {
        let (_, running) = call.leaving();
        running.leaves();
        let live = Arc::clone(&outgoing.live);
        // What it waits for first may take a while: whoever is shut out meanwhile does nothing more.
        tokio::select! {
            biased;
            ended = live.revoked() => Err(Refusal::plain(match ended {
                Ended::Session => ReasonCode::SessionEnded,
                Ended::Access => ReasonCode::PersonRevoked,
            })),
            sent = self.talk(connector, outgoing) => sent,
        }
    }

    /// Refuses what the connector wants more for than the caller's grant covers, with the word where they allow that.
    pub async fn covered(
        &self,
        connector: &Connector,
        caller: &Caller,
        answer: Answer,
    ) -> Result<Answer, Refusal> {
        let Some(scope) = answer.wants.as_deref() else {
            return Ok(answer);
        };
        if connector.credential != Credentials::Grant {
            return Ok(answer);
        }
        let lacks = self.grants.lacks(caller, connector, scope).await?;
        Err(if lacks {
            refusal(connector, &self.public_url, Missing::More)
        } else {
            not_theirs(connector)
        })
    }

    /// Sends what does nothing: a greeting, a list, an answer to what the connector asked.
    pub async fn talk(&self, connector: &Connector, outgoing: Outgoing) -> Result<Answer, Refusal> {
        match outgoing.across {
            None => self.send(connector, outgoing).await,
            Some(client) => self.across(connector, outgoing, client).await,
        }
    }

    /// Sends a request; a token that is refused is renewed once, and the request goes out once more.
    pub(crate) async fn send(
        &self,
        connector: &Connector,
        outgoing: Outgoing,
    ) -> Result<Answer, Refusal> {
        if !connector.command.is_empty() {
            let caller = Arc::clone(&outgoing.caller);
            let key = self.token(connector, &caller, None);
            return self.programs.send(connector, outgoing, key).await;
        }
        let caller = &outgoing.caller;
        let token = self.token(connector, caller, None).await?;
        if outgoing.session.as_deref() == Some(NOBODY_BEHIND) {
            // It began without a grant; now there is one, and with it a session of the connector's own to begin.
            return Err(Refusal::plain(ReasonCode::McpSessionUnknown));
        }
        let answer = self.once(connector, &outgoing, token.as_ref()).await?;
        let Some(token) = token.filter(|_| answer.status == StatusCode::UNAUTHORIZED) else {
            return Ok(answer);
        };
        let newer = self.token(connector, caller, Some(token.version)).await?;
        let again = self.once(connector, &outgoing, newer.as_ref()).await?;
        if again.status == StatusCode::UNAUTHORIZED
            && let Some(newer) = newer
        {
            let version = newer.version;
            if connector.credential == Credentials::ServiceAccount {
                self.accounts.note_refused(connector, version).await;
                return Ok(again);
            }
            self.grants.is_dead(caller, connector, version).await?;
            return Err(refusal(connector, &self.public_url, Missing::Ended));
        }
        Ok(again)
    }

    async fn once(
        &self,
        connector: &Connector,
        outgoing: &Outgoing,
        token: Option<&Token>,
    ) -> Result<Answer, Refusal> {
        let answer = match connector.transport {
            Transport::Sse => self.by_stream(connector, outgoing, token).await?,
            Transport::Http => self.by_itself(connector, outgoing, token).await?,
        };
        let goes_on = matches!(answer.body, Body::Events(_));
        let token = token.filter(|_| goes_on);
        Ok(Answer {
            giving: self.giving(connector, &outgoing.caller, token),
            ..answer
        })
    }

    /// What a person gave, to look whether it stands; none where nobody did.
    pub(crate) fn giving(
        &self,
        connector: &Connector,
        caller: &Arc<Caller>,
        token: Option<&Token>,
    ) -> Option<Giving> {
        Some(Giving {
            grants: Arc::clone(&self.grants),
            caller: Arc::clone(caller),
            connector: connector.clone(),
            given: token?.given?,
        })
    }

    async fn by_itself(
        &self,
        connector: &Connector,
        outgoing: &Outgoing,
        token: Option<&Token>,
    ) -> Result<Answer, Refusal> {
        let url = address(connector)?;
        let mut request = http::Request::new(Full::new(outgoing.body.clone()));
        *request.method_mut() = outgoing.method.clone();
        *request.headers_mut() = outgoing.headers.clone();
        if let Some(session) = &outgoing.session {
            let value = HeaderValue::from_str(session);
            let value = value.map_err(|_| Refusal::plain(ReasonCode::McpSessionUnknown))?;
            request.headers_mut().insert(SESSION, value);
        }
        self.authenticate(connector, token, request.headers_mut())?;
        let answer = self.fetch.stream(&url, request, limits::MCP_HEADERS_MS);
        let response = answer.await.map_err(|error| unreached(connector, &error))?;
        let (head, body) = response.into_parts();
        let broken = |_| Cut(ReasonCode::UpstreamUnavailable);
        let body = body.map_err(broken).boxed_unsync();
        let session = head.headers.get(SESSION);
        let body = match head.headers.get(header::CONTENT_TYPE).map(media_type) {
            Some(kind) if kind == "application/json" => Body::Json(body),
            Some(kind) if kind == "text/event-stream" => Body::Events(body),
            _ => Body::Nothing,
        };
        Ok(Answer {
            session: session
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
            wants: wanted(&head.headers).filter(|_| head.status == StatusCode::FORBIDDEN),
            ..Answer::new(head.status, body)
        })
    }

    pub(crate) fn authenticate(
        &self,
        connector: &Connector,
        token: Option<&Token>,
        headers: &mut HeaderMap,
    ) -> Result<(), Refusal> {
        match connector.credential {
            Credentials::None => Ok(()),
            Credentials::Header => {
                let secret = connector.secret.as_deref().unwrap_or_default();
                let shared = self.shared.get(secret).ok_or_else(|| {
                    tracing::error!(
                        connector = connector.name,
                        secret,
                        "the boot configuration has no such [[connector_secret]]"
                    );
                    Refusal::plain(ReasonCode::UpstreamCredential)
                })?;
                if address(connector)?.origin() != shared.origin {
                    tracing::error!(
                        connector = connector.name,
                        secret,
                        "the [[connector_secret]] is for another origin than the policy's address"
                    );
                    return Err(Refusal::plain(ReasonCode::UpstreamCredential));
                }
                let mut value = HeaderValue::from_str(shared.value.expose_secret())
                    .map_err(|_| Refusal::plain(ReasonCode::UpstreamCredential))?;
                value.set_sensitive(true);
                headers.insert(shared.name.clone(), value);
                Ok(())
            }
            Credentials::Grant | Credentials::ServiceAccount | Credentials::ApiKey => {
                let token =
                    token.ok_or_else(|| refusal(connector, &self.public_url, Missing::All))?;
                let (name, value) = carried(connector, token)
                    .ok_or_else(|| Refusal::plain(ReasonCode::UpstreamCredential))?;
                headers.insert(name, value);
                Ok(())
            }
        }
    }
}

/// The header that a token or a person's own key goes in; none where the policy or the key has what no header can.
fn carried(connector: &Connector, token: &Token) -> Option<(HeaderName, HeaderValue)> {
    let secret = token.bearer.expose_secret();
    let (name, scheme) = match connector.credential {
        Credentials::ApiKey => {
            let name = connector.header.as_deref()?;
            (name.parse().ok()?, connector.scheme.as_deref())
        }
        _ => (header::AUTHORIZATION, Some("Bearer")),
    };
    let mut value = match scheme {
        Some(scheme) => HeaderValue::try_from(format!("{scheme} {secret}")).ok()?,
        None => HeaderValue::from_str(secret).ok()?,
    };
    value.set_sensitive(true);
    Some((name, value))
}

/// Where a connector is reached; refused for what is not spoken to yet, never guessed.
fn address(connector: &Connector) -> Result<Url, Refusal> {
    let Some(url) = &connector.url else {
        return Err(Refusal::plain(ReasonCode::UpstreamUnavailable));
    };
    Url::parse(url).map_err(|_| Refusal::plain(ReasonCode::UpstreamUnavailable))
}

pub(crate) fn unreached(connector: &Connector, error: &FetchError) -> Refusal {
    tracing::warn!(
        connector = connector.name,
        error = error.chain(),
        "a connector is not reached"
    );
    Refusal::plain(match error {
        FetchError::Timeout(_) => ReasonCode::UpstreamTimeout,
        _ => ReasonCode::UpstreamUnavailable,
    })
}

pub(crate) fn media_type(value: &HeaderValue) -> String {
    let text = value.to_str().unwrap_or_default();
    let kind = text.split(';').next().unwrap_or_default();
    kind.trim().to_ascii_lowercase()
}

/// The whole of a JSON answer, within its bound and its time.
pub async fn whole(body: Coming) -> Result<Bytes, Refusal> {
    let body = Limited::new(body, limits::MCP_MESSAGE_BYTES_MAX).collect();
    let time = std::time::Duration::from_millis(limits::MCP_HEADERS_MS);
    let collected = tokio::time::timeout(time, body)
        .await
        .map_err(|_| Refusal::plain(ReasonCode::UpstreamTimeout))?;
    collected
        .map(http_body_util::Collected::to_bytes)
        .map_err(|_| Refusal::plain(ReasonCode::UpstreamGarbled))
}

/// What an answer's status comes to where it brings no message that could be passed on.
pub fn refusal_of_status(status: StatusCode, had_session: bool) -> Refusal {
    match status {
        StatusCode::NOT_FOUND if had_session => Refusal::plain(ReasonCode::McpSessionUnknown),
        StatusCode::METHOD_NOT_ALLOWED => Refusal::plain(ReasonCode::MethodNotAllowed),
        // Its 401 is about our credential, and never a bad login of the person.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Refusal::plain(ReasonCode::UpstreamCredential)
        }
        status if status.is_redirection() => Refusal::one(Reason::new(
            ReasonCode::UpstreamGarbled,
            "The connector answered with a redirect, which is never followed.",
        )),
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Refusal::plain(ReasonCode::UpstreamUnavailable)
        }
        _ => Refusal::plain(ReasonCode::UpstreamGarbled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_connector_says_of_our_credential_is_never_a_bad_login() {
        for (status, session, code) in [
            (401, false, ReasonCode::UpstreamCredential),
            (403, true, ReasonCode::UpstreamCredential),
            (404, true, ReasonCode::McpSessionUnknown),
            (404, false, ReasonCode::UpstreamGarbled),
            (405, false, ReasonCode::MethodNotAllowed),
            (302, false, ReasonCode::UpstreamGarbled),
            (429, false, ReasonCode::UpstreamUnavailable),
            (503, false, ReasonCode::UpstreamUnavailable),
            (200, false, ReasonCode::UpstreamGarbled),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(refusal_of_status(status, session).code(), code, "{status}");
        }
    }

    #[test]
    fn a_media_type_is_read_without_its_parameters() {
        for (text, kind) in [
            ("application/json; charset=utf-8", "application/json"),
            ("Text/Event-Stream", "text/event-stream"),
            ("text/event-streams", "text/event-streams"),
        ] {
            assert_eq!(media_type(&HeaderValue::from_static(text)), kind);
        }
    }
}
