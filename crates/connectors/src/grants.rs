//! A person's own authorisation at a connector, as the door meets it: the token that a call of theirs goes with, or the page on which they
//! connect. Nothing here can make a grant: that takes a person in a browser. Filled in `server`, over `control` and [`crate::oauth`].

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use domain::policy::Connector;
use domain::policy::connectors::Credentials;
use domain::{Caller, Reason, ReasonCode, Refusal, Timestamp, limits};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::approval::{QUESTION, URL_NEEDED};
use crate::envelope;
use crate::headers::Era;
use crate::pins::Held;
use crate::revision::{LEGACY, MODERN};

/// The upstream's session of a client whom nobody has led to the connector yet.
pub const NOBODY_BEHIND: &str = "doorward-nobody-behind";

/// How it stands with a caller's grant.
#[derive(Debug, Clone)]
pub enum Found {
    /// There is one, with this token.
    Token(Token),
    /// They never gave one, or took it back.
    Nothing,
    /// The connector's authorization server no longer accepts it.
    Dead,
}

/// What a call goes with.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token.
    pub bearer: SecretString,
    /// Which one of the grant it is; another after it was renewed.
    pub version: i64,
    /// When its person gave what it comes of: the same as long as it is only renewed. None of an account of Doorward's own.
    pub given: Option<Timestamp>,
}

/// What a person gave and a stream goes on with.
#[derive(Debug, Clone)]
pub struct Giving {
    pub(crate) grants: Arc<dyn Grants>,
    pub(crate) caller: Arc<Caller>,
    pub(crate) connector: Connector,
    pub(crate) given: Timestamp,
}

/// Returns once it was taken back or given anew, is no longer accepted, or nobody could say so for too long; and why. Never where there is
/// none.
pub(crate) async fn taken_back(giving: Option<Giving>) -> ReasonCode {
    let Some(one) = giving else {
        return std::future::pending().await;
    };
    let mut unsure = 0;
    loop {
        sleep(Duration::from_millis(limits::GIVEN_LOOK_MS)).await;
        let stands = one.grants.stands(&one.caller, &one.connector, one.given);
        match timeout(Duration::from_millis(limits::GIVEN_LOOK_MS), stands).await {
            Ok(Ok(true)) => unsure = 0,
            Ok(Ok(false)) => return ReasonCode::GrantNeeded,
            _ if unsure < limits::GIVEN_UNSURE_MAX => unsure += 1,
            Ok(Err(refusal)) => return refusal.code(),
            Err(_) => return ReasonCode::StoreUnavailable,
        }
    }
}

/// What [`Grants::find`] returns.
pub type Finding<'a> = Pin<Box<dyn Future<Output = Result<Found, Refusal>> + Send + 'a>>;

/// What [`Grants::lacks`] and [`Grants::stands`] return.
pub type Judging<'a> = Pin<Box<dyn Future<Output = Result<bool, Refusal>> + Send + 'a>>;

/// Why somebody has to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// They never did, or took it back.
    All,
    /// What they gave is no longer accepted.
    Ended,
    /// What they gave does not cover this.
    More,
}

/// Who knows of people's grants.
pub trait Grants: Debug + Send + Sync {
    /// How it stands with the caller's own at a connector. A token that is about to end is renewed first, and so is the one of the
    /// version that was `refused`.
    fn find<'a>(
        &'a self,
        caller: &'a Caller,
        connector: &'a Connector,
        refused: Option<i64>,
    ) -> Finding<'a>;

    /// Whether what the caller gave then is still theirs, and accepted there.
    fn stands<'a>(
        &'a self,
        caller: &'a Caller,
        connector: &'a Connector,
        given: Timestamp,
    ) -> Judging<'a>;

    /// Notes that the connector refuses it although it was renewed.
    fn is_dead<'a>(
        &'a self,
        caller: &'a Caller,
        connector: &'a Connector,
        version: i64,
    ) -> Finding<'a>;

    /// Notes that the connector wants more for a call than the caller's own covers, in these words of its own. False where connecting anew
    /// would change nothing.
    fn lacks<'a>(
        &'a self,
        caller: &'a Caller,
        connector: &'a Connector,
        scope: &'a str,
    ) -> Judging<'a>;
}

