//! A mini browser: keeps cookies, follows redirects, fills and sends forms with the headers a real one sends on a navigation.
//!
//! It runs no scripts, which is the point: what it can do works without JavaScript.

use http::{HeaderMap, HeaderValue, Method, header};
use url::{Origin, Url};

use super::cookies::{Circumstance, Cookies};
use super::html::{self, Button, Form, Html};
use super::{Answer, ClientError, Http};
use crate::limits::REDIRECTS_MAX;

/// A browser with its cookies.
#[derive(Debug, Default)]
pub struct Browser {
    http: Http,
    cookies: Cookies,
    stop_at: Option<String>,
}

/// A page that was loaded, or the redirect at which the browser was to stop.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its address, after redirects.
    pub url: Url,
    /// Its status code.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its source.
    pub source: String,
    /// Its parts.
    pub html: Html,
    /// Whether this is the address the browser was to stop at, which was not loaded.
    pub stopped: bool,
}

impl Page {
    /// A button by what is on it or what it sends: label (or a part of it, in any case), name or value.
    pub fn button(&self, what: &str) -> Option<(&Form, &Button)> {
        let wanted = what.to_lowercase();
        let is = |button: &Button| {
            button.value == what
                || button.name == what
                || button.label.to_lowercase().contains(&wanted)
        };
        self.buttons().find(|(_, button)| is(button))
    }

    /// Every button with its form.
    pub fn buttons(&self) -> impl Iterator<Item = (&Form, &Button)> {
        let of = |form| std::iter::repeat(form);
        self.html
            .forms
            .iter()
            .flat_map(move |form| of(form).zip(&form.buttons))
    }

    /// An error that shows this page.
    pub fn unexpected(&self, expected: &str) -> ClientError {
        let text = format!(
            "{} · {} · {}",
            self.url.path(),
            self.html.title,
            self.html.text
        );
        ClientError::Unexpected {
            expected: expected.to_owned(),
            status: self.status,
            body: text.chars().take(600).collect(),
        }
    }

    /// What a request that starts from this page says of itself.
    fn origin_header(&self) -> String {
        let policy = self
            .headers
            .get(header::REFERRER_POLICY)
            .and_then(|value| value.to_str().ok());
        if policy == Some("no-referrer") {
            "null".to_owned()
        } else {
            self.url.origin().ascii_serialization()
        }
    }
}

/// A navigation on its way.
struct Going<'p> {
    method: Method,
    url: Url,
    form: Option<String>,
    from: Option<&'p Page>,
}

impl Browser {
    /// A browser without cookies.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops before loading an address that begins so, as an app that listens there would take over.
    #[must_use]
    pub fn stopping_at(mut self, prefix: &str) -> Self {
        self.stop_at = Some(prefix.to_owned());
        self
    }

