//! What people bring to connectors themselves: an authorisation or an API key of their own. Where it is good for, as the one text that it
//! is kept and sealed under, and what can be wrong with where a policy sends a key. Pure; knows no secret.

use super::connectors::{Connector, Credentials};
use crate::limits;

/// What the place of an API key begins with; no address does.
const OF_KEY: &str = "api-key ";

/// Headers that say what a request is, for whom, or how it travels: no key goes there.
const TAKEN: [&str; 21] = [
    "host",
    "cookie",
    "set-cookie",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "origin",
    "referer",
    "forwarded",
    "via",
    "date",
    "range",
    "accept",
    "last-event-id",
    "user-agent",
    "traceparent",
    "tracestate",
];
/// Beginnings of such.
const TAKEN_BEGINNINGS: [&str; 8] = [
    "mcp-",
    "content-",
    "proxy-",
    "sec-",
    "accept-",
    "if-",
    "x-forwarded-",
    "doorward-",
];

/// Whether a place is one of an API key, and not the address of an authorisation.
pub fn is_of_key(place: &str) -> bool {
    place.starts_with(OF_KEY)
}

impl Connector {
    /// Where what people bring themselves is good for: the address, or for a key the header or variable that it goes in and the address or
    /// the whole command of a program, marked as a key's, so that neither is ever taken for the other. None where they bring nothing.
    pub fn own_place(&self) -> Option<String> {
        match (self.credential, &self.url) {
            (Credentials::Grant, Some(url)) => Some(url.clone()),
            (Credentials::ApiKey, Some(url)) => {
                let header = self.header.as_deref().unwrap_or_default();
                let scheme = self.scheme.as_deref().unwrap_or_default();
                Some(format!("{OF_KEY}{header}: {scheme} {url}"))
            }
            (Credentials::ApiKey, None) if !self.command.is_empty() => {
                let command = serde_json::Value::from(self.command.clone());
                let variable = self.variable.as_deref().unwrap_or_default();
                Some(format!("{OF_KEY}{variable} {command}"))
            }
            _ => None,
        }
    }

    /// Whether people bring something of their own.
    pub fn is_personal(&self) -> bool {
        self.own_place().is_some()
    }
}

/// What is wrong with where a connector's API keys go.
pub(super) fn mistaken_key(connector: &Connector, say: &mut dyn FnMut(&str, &str)) {
    let is_key = connector.credential == Credentials::ApiKey;
    let (is_address, is_program) = (connector.url.is_some(), !connector.command.is_empty());
    match &connector.header {
        None if is_key && is_address => say(
            "credential",
            "needs header, the header that each person's key goes in",
        ),
        Some(_) if !is_key || !is_address => {
            say("header", "goes with credential = \"api-key\" and url only");
        }
        Some(header) if !is_header(header) => say(
            "header",
            "must be letters, digits and dashes, at most 64, and no header that says what a request is or how it travels (Host, Cookie, Content-…, Mcp-…)",
        ),
        _ => {}
    }
    match &connector.scheme {
        Some(_) if connector.header.is_none() => say("scheme", "goes with header only"),
        Some(scheme) if !is_word(scheme, 32) => say(
            "scheme",
            "must be one word of letters, digits and dashes, at most 32, as Bearer",
        ),
        _ => {}
    }
    match &connector.variable {
        None if is_key && is_program => say(
            "credential",
            "needs variable, the variable of the environment that each person's key goes in",
        ),
        Some(_) if !is_key || !is_program => say(
            "variable",
            "goes with credential = \"api-key\" and command only",
        ),
        Some(variable) if variable.is_empty() || variable.len() > 64 => {
            say("variable", "must be the name of a variable, at most 64");
        }
        _ => {}
    }
    let is_long = |place: String| place.len() > limits::OWN_PLACE_BYTES_MAX;
    if is_key && is_program && connector.own_place().is_some_and(is_long) {
        say("command", "is too long for people's own keys");
    }
}

