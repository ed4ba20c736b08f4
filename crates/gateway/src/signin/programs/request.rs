//! What a program asks for at the authorization endpoint (RFC 6749, section 4.1.1, with PKCE and RFC 8707), read from the query, pure.
//!
//! It comes in two steps, because an error may be sent to the program only once its address is known to be its own: [`Query`] is what
//! stands there, once each; [`check`] is the rest.

use domain::limits;
use pipeline::identity::Resource;
use pipeline::identity::resource::SCOPE;
use serde::{Deserialize, Serialize};

/// The scope that asks to go on after the first token. Sessions always may; it is granted so that programs are not told they may not.
const OFFLINE: &str = "offline_access";
/// Characters of a SHA-256 in base64url.
const CHALLENGE_CHARS: usize = 43;

/// The query, each name once but `resource`.
#[derive(Debug, Clone, Default)]
pub struct Query {
    fields: Vec<(String, String)>,
    text: String,
}

impl Query {
    /// Reads a query.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            if fields.len() == limits::FORM_FIELDS_MAX {
                return Err("The address has too many parameters.");
            }
            // Two of a name, and whoever reads the first sees another request than whoever reads the last.
            if name != "resource" && fields.iter().any(|(known, _)| *known == name) {
                return Err("A parameter stands twice in the address.");
            }
            fields.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self {
            fields,
            text: text.to_owned(),
        })
    }

    /// A parameter; the empty text when it is not there.
    pub fn field(&self, name: &str) -> &str {
        let mut fields = self.fields.iter();
        let found = fields.find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        let of_name = move |(known, _): &&(String, String)| known == name;
        self.fields
            .iter()
            .filter(of_name)
            .map(|(_, value)| &**value)
    }

    /// As it came, for a form that sends it again.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// A request that is in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The program.
    pub client_id: String,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// PKCE, `S256`.
    pub challenge: String,
    /// What comes back as it was.
    pub state: Option<String>,
    /// The connector's address.
    pub resource: String,
    /// What is granted.
    pub scope: String,
}

/// What is wrong with a request, as the program is told (RFC 6749, section 4.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrong {
    /// OAuth's code.
    pub code: &'static str,
    /// In words.
    pub text: &'static str,
}

const fn wrong(code: &'static str, text: &'static str) -> Wrong {
    Wrong { code, text }
}

/// The request, when it is in order. Which program it is and where the answer may go is for the caller to have checked.
pub fn check(query: &Query, public_url: &str) -> Result<Asked, Wrong> {
    if !query.field("request").is_empty() || !query.field("request_uri").is_empty() {
        let code = "request_not_supported";
        return Err(wrong(code, "Request objects are not taken here."));
    }
    if query.field("response_type") != "code" {
        let code = "unsupported_response_type";
        return Err(wrong(code, "The response type must be code."));
    }
    if !matches!(query.field("response_mode"), "" | "query") {
        return Err(wrong("invalid_request", "The response mode must be query."));
    }
    if query.field("code_challenge_method") != "S256" {
        return Err(wrong(
            "invalid_request",
            "PKCE with the method S256 is needed.",
        ));
    }
    let challenge = query.field("code_challenge");
    let is_hash = challenge.len() == CHALLENGE_CHARS
        && challenge
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if !is_hash {
        return Err(wrong(
            "invalid_request",
            "The code challenge is no SHA-256 in base64url.",
        ));
    }
    let state = query.all("state").next().map(str::to_owned);
    if state
        .as_ref()
        .is_some_and(|state| state.len() > limits::OAUTH_STATE_BYTES_MAX)
    {
        return Err(wrong("invalid_request", "The state is too long."));
    }
    let resource = resource(query.all("resource"), public_url)?.ok_or_else(|| {
        wrong(
            "invalid_target",
            "Name the connector in the parameter resource.",
        )
    })?;
    Ok(Asked {
        client_id: query.field("client_id").to_owned(),
        redirect_uri: query.field("redirect_uri").to_owned(),
        challenge: challenge.to_owned(),
        state,
        resource: resource.as_str().to_owned(),
        scope: granted(query.field("scope")),
    })
}

/// The one connector that is named, however often (RFC 8707, section 2).
pub fn resource<'r>(
    named: impl Iterator<Item = &'r str>,
    public_url: &str,
) -> Result<Option<Resource>, Wrong> {
    let mut found: Option<Resource> = None;
    for text in named {
        let not_ours = wrong(
            "invalid_target",
            "The resource is no connector of this gateway.",
        );
        let resource = Resource::parse(public_url, text).ok_or(not_ours)?;
        if found.as_ref().is_some_and(|known| *known != resource) {
            return Err(wrong(
                "invalid_target",
                "A token is for one resource; several are named.",
            ));
        }
        found = Some(resource);
    }
    Ok(found)
}

