//! One browser, from the first page to the last: a cookie that scripts cannot read, and a form token made from it. A request that
//! changes something must come from a page of ours in the same browser. What a cookie's secret stands for is its user's affair; it
//! never appears in a page, a log or `Debug`.

use std::fmt;

use aws_lc_rs::{constant_time, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::opaque::{hex, sha256};
use domain::{Ids, Reason, ReasonCode, Refusal, limits};
use http::header::{COOKIE, ORIGIN};
use http::{HeaderMap, HeaderValue};

/// Characters of 32 random bytes in base64.
const SECRET_CHARS: usize = 43;

/// A cookie of ours: always of the whole host, out of reach of scripts, and sent along when a link elsewhere leads to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookie {
    name: &'static str,
    life_s: i64,
}

/// Of a browser that signs somebody or something in; proves nothing but that it is still the same browser.
pub const DEVICE: Cookie = Cookie {
    name: "doorward_device",
    life_s: limits::DEVICE_CODE_MS / 1_000,
};

/// Of a browser that is signed in to the console.
pub const CONSOLE: Cookie = Cookie {
    name: "doorward_console",
    life_s: limits::CONSOLE_SESSION_MS / 1_000,
};

/// Of the one browser that walks through the first run.
pub const SETUP: Cookie = Cookie {
    name: "doorward_setup",
    life_s: limits::SETUP_MS / 1_000,
};

/// Makes and reads a cookie.
#[derive(Debug, Clone, Copy)]
pub struct Browsers<'s> {
    /// Our own origin.
    pub public_url: &'s str,
    /// Randomness.
    pub ids: &'s dyn Ids,
    /// Which cookie.
    pub cookie: Cookie,
}

/// One browser.
#[derive(Clone, PartialEq, Eq)]
pub struct Browser {
    secret: String,
}

impl fmt::Debug for Browser {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Browser").finish_non_exhaustive()
    }
}

