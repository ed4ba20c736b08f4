//! One browser, from the first page to the last: a cookie that scripts cannot read, and a form token made from it. A request that
//! changes something must come from a page of ours in the same browser.

use aws_lc_rs::{constant_time, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Ids, Reason, ReasonCode, Refusal};
use http::header::{COOKIE, ORIGIN};
use http::{HeaderMap, HeaderValue};

/// How long the cookie lives, in seconds: as long as a device code.
const COOKIE_S: i64 = 600;

/// Makes and reads the cookie.
#[derive(Debug, Clone, Copy)]
pub struct Browsers<'s> {
    /// Our own origin.
    pub public_url: &'s str,
    /// Randomness.
    pub ids: &'s dyn Ids,
}

/// One browser.
#[derive(Debug, Clone)]
pub struct Browser {
    secret: String,
}

impl Browsers<'_> {
    fn is_https(&self) -> bool {
        self.public_url.starts_with("https://")
    }

    fn cookie_name(&self) -> &'static str {
        if self.is_https() {
            "__Host-doorward_device"
        } else {
            "doorward_device"
        }
    }

    /// The browser that sent these headers, if it has been here.
    pub fn known(&self, headers: &HeaderMap) -> Option<Browser> {
        let wanted = self.cookie_name();
        let mut values = headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == wanted)
            .map(|(_, value)| value);
        let secret = values.next()?;
        // Two cookies of the name mean that somebody planted one.
        if values.next().is_some() || secret.len() != 43 {
            return None;
        }
        Some(Browser {
            secret: secret.to_owned(),
        })
    }

    /// A browser that has not been here.
    pub fn new_browser(&self) -> Browser {
        let mut bytes = [0u8; 32];
        self.ids.fill(&mut bytes);
        Browser {
            secret: URL_SAFE_NO_PAD.encode(bytes),
        }
    }

    /// The header that makes the browser remember.
    pub fn set_cookie(&self, browser: &Browser) -> HeaderValue {
        let secure = if self.is_https() { "; Secure" } else { "" };
        let text = format!(
            "{}={}; Path=/; Max-Age={COOKIE_S}; HttpOnly; SameSite=Lax{secure}",
            self.cookie_name(),
            browser.secret
        );
        HeaderValue::try_from(text).expect("base64 can stand in a header")
    }

    /// The browser of a request that changes something: it must come from a page of ours, with the page's token.
    pub fn changing(&self, headers: &HeaderMap, csrf: &str) -> Result<Browser, Refusal> {
        let refuse = |text: &str| Refusal::one(Reason::new(ReasonCode::ParameterInvalid, text));
        if !self.is_same_origin(headers) {
            return Err(refuse("The form was sent from another site."));
        }
        let browser = self
            .known(headers)
            .ok_or_else(|| refuse("This browser did not open the page, or cookies are off."))?;
        let expected = browser.csrf();
        if constant_time::verify_slices_are_equal(expected.as_bytes(), csrf.as_bytes()).is_err() {
            return Err(refuse(
                "The form is from another page; open the page again.",
            ));
        }
        Ok(browser)
    }

    fn is_same_origin(&self, headers: &HeaderMap) -> bool {
        match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
            Some(b"same-origin" | b"none") => true,
            Some(_) => false,
            None => headers
                .get(ORIGIN)
                .is_some_and(|origin| origin.as_bytes() == self.public_url.as_bytes()),
        }
    }
}

impl Browser {
    /// The token for this browser's forms.
    pub fn csrf(&self) -> String {
        self.derived("form")
    }

    /// What states are bound to; tells nothing of the cookie.
    pub fn binding(&self) -> String {
        self.derived("state")
    }

    fn derived(&self, purpose: &str) -> String {
        let text = format!("doorward {purpose}\n{}", self.secret);
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
    }
}

/// A new secret text of 32 random bytes.
pub fn new_secret(ids: &dyn Ids) -> String {
    let mut bytes = [0u8; 32];
    ids.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// How a secret text stands in the store.
pub fn hash(secret: &str) -> String {
    pipeline::identity::hex(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Sevens;
    impl Ids for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn check(pairs: &[(&'static str, &str)], csrf: &str, accepted: bool) {
        let browsers = Browsers {
            public_url: "https://ai.example",
            ids: &Sevens,
        };
        assert_eq!(
            browsers.changing(&headers(pairs), csrf).is_ok(),
            accepted,
            "{pairs:?}"
        );
    }

    #[test]
    fn a_change_needs_our_page_in_the_same_browser() {
        let browsers = Browsers {
            public_url: "https://ai.example",
            ids: &Sevens,
        };
        let browser = browsers.new_browser();
        let cookie = format!("__Host-doorward_device={}", browser.secret);
        let csrf = browser.csrf();
        check(
            &[("cookie", &cookie), ("sec-fetch-site", "same-origin")],
            &csrf,
            true,
        );
        check(
            &[("cookie", &cookie), ("origin", "https://ai.example")],
            &csrf,
            true,
        );
        check(
            &[
                ("cookie", &cookie),
                ("sec-fetch-site", "cross-site"),
                ("origin", "https://ai.example"),
            ],
            &csrf,
            false,
        );
        check(
            &[("cookie", &cookie), ("origin", "https://evil.example")],
            &csrf,
            false,
        );
        check(&[("cookie", &cookie)], &csrf, false);
        check(&[("sec-fetch-site", "same-origin")], &csrf, false);
        check(
            &[("cookie", &cookie), ("sec-fetch-site", "same-origin")],
            "",
            false,
        );
        check(
            &[
                ("cookie", &cookie),
                ("cookie", &cookie),
                ("sec-fetch-site", "same-origin"),
            ],
            &csrf,
            false,
        );
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_other_hosts() {
        let browsers = Browsers {
            public_url: "https://ai.example",
            ids: &Sevens,
        };
        let text = browsers.set_cookie(&browsers.new_browser());
        let text = text.to_str().unwrap();
        for part in ["__Host-", "HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