/// The page on which a person connects.
pub fn page(public_url: &str, connector: &Connector) -> String {
    let public_url = public_url.trim_end_matches('/');
    format!("{public_url}/connect/{}", connector.name)
}

/// What whoever calls without one is told.
pub fn refusal(connector: &Connector, public_url: &str, missing: Missing) -> Refusal {
    let page = page(public_url, connector);
    let name = connector.title();
    let is_key = connector.credential == Credentials::ApiKey;
    let text = match missing {
        Missing::All if is_key => format!(
            "You have brought no API key of your own for {name}. Bring one here: {page} , then make the same call again."
        ),
        Missing::Ended if is_key => format!(
            "Your API key is no longer accepted by {name}. Bring another here: {page} , then make the same call again."
        ),
        Missing::All => format!(
            "You have not connected your own account at {name}. Connect here: {page} , then make the same call again."
        ),
        Missing::Ended => format!(
            "Your connection to {name} is no longer accepted there. Reconnect here: {page} , then make the same call again."
        ),
        // What more it wants stands on the page: it is the connector's own words, and a model need not read them.
        Missing::More => format!(
            "{name} wants more for this than your connection covers. Allow it here: {page} , then make the same call again."
        ),
    };
    Refusal::one(Reason::new(ReasonCode::GrantNeeded, text))
}

/// What is told where the connector refuses a person's own account something, and connecting anew would change nothing.
pub fn not_theirs(connector: &Connector) -> Refusal {
    let name = connector.title();
    let text = format!(
        "{name} does not let your own account there do this, and connecting it anew would change nothing."
    );
    Refusal::one(Reason::new(ReasonCode::UpstreamCredential, text))
}

fn message(connector: &Connector) -> String {
    let name = connector.title();
    match connector.credential {
        Credentials::ApiKey => format!("Bring your own API key for {name} to go on."),
        _ => format!("Connect your own account at {name} to go on."),
    }
}

/// A result that asks a modern client to lead its person to the page, and to call again. `id` is the request's, as it is written.
pub fn asks_to_open(id: &str, connector: &Connector, public_url: &str) -> String {
    let question = json!({
        "method": "elicitation/create",
        "params": {"mode": "url", "message": message(connector), "url": page(public_url, connector)},
    });
    let result = json!({"resultType": "input_required", "inputRequests": {QUESTION: question}});
    envelope::result(id, result)
}

/// The error that asks a client with a session to lead its person to the page, and to call again. `elicitation` is an id of its own.
pub fn open_first(id: &str, connector: &Connector, public_url: &str, elicitation: &str) -> String {
    let (text, page) = (message(connector), page(public_url, connector));
    let question =
        json!({"mode": "url", "elicitationId": elicitation, "message": text, "url": page});
    let error = json!({"code": URL_NEEDED, "message": text, "data": {"elicitations": [question]}});
    envelope::error(id, error)
}

/// What is answered in a connector's place to a client whose person has no grant there: greetings, and the list that was last seen of
/// somebody. None for what only the connector itself can answer.
pub fn in_its_place(
    connector: &Connector,
    (id, method, params): (&str, &str, Option<&str>),
    era: Era,
    tools: impl FnOnce() -> Vec<String>,
    public_url: &str,
) -> Option<String> {
    let page = page(public_url, connector);
    let instructions = match connector.credential {
        Credentials::ApiKey => format!(
            "Nothing can be called yet: the person has brought no API key of their own. They bring it at {page} ."
        ),
        _ => format!(
            "Nothing can be called yet: the person's own account is not connected. They connect it at {page} ."
        ),
    };
    let result = match (method, era) {
        ("initialize", Era::Legacy) => json!({
            "protocolVersion": spoken(params),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": connector.name, "title": connector.title(), "version": "0"},
            "instructions": instructions,
        }),
        ("server/discover", Era::Modern) => json!({
            "resultType": "complete", "supportedVersions": [MODERN], "capabilities": {"tools": {}},
            "serverInfo": {"name": connector.name, "title": connector.title(), "version": "0"},
            "instructions": instructions, "ttlMs": 0, "cacheScope": "private",
        }),
        ("ping", _) => json!({}),
        ("tools/list", _) => {
            let tools = tools().join(",");
            let more = match era {
                Era::Legacy => "",
                Era::Modern => {
                    ",\"resultType\":\"complete\",\"ttlMs\":0,\"cacheScope\":\"private\""
                }
            };
            let list = format!("{{\"tools\":[{tools}]{more}}}");
            return Some(envelope::result(id, list));
        }
        _ => return None,
    };
    Some(envelope::result(id, result))
}