impl Browsers<'_> {
    fn is_https(&self) -> bool {
        self.public_url.starts_with("https://")
    }

    /// `__Host-`: set by this very host, over TLS, for the whole of it. Browsers refuse the cookie from anybody else.
    fn cookie_name(&self) -> String {
        let prefix = if self.is_https() { "__Host-" } else { "" };
        format!("{prefix}{}", self.cookie.name)
    }

    /// The browser that sent these headers, if it has been here.
    pub fn known(&self, headers: &HeaderMap) -> Option<Browser> {
        let wanted = self.cookie_name();
        let mut values = headers
            .get_all(COOKIE)
            .iter()
            // Pair by pair: another cookie of the host may hold bytes that are no text.
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
            .filter_map(|pair| std::str::from_utf8(pair).ok())
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == wanted)
            .map(|(_, value)| value);
        let secret = values.next()?;
        // Two cookies of the name mean that somebody planted one.
        if values.next().is_some() || secret.len() != SECRET_CHARS {
            return None;
        }
        Some(Browser {
            secret: secret.to_owned(),
        })
    }

    /// A browser that has not been here.
    pub fn new_browser(&self) -> Browser {
        Browser {
            secret: new_secret(self.ids),
        }
    }

    /// The header that makes the browser remember.
    pub fn set_cookie(&self, browser: &Browser) -> HeaderValue {
        self.cookie_line(&browser.secret, self.cookie.life_s)
    }

    /// The header that makes the browser forget.
    pub fn forget_cookie(&self) -> HeaderValue {
        self.cookie_line("", 0)
    }

    fn cookie_line(&self, secret: &str, life_s: i64) -> HeaderValue {
        let secure = if self.is_https() { "; Secure" } else { "" };
        let name = self.cookie_name();
        let text =
            format!("{name}={secret}; Path=/; Max-Age={life_s}; HttpOnly; SameSite=Lax{secure}");
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

    /// Whether a page of ours sent this. Enough to show what was sent again; what changes something asks [`Self::changing`].
    pub fn is_from_us(&self, headers: &HeaderMap) -> bool {
        self.is_same_origin(headers)
    }

    /// Whether another site's page sent this: an image of theirs, a form, a link.
    pub fn is_from_another_site(headers: &HeaderMap) -> bool {
        headers.get("sec-fetch-site").map(HeaderValue::as_bytes) == Some(b"cross-site")
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

    /// How the cookie's secret stands in the store.
    pub fn hash(&self) -> String {
        hash(&self.secret)
    }

    /// The cookie's secret itself, for whoever looks up what it stands for.
    pub fn secret(&self) -> &str {
        &self.secret
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
    hex(&sha256(secret.as_bytes()))
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

    fn of(public_url: &'static str) -> Browsers<'static> {
        Browsers {
            public_url,
            ids: &Sevens,
            cookie: DEVICE,
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn another_cookie_that_is_no_text_hides_none_of_ours() {
        let browsers = of("https://ai.example");
        let browser = browsers.new_browser();
        let ours = format!("{}={}", browsers.cookie_name(), browser.secret);
        let line = [b"x=\xfc; ".as_slice(), ours.as_bytes()].concat();
        let mut map = HeaderMap::new();
        map.insert(COOKIE, HeaderValue::from_bytes(&line).unwrap());
        assert!(browsers.known(&map).is_some());
    }

    fn check(pairs: &[(&'static str, &str)], csrf: &str, accepted: bool) {
        let browsers = of("https://ai.example");
        assert_eq!(
            browsers.changing(&headers(pairs), csrf).is_ok(),
            accepted,
            "{pairs:?}"
        );
    }

    #[test]
    fn a_change_needs_our_page_in_the_same_browser() {
        let browsers = of("https://ai.example");
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
        let browsers = of("https://ai.example");
        let text = browsers.set_cookie(&browsers.new_browser());
        let text = text.to_str().unwrap();
        for part in ["__Host-", "HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_cookie_of_another_name_of_ours_is_another_browser() {
        let device = of("https://ai.example");
        let console = Browsers {
            cookie: CONSOLE,
            ..device
        };
        let cookie = format!("__Host-doorward_device={}", "a".repeat(SECRET_CHARS));
        let headers = headers(&[("cookie", &cookie)]);
        assert!(device.known(&headers).is_some());
        assert_eq!(console.known(&headers), None);
    }

    #[test]
    fn over_tls_a_cookie_without_the_hosts_prefix_is_nobodys() {
        let secret = "a".repeat(SECRET_CHARS);
        let planted = format!("doorward_device={secret}");
        let own = format!("__Host-doorward_device={secret}");
        for (cookie, known) in [(&planted, false), (&own, true)] {
            let headers = headers(&[("cookie", cookie)]);
            assert_eq!(of("https://ai.example").known(&headers).is_some(), known);
        }
        // On loopback there is no TLS, and no prefix that would need it.
        let headers = headers(&[("cookie", &planted)]);
        assert!(of("http://127.0.0.1:8080").known(&headers).is_some());
    }

    #[test]
    fn two_cookies_of_the_name_are_none_wherever_they_stand() {
        let one = format!("__Host-doorward_device={}", "a".repeat(SECRET_CHARS));
        let both = format!("{one}; {one}");
        let browsers = of("https://ai.example");
        assert_eq!(browsers.known(&headers(&[("cookie", &both)])), None);
        let twice = headers(&[("cookie", &one), ("cookie", &one)]);
        assert_eq!(browsers.known(&twice), None);
    }

    #[test]
    fn a_forgotten_cookie_has_the_same_place_and_no_life() {
        let browsers = of("https://ai.example");
        assert_eq!(
            browsers.forget_cookie().to_str().unwrap(),
            "__Host-doorward_device=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"
        );
    }

    #[test]
    fn a_browser_does_not_print_its_secret() {
        let browser = of("https://ai.example").new_browser();
        assert!(!format!("{browser:?}").contains(browser.secret()));
    }
}