    /// The value of a cookie by name.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.value(name)
    }

    /// Takes a `Set-Cookie` line as if this address had sent it: what somebody plants who answers for the host for once.
    pub fn plant(&mut self, url: &str, line: &str) -> Result<(), ClientError> {
        let unsendable = || ClientError::Unsendable(line.to_owned());
        let url = Url::parse(url).map_err(|_| unsendable())?;
        let mut headers = HeaderMap::new();
        let line = HeaderValue::from_str(line).map_err(|_| unsendable())?;
        headers.insert(header::SET_COOKIE, line);
        self.cookies.keep(&url, &headers);
        Ok(())
    }

    /// Loads an address as if somebody had typed it.
    pub async fn open(&mut self, url: &str) -> Result<Page, ClientError> {
        let url = Url::parse(url).map_err(|_| ClientError::Unsendable(url.to_owned()))?;
        self.go(Going {
            method: Method::GET,
            url,
            form: None,
            from: None,
        })
        .await
    }

    /// Follows a link of a page by its text or a part of it.
    pub async fn follow(&mut self, page: &Page, label: &str) -> Result<Page, ClientError> {
        let link = page
            .html
            .links
            .iter()
            .find(|(text, _)| text.contains(label));
        let (_, address) =
            link.ok_or_else(|| page.unexpected(&format!("a link with the text {label:?}")))?;
        let url = joined(&page.url, address)?;
        self.go(Going {
            method: Method::GET,
            url,
            form: None,
            from: Some(page),
        })
        .await
    }

    /// Presses a button of a page (see [`Page::button`]) after filling its form's fields; required boxes are ticked.
    pub async fn press(
        &mut self,
        page: &Page,
        what: &str,
        fill: &[(&str, &str)],
    ) -> Result<Page, ClientError> {
        let (form, button) = page
            .button(what)
            .ok_or_else(|| page.unexpected(&format!("a button {what:?}")))?;
        self.submit(page, form, button, fill).await
    }

    /// Sends a form of a page by one of its buttons.
    pub async fn submit(
        &mut self,
        page: &Page,
        form: &Form,
        button: &Button,
        fill: &[(&str, &str)],
    ) -> Result<Page, ClientError> {
        let mut fields = form.fields.clone();
        if !button.skips_checks {
            fields.extend(form.required_ticks.iter().cloned());
        }
        for (name, value) in fill {
            fields.retain(|(known, _)| known != name);
            fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        if !button.name.is_empty() {
            fields.push((button.name.clone(), button.value.clone()));
        }
        let encoded = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&fields)
            .finish();
        let mut url = joined(&page.url, button.action.as_deref().unwrap_or(&form.action))?;
        let (method, form) = if form.method == "post" {
            (Method::POST, Some(encoded))
        } else {
            url.set_query(Some(&encoded));
            (Method::GET, None)
        };
        self.go(Going {
            method,
            url,
            form,
            from: Some(page),
        })
        .await
    }

    async fn go(&mut self, mut going: Going<'_>) -> Result<Page, ClientError> {
        let start = going.from.map(|page| page.url.clone());
        let mut site = Site::None;
        for _ in 0..=REDIRECTS_MAX {
            if let Some(from) = &start {
                site = site.max(Site::between(from, &going.url));
            }
            let answer = self.request(&going, site).await?;
            self.cookies.keep(&going.url, &answer.headers);
            let Some(next) = redirected(&going, &answer)? else {
                return Ok(loaded(going.url, answer));
            };
            if self
                .stop_at
                .as_deref()
                .is_some_and(|prefix| next.url.as_str().starts_with(prefix))
            {
                return Ok(stopped(next.url));
            }
            if start.is_some() {
                site = site.max(Site::between(&going.url, &next.url));
            }
            going = next;
        }
        Err(ClientError::Unsendable("it redirects for ever".to_owned()))
    }

    async fn request(&self, going: &Going<'_>, site: Site) -> Result<Answer, ClientError> {
        let is_get = going.method == Method::GET;
        let mut asking = self
            .http
            .request(going.method.clone(), going.url.as_str())
            .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
            .header("accept-language", "en")
            .header("user-agent", "Mozilla/5.0 (testkit mini browser)")
            .header("upgrade-insecure-requests", "1")
            .header("sec-fetch-dest", "document")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-user", "?1")
            .header("sec-fetch-site", site.header());
        let about = Circumstance {
            cross_site: site == Site::Cross,
            is_get,
        };
        if let Some(cookies) = self.cookies.header(&going.url, about) {
            asking = asking.header("cookie", &cookies);
        }
        if let (Some(page), false) = (going.from, is_get) {
            asking = asking.header("origin", &page.origin_header());
        }
        if let Some(form) = &going.form {
            asking = asking
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form.clone());
        }
        asking.send().await
    }
}

/// How far the places of a navigation are from each other; the farthest of all hops counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Site {
    None,
    SameOrigin,
    Same,
    Cross,
}

impl Site {
    /// Hosts that are not names (loopback) are their own site; names are compared whole, which is stricter than a browser.
    fn between(from: &Url, to: &Url) -> Self {
        match (from.origin(), to.origin()) {
            (a, b) if a == b => Self::SameOrigin,
            (Origin::Tuple(scheme, host, _), Origin::Tuple(to_scheme, to_host, _))
                if scheme == to_scheme && host == to_host =>
            {
                Self::Same
            }
            _ => Self::Cross,
        }
    }

    const fn header(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SameOrigin => "same-origin",
            Self::Same => "same-site",
            Self::Cross => "cross-site",
        }
    }
}

/// The next hop when the answer is a redirect.
fn redirected<'p>(going: &Going<'p>, answer: &Answer) -> Result<Option<Going<'p>>, ClientError> {
    if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = answer
        .header("location")
        .ok_or_else(|| answer.unexpected("a location"))?;
    let url = joined(&going.url, location)?;
    let keeps = matches!(answer.status, 307 | 308);
    Ok(Some(Going {
        method: if keeps {
            going.method.clone()
        } else {
            Method::GET
        },
        url,
        form: if keeps { going.form.clone() } else { None },
        from: going.from,
    }))
}

fn joined(base: &Url, address: &str) -> Result<Url, ClientError> {
    if address.is_empty() {
        return Ok(base.clone());
    }
    base.join(address)
        .map_err(|_| ClientError::Unsendable(address.to_owned()))
}

fn loaded(url: Url, answer: Answer) -> Page {
    let source = answer.text();
    Page {
        url,
        status: answer.status,
        html: html::parse(&source),
        headers: answer.headers,
        source,
        stopped: false,
    }
}

fn stopped(url: Url) -> Page {
    Page {
        url,
        status: 0,
        headers: HeaderMap::new(),
        source: String::new(),
        html: Html::default(),
        stopped: true,
    }
}
