//! A browser's cookies (RFC 6265bis), as far as sign-in pages need them: hosts, paths, `Secure`, `SameSite`, the `__Host-` and
//! `__Secure-` prefixes, removal by `Max-Age=0`.
//!
//! As in real browsers cookies do not know ports, and loopback counts as secure. Expiry dates are not kept: no sign-in lasts as
//! long as that.

use http::HeaderMap;
use http::header::SET_COOKIE;
use url::Url;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SameSite {
    Strict,
    Lax,
    None,
}

#[derive(Debug, Clone)]
struct Cookie {
    name: String,
    value: String,
    host: String,
    path: String,
    same_site: SameSite,
}

/// How a request came about, for `SameSite`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstance {
    pub(super) cross_site: bool,
    pub(super) is_get: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Cookies(Vec<Cookie>);

impl Cookies {
    /// Keeps what an answer from `url` sets.
    pub(super) fn keep(&mut self, url: &Url, headers: &HeaderMap) {
        for line in headers
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
        {
            let Some((cookie, dies)) = parsed(line, url) else {
                continue;
            };
            self.0.retain(|old| {
                old.name != cookie.name || old.host != cookie.host || old.path != cookie.path
            });
            if !dies {
                self.0.push(cookie);
            }
        }
    }

    /// The `Cookie` header of a request to `url`.
    pub(super) fn header(&self, url: &Url, about: Circumstance) -> Option<String> {
        let fits = |cookie: &&Cookie| {
            Some(&*cookie.host) == url.host_str()
                && path_covers(&cookie.path, url.path())
                && match cookie.same_site {
                    SameSite::None => true,
                    SameSite::Lax => !about.cross_site || about.is_get,
                    SameSite::Strict => !about.cross_site,
                }
        };
        let pairs: Vec<String> = self
            .0
            .iter()
            .filter(fits)
            .map(|c| format!("{}={}", c.name, c.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// The value of a cookie by name, of whatever host.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|cookie| cookie.name == name)
            .map(|cookie| &*cookie.value)
    }
}

/// The cookie of a `Set-Cookie` line and whether the line removes it; `None` when a browser would refuse it.
fn parsed(line: &str, url: &Url) -> Option<(Cookie, bool)> {
    let mut parts = line.split(';').map(str::trim);
    let (name, value) = parts.next()?.split_once('=')?;
    let host = url.host_str()?;
    let mut cookie = Cookie {
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
        host: host.to_owned(),
        path: default_path(url.path()),
        same_site: SameSite::Lax,
    };
    let (mut secure, mut domain, mut root, mut dies) = (false, false, false, false);
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        match (&*key.to_ascii_lowercase(), value) {
            ("secure", _) => secure = true,
            ("domain", _) => domain = true,
            ("path", path) if path.starts_with('/') => {
                root = path == "/";
                path.clone_into(&mut cookie.path);
            }
            ("max-age", age) => dies = age.parse::<i64>().is_ok_and(|age| age <= 0),
            ("expires", date) => dies |= date.contains("1970"),
            ("samesite", rule) => {
                cookie.same_site = match &*rule.to_ascii_lowercase() {
                    "strict" => SameSite::Strict,
                    "none" => SameSite::None,
                    _ => SameSite::Lax,
                };
            }
            _ => {}
        }
    }
    let trusted = url.scheme() == "https" || matches!(host, "127.0.0.1" | "localhost" | "[::1]");
    let fits_its_name = (secure || !name.starts_with("__Secure-"))
        && (secure && root && !domain || !name.starts_with("__Host-"));
    let allowed = if secure {
        trusted
    } else {
        cookie.same_site != SameSite::None
    };
    (allowed && fits_its_name).then_some((cookie, dies))
}

fn default_path(path: &str) -> String {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/".to_owned(),
        Some((folder, _)) => folder.to_owned(),
    }
}

fn path_covers(cookie: &str, path: &str) -> bool {
    path.strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(line: &str, from: &str, to: &str, cross_site: bool, is_get: bool) -> Option<String> {
        let mut cookies = Cookies::default();
        let mut headers = HeaderMap::new();
        headers.insert(SET_COOKIE, line.parse().unwrap());
        cookies.keep(&from.parse().unwrap(), &headers);
        cookies.header(&to.parse().unwrap(), Circumstance { cross_site, is_get })
    }

    const HOME: &str = "http://127.0.0.1:1/device";

    fn check(line: &str, to: &str, (cross_site, is_get): (bool, bool), sent: bool) {
        let found = after(line, HOME, to, cross_site, is_get);
        assert_eq!(
            found.is_some(),
            sent,
            "{line} to {to}, cross-site {cross_site}, get {is_get}"
        );
    }

    #[test]
    fn a_cookie_goes_to_its_host_and_path() {
        for (line, to, sent) in [
            ("a=1", "http://127.0.0.1:1/", true),
            ("a=1", "http://127.0.0.1:2/other-port", true),
            ("a=1", "http://localhost:1/", false),
            ("a=1; Path=/device", "http://127.0.0.1:1/device/deny", true),
            ("a=1; Path=/device", "http://127.0.0.1:1/devices", false),
            ("a=1; Max-Age=0", "http://127.0.0.1:1/", false),
        ] {
            check(line, to, (false, true), sent);
        }
    }

    #[test]
    fn a_cookie_crosses_sites_only_as_its_same_site_rule_says() {
        const CROSS_GET: (bool, bool) = (true, true);
        const CROSS_POST: (bool, bool) = (true, false);
        for (line, about, sent) in [
            ("a=1; SameSite=Lax", CROSS_GET, true),
            ("a=1; SameSite=Lax", CROSS_POST, false),
            ("a=1", CROSS_POST, false),
            ("a=1; SameSite=Strict", CROSS_GET, false),
            ("a=1; SameSite=None; Secure", CROSS_POST, true),
        ] {
            check(line, "http://127.0.0.1:1/", about, sent);
        }
    }

    #[test]
    fn a_cookie_a_browser_would_refuse_is_not_kept() {
        for (line, sent) in [
            ("a=1; SameSite=None", false),
            ("__Host-a=1; Secure; Path=/", true),
            ("__Host-a=1; Path=/", false),
            ("__Host-a=1; Secure; Path=/device", false),
            ("__Host-a=1; Secure; Path=/; Domain=x", false),
            ("__Secure-a=1; Path=/", false),
        ] {
            check(line, HOME, (false, true), sent);
        }
    }

    #[test]
    fn a_later_cookie_of_the_same_name_replaces_the_earlier() {
        let mut cookies = Cookies::default();
        let url = Url::parse("http://127.0.0.1/").unwrap();
        for line in ["a=1", "a=2"] {
            let mut headers = HeaderMap::new();
            headers.insert(SET_COOKIE, line.parse().unwrap());
            cookies.keep(&url, &headers);
        }
        let about = Circumstance {
            cross_site: false,
            is_get: true,
        };
        assert_eq!(cookies.header(&url, about).as_deref(), Some("a=2"));
    }
}