/// What is granted of what is asked: calling the connector, whatever else is named, and going on where that is named.
pub fn granted(asked: &str) -> String {
    let goes_on = asked.split(' ').any(|scope| scope == OFFLINE);
    let offline = if goes_on {
        format!(" {OFFLINE}")
    } else {
        String::new()
    };
    format!("{SCOPE}{offline}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "https://ai.example";
    const GOOD: [(&str, &str); 7] = [
        ("response_type", "code"),
        ("client_id", "c"),
        ("redirect_uri", "http://localhost:1/cb"),
        (
            "code_challenge",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        ),
        ("code_challenge_method", "S256"),
        ("state", "s"),
        ("resource", "https://ai.example/mcp/tasks"),
    ];

    fn query(change: &[(&str, Option<&str>)]) -> Query {
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in GOOD {
            let changed = change.iter().find(|(changed, _)| *changed == name);
            if let Some(value) = changed.map_or(Some(value), |(_, value)| *value) {
                text.append_pair(name, value);
            }
        }
        for (name, value) in change {
            if let (false, Some(value)) = (GOOD.iter().any(|(good, _)| good == name), value) {
                text.append_pair(name, value);
            }
        }
        Query::read(&text.finish()).unwrap()
    }

    fn check_code(change: &[(&str, Option<&str>)], expected: &str) {
        let found = check(&query(change), OURS);
        let code = found.as_ref().map_or_else(|wrong| wrong.code, |_| "");
        assert_eq!(code, expected, "{change:?}");
    }

    #[test]
    fn a_request_without_pkce_by_sha256_is_refused() {
        check_code(&[], "");
        check_code(&[("code_challenge", None)], "invalid_request");
        check_code(&[("code_challenge_method", None)], "invalid_request");
        check_code(
            &[("code_challenge_method", Some("plain"))],
            "invalid_request",
        );
        check_code(&[("code_challenge", Some("short"))], "invalid_request");
        let padded = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c=";
        check_code(&[("code_challenge", Some(padded))], "invalid_request");
    }

    #[test]
    fn a_token_is_asked_for_one_connector_of_ours() {
        check_code(&[("resource", None)], "invalid_target");
        check_code(
            &[("resource", Some("https://evil.example/mcp/tasks"))],
            "invalid_target",
        );
        check_code(
            &[("resource", Some("https://ai.example/v1/messages"))],
            "invalid_target",
        );
        let two = format!(
            "{}&resource=https://ai.example/mcp/mail",
            query(&[]).as_str()
        );
        let refused = check(&Query::read(&two).unwrap(), OURS).unwrap_err();
        assert_eq!(refused.code, "invalid_target");
        let same = format!(
            "{}&resource=https://AI.example/mcp/tasks",
            query(&[]).as_str()
        );
        let asked = check(&Query::read(&same).unwrap(), OURS).unwrap();
        assert_eq!(asked.resource, "https://ai.example/mcp/tasks");
    }

    #[test]
    fn nothing_but_a_code_in_the_query_is_given_and_request_objects_are_not_read() {
        check_code(
            &[("response_type", Some("token"))],
            "unsupported_response_type",
        );
        check_code(
            &[("response_type", Some("code id_token"))],
            "unsupported_response_type",
        );
        check_code(&[("response_mode", Some("fragment"))], "invalid_request");
        check_code(&[("request", Some("x.y.z"))], "request_not_supported");
        let long = "s".repeat(limits::OAUTH_STATE_BYTES_MAX + 1);
        check_code(&[("state", Some(&long))], "invalid_request");
    }

    #[test]
    fn a_parameter_that_stands_twice_spoils_the_address() {
        for name in ["client_id", "redirect_uri", "state", "code_challenge"] {
            let text = format!("{}&{name}=x", query(&[]).as_str());
            assert!(Query::read(&text).is_err(), "{name}");
        }
    }

    #[test]
    fn no_scope_gives_more_than_calling_the_connector() {
        assert_eq!(granted(""), "mcp");
        assert_eq!(granted("openid profile admin *"), "mcp");
        assert_eq!(granted("mcp offline_access"), "mcp offline_access");
    }
}
