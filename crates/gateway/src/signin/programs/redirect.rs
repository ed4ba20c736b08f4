//! Where the answer to a program may be sent: `https`, or a listener on the person's own computer. An address counts only as it was
//! registered, letter by letter; of a loopback address the port alone may differ (RFC 8252, section 7.3), because programs listen on
//! whichever is free. Pure; called before anything is ever sent anywhere.

use domain::limits;
use url::{Host, Url};

/// An address that a program registered, or that answers may go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    text: String,
    url: Url,
}

impl Redirect {
    /// Reads an address; why not, when answers may not go there. `ours` is our own origin, which is no program's.
    pub fn parse(ours: &str, text: &str) -> Result<Self, &'static str> {
        if text.len() > limits::OAUTH_URI_BYTES_MAX {
            return Err("is too long");
        }
        // What a browser would read in another way than we do is nobody's address.
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic())
            && !text.contains(['\\', '"', '<', '>', '`', '{', '}', '|', '^']);
        let url = Url::parse(text).map_err(|_| "is not a URL")?;
        let written = url.as_str() == text || url.as_str().strip_suffix('/') == Some(text);
        if !is_plain || !written {
            return Err("is not written as URLs are");
        }
        if url.fragment().is_some() {
            return Err("has a fragment");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("names a user");
        }
        if url.origin().ascii_serialization() == ours {
            return Err("is this gateway itself");
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            _ => return Err("is neither https nor http on this computer"),
        }
        Ok(Self {
            text: text.to_owned(),
            url,
        })
    }

    /// Whether a program that registered this may be answered at `asked`.
    pub fn covers(&self, asked: &Self) -> bool {
        if self.text == asked.text {
            return true;
        }
        let any_port = |url: &Url| {
            let mut url = url.clone();
            let _always_has_one = url.set_port(None);
            url
        };
        self.is_loopback() && asked.is_loopback() && any_port(&self.url) == any_port(&asked.url)
    }

    /// Whether it leads to a program on the person's own computer.
    pub fn is_loopback(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// The host, for people to read.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The origin, which a form may lead to.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address with an answer in its query.
    pub fn with(&self, answer: &[(&str, &str)]) -> Url {
        let mut url = self.url.clone();
        url.query_pairs_mut().extend_pairs(answer);
        url
    }
}

/// The names that mean this computer to a browser. `localhost` is one: Claude Code uses it.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "https://ai.example";

    fn read(text: &str) -> Redirect {
        Redirect::parse(OURS, text).unwrap_or_else(|why| panic!("{text} {why}"))
    }

    #[test]
    fn answers_go_to_https_and_to_this_computer_alone() {
        for text in [
            "https://claude.ai/api/mcp/auth_callback",
            "https://claude.com/api/mcp/auth_callback",
            "https://app.example:8443/cb?x=1",
            "https://app.example",
            "http://localhost:33418/callback",
            "http://127.0.0.1:1/callback",
            "http://[::1]:1/callback",
        ] {
            assert_eq!(read(text).as_str(), text);
        }
        for text in [
            "",
            "claude.ai/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "cursor://anysphere.cursor-mcp/cb",
            "http://app.example/cb",
            "http://localhost.example/cb",
            "http://127.0.0.1.example/cb",
            "https://app.example/cb#x",
            "https://me@app.example/cb",
            "https://app.example/a/../cb",
            "https://app.example\\@evil.example/cb",
            "https://app.example/c b",
            "https://APP.example/cb",
            "https://app.example:443/cb",
            "https://ai.example/oauth/callback",
            "http://0x7f.1/cb",
            "https://аpp.example/cb",
        ] {
            assert!(Redirect::parse(OURS, text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_counts_letter_by_letter_and_only_a_loopback_port_may_differ() {
        let check = |registered: &str, asked: &str, expected: bool| {
            assert_eq!(
                read(registered).covers(&read(asked)),
                expected,
                "{registered} {asked}"
            );
        };
        check("https://a.example/cb", "https://a.example/cb", true);
        for asked in [
            "https://a.example/cb/",
            "https://a.example/cb?x=1",
            "https://a.example/cb2",
            "https://a.example:8443/cb",
            "https://b.a.example/cb",
            "http://localhost/cb",
        ] {
            check("https://a.example/cb", asked, false);
        }
        check(
            "http://localhost/callback",
            "http://localhost:33418/callback",
            true,
        );
        check(
            "http://127.0.0.1:1/callback",
            "http://127.0.0.1:2/callback",
            true,
        );
        check(
            "http://localhost:1/callback",
            "http://localhost:1/other",
            false,
        );
        check(
            "http://localhost:1/callback",
            "http://127.0.0.1:1/callback",
            false,
        );
        check(
            "http://localhost:1/callback",
            "http://localhost:1/callback?x=1",
            false,
        );
        check(
            "https://localhost:1/callback",
            "https://localhost:2/callback",
            false,
        );
    }

    #[test]
    fn an_answer_keeps_what_the_address_had_and_cannot_break_out_of_its_query() {
        let url = read("https://a.example/cb?x=1").with(&[("state", "a&code=b#c")]);
        assert_eq!(
            url.as_str(),
            "https://a.example/cb?x=1&state=a%26code%3Db%23c"
        );
    }
}