/// The version that a client asks for, if it is one of those that are spoken here, and otherwise the newest of them.
pub(crate) fn spoken(params: Option<&str>) -> &'static str {
    let params = params.and_then(|params| serde_json::from_str::<Value>(params).ok());
    let wanted = params
        .as_ref()
        .and_then(|params| params["protocolVersion"].as_str());
    let found = LEGACY.iter().find(|version| Some(**version) == wanted);
    found.copied().unwrap_or(LEGACY[0])
}

/// The definitions of tools that were last listed, by name; what of them a person is shown is for the list to say.
pub fn last_listed(held: &Held) -> impl Iterator<Item = (&str, &str)> {
    let listed = held.actions.iter().filter(|(_, action)| action.is_listed);
    listed.filter_map(|(name, action)| Some((&**name, action.text.as_deref()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connector() -> Connector {
        let text = "[[connector]]\nname = \"crm\"\ntitle = \"Customers\"\nurl = \"https://crm.example/mcp\"\ncredential = \"grant\"\n";
        let policy = domain::Policy::parse(1, text).unwrap();
        policy.document().connector[0].clone()
    }

    #[test]
    fn whoever_has_none_reads_where_to_get_one() {
        for (missing, word) in [
            (Missing::All, "Connect here"),
            (Missing::Ended, "Reconnect here"),
            (Missing::More, "Allow it here"),
        ] {
            let refusal = refusal(&connector(), "https://d.example/", missing);
            let text = refusal.sentence();
            assert_eq!(refusal.code(), ReasonCode::GrantNeeded);
            assert!(text.contains(word), "{text}");
            assert!(text.contains("https://d.example/connect/crm "), "{text}");
        }
    }

    #[test]
    fn in_a_connectors_place_nothing_is_answered_that_only_it_knows() {
        let answered = |method: &str, params: Option<&str>, era: Era| {
            let tools = || vec![r#"{"name":"x"}"#.to_owned()];
            let request = ("7", method, params);
            let text = in_its_place(&connector(), request, era, tools, "https://d.example");
            text.map(|text| serde_json::from_str::<Value>(&text).unwrap())
        };
        let hello = answered(
            "initialize",
            Some(r#"{"protocolVersion":"2025-06-18"}"#),
            Era::Legacy,
        );
        assert_eq!(hello.unwrap()["result"]["protocolVersion"], "2025-06-18");
        let newer = answered(
            "initialize",
            Some(r#"{"protocolVersion":"3000"}"#),
            Era::Legacy,
        );
        assert_eq!(newer.unwrap()["result"]["protocolVersion"], "2025-11-25");
        let list = answered("tools/list", None, Era::Modern).unwrap();
        assert_eq!(list["id"], 7);
        assert_eq!(list["result"]["tools"][0]["name"], "x");
        assert_eq!(list["result"]["cacheScope"], "private");
        let found = answered("server/discover", None, Era::Modern).unwrap();
        assert!(
            found["result"]["instructions"]
                .as_str()
                .unwrap()
                .contains("/connect/crm")
        );
        for method in [
            "resources/list",
            "tools/call",
            "server/discover",
            "logging/setLevel",
        ] {
            assert_eq!(answered(method, None, Era::Legacy), None, "{method}");
        }
    }
}