fn is_word(text: &str, bytes_max: usize) -> bool {
    let begins = |first: u8| first.is_ascii_alphabetic();
    text.len() <= bytes_max
        && text.bytes().next().is_some_and(begins)
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_header(name: &str) -> bool {
    let small = name.to_ascii_lowercase();
    is_word(name, 64)
        && !TAKEN.contains(&&*small)
        && !TAKEN_BEGINNINGS
            .iter()
            .any(|begins| small.starts_with(begins))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Policy;

    fn parsed(rest: &str) -> Result<Connector, String> {
        let text = format!("[[connector]]\nname = \"crm\"\n{rest}\n");
        let policy = Policy::parse(1, &text).map_err(|error| format!("{error:?}"))?;
        Ok(policy.document().connector[0].clone())
    }

    const AT: &str = "url = \"https://crm.example/mcp\"\ncredential = \"api-key\"\n";
    const BY: &str = "command = [\"/opt/crm\"]\ncredential = \"api-key\"\n";

    #[test]
    fn a_key_goes_in_a_header_of_its_own_and_in_none_that_says_what_a_request_is() {
        for header in ["Authorization", "X-API-Key", "api-token"] {
            assert!(parsed(&format!("{AT}header = \"{header}\"")).is_ok());
        }
        for header in TAKEN.iter().copied().chain([
            "Host",
            "COOKIE",
            "Mcp-Session-Id",
            "content-type",
            "Proxy-Authorization",
            "Sec-Fetch-Site",
            "X-Forwarded-For",
            "",
            "-x",
            "x y",
            "x:y",
            "x\\r\\ny",
            "ключ",
        ]) {
            let found = parsed(&format!("{AT}header = \"{header}\"")).unwrap_err();
            assert!(found.contains("connector[0].header"), "{header}: {found}");
        }
        for scheme in ["", "Bearer ", "a:b", "a\\nb"] {
            let text = format!("{AT}header = \"X-Key\"\nscheme = \"{scheme}\"");
            assert!(parsed(&text).unwrap_err().contains("scheme"), "{scheme}");
        }
    }

    #[test]
    fn where_a_key_goes_is_said_for_an_address_and_for_a_program_in_its_own_way() {
        assert!(parsed(&format!("{BY}variable = \"CRM_KEY\"")).is_ok());
        for (text, key) in [
            (AT.to_owned(), "credential"),
            (BY.to_owned(), "credential"),
            (
                format!("{AT}header = \"X-Key\"\nvariable = \"A\""),
                "variable",
            ),
            (
                format!("{BY}variable = \"A\"\nheader = \"X-Key\""),
                "header",
            ),
            (
                format!("{BY}variable = \"A\"\nscheme = \"Bearer\""),
                "scheme",
            ),
            (
                "url = \"https://crm.example/mcp\"\nheader = \"X-Key\"".to_owned(),
                "header",
            ),
            (
                format!(
                    "command = [\"/opt/crm\", \"{}\"]\ncredential = \"api-key\"\nvariable = \"A\"",
                    "x".repeat(limits::OWN_PLACE_BYTES_MAX)
                ),
                "command",
            ),
        ] {
            let found = parsed(&text).unwrap_err();
            assert!(found.contains(&format!("connector[0].{key}")), "{found}");
        }
    }

    #[test]
    fn a_key_and_a_grant_at_one_address_are_of_two_places() {
        let key = parsed(&format!("{AT}header = \"X-Key\"")).unwrap();
        let grant = parsed(&AT.replace("api-key", "grant")).unwrap();
        let program = parsed(&format!("{BY}variable = \"A\"")).unwrap();
        let shared = parsed("url = \"https://crm.example/mcp\"").unwrap();
        let places = [&key, &grant, &program].map(|one| one.own_place().unwrap());
        assert_eq!(
            places,
            [
                "api-key X-Key:  https://crm.example/mcp",
                "https://crm.example/mcp",
                "api-key A [\"/opt/crm\"]"
            ]
        );
        assert_eq!(places.map(|place| is_of_key(&place)), [true, false, true]);
        assert_eq!((shared.own_place(), shared.is_personal()), (None, false));
    }
}
