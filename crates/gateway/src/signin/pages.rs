//! What people see: small pages that work without scripts. Their style sheets are ours and served by name and hash, so that
//! browsers may keep them for ever.

use std::sync::LazyLock;

use askama::Template;
use aws_lc_rs::digest;
use axum::extract::Path;
use axum::response::{Html, IntoResponse as _, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderValue, StatusCode};

use domain::acceptable_use::Block;
use domain::acceptable_use::text::blocks;
use store::UseVersion;

use super::SignIn;

struct Asset {
    path: String,
    kind: &'static str,
    text: &'static str,
}

fn asset_of(name: &str, kind: &'static str, text: &'static str) -> Asset {
    let hash =
        pipeline::identity::hex(&digest::digest(&digest::SHA256, text.as_bytes()).as_ref()[..6]);
    Asset {
        path: format!("/assets/{hash}-{name}"),
        kind,
        text,
    }
}

static ASSETS: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        asset_of(
            "tokens.css",
            "text/css; charset=utf-8",
            include_str!("../../assets/tokens.css"),
        ),
        asset_of(
            "app.css",
            "text/css; charset=utf-8",
            include_str!("../../assets/app.css"),
        ),
        asset_of(
            "icons.svg",
            "image/svg+xml",
            include_str!("../../assets/icons.svg"),
        ),
    ]
});

/// Where the style sheets and icons are.
#[derive(Debug, Clone)]
pub struct Assets {
    tokens: &'static str,
    app: &'static str,
    icons: &'static str,
}

impl Assets {
    fn current() -> Self {
        let [tokens, app, icons] = &*ASSETS;
        Self {
            tokens: &tokens.path,
            app: &app.path,
            icons: &icons.path,
        }
    }
}

/// What every page shows around its content.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The organisation.
    pub org: String,
    /// Our host.
    pub host: String,
    assets: Assets,
}

impl Frame {
    /// The frame of this gateway's pages.
    pub fn of(state: &SignIn) -> Self {
        let host = state
            .public_url
            .split_once("://")
            .map_or("", |(_, host)| host);
        Self {
            org: state.org_name.clone(),
            host: host.to_owned(),
            assets: Assets::current(),
        }
    }
}

macro_rules! page {
    ($(#[$doc:meta])* $name:ident, $file:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty),* }) => {
        $(#[$doc])*
        #[derive(Debug, Template)]
        #[template(path = $file)]
        pub struct $name {
            /// The page's title.
            pub title: String,
            org: String,
            host: String,
            assets: Assets,
            $( $(#[$field_doc])* pub $field: $type, )*
        }

        impl $name {
            /// The page with its content.
            #[allow(clippy::too_many_arguments, reason = "one argument for each part of the page")]
            pub fn new(frame: &Frame, title: impl Into<String>, $($field: $type),*) -> Self {
                let Frame { org, host, assets } = frame.clone();
                Self { title: title.into(), org, host, assets, $($field),* }
            }
        }
    };
}

page!(
    /// Asks for the code.
    EnterCode, "enter_code.html" {}
);
page!(
    /// Shows the code before the person proves who they are.
    CheckCode, "check_code.html" {
        /// The program.
        asks: String,
        /// The code.
        user_code: String,
        /// Until when it is good.
        good_until: String,
        /// When it was asked for.
        asked_at: String,
        /// From where.
        address: String,
        /// The form token.
        csrf: String,
        /// Whom one can sign in with.
        issuers: Vec<String>
    }
);
/// The acceptable-use policy as pages show it.
#[derive(Debug, Clone)]
pub struct Terms {
    version: u64,
    language: String,
    parts: Vec<Part>,
    /// What is recorded now, where the text says something else.
    now: Vec<String>,
    /// What was missing the last time.
    note: Option<&'static str>,
}

#[derive(Debug, Clone)]
struct Part {
    kind: Kind,
    id: String,
    text: String,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Title,
    Heading,
    Clause,
    Item,
    Paragraph,
}

impl Terms {
    /// A version, with what is recorded now where it says something else.
    pub fn new(version: &UseVersion, now: Option<&str>, note: Option<&'static str>) -> Self {
        let part = |kind, id: &str, text: &str| Part {
            kind,
            id: id.to_owned(),
            text: text.to_owned(),
        };
        let parts = blocks(&version.text).into_iter().map(|block| match block {
            Block::Title(text) => part(Kind::Title, "", text),
            Block::Heading(text) => part(Kind::Heading, "", text),
            Block::Clause(id, text) => part(Kind::Clause, id, text),
            Block::Item(text) => part(Kind::Item, "", text),
            Block::Paragraph(text) => part(Kind::Paragraph, "", text),
        });
        Self {
            version: version.version,
            language: version.language.clone(),
            parts: parts.collect(),
            now: now.unwrap_or_default().lines().map(str::to_owned).collect(),
            note,
        }
    }
}

page!(
    /// Asks who wants to read the acceptable-use policy.
    Prove, "prove.html" {
        /// The form token.
        csrf: String,
        /// Whom one can sign in with.
        issuers: Vec<String>
    }
);
page!(
    /// Shows the acceptable-use policy to the person who may accept it.
    Accept, "accept.html" {
        /// The person's name.
        person: String,
        /// When the version was published.
        published: String,
        /// The policy.
        terms: Terms,
        /// The secret of this decision.
        confirm: String,
        /// The form token.
        csrf: String
    }
);
page!(
    /// Shows the code and the person, for the decision.
    Confirm, "confirm.html" {
        /// The program.
        asks: String,
        /// The code.
        user_code: String,
        /// When it was asked for.
        asked_at: String,
        /// From where.
        address: String,
        /// The person's name.
        person: String,
        /// Their e-mail.
        email: String,
        /// Who vouches for them.
        issuer: String,
        /// The acceptable-use policy, where they must accept it first.
        terms: Option<Terms>,
        /// The secret of this decision.
        confirm: String,
        /// The form token.
        csrf: String
    }
);
page!(
    /// Says how it ended.
    Message, "message.html" {
        /// What happened.
        what: String,
        /// What to do.
        next: String
    }
);

/// A page as a response. `forms_to` are other origins its forms may lead to.
pub fn respond(status: StatusCode, page: &impl Template, forms_to: &[String]) -> Response {
    let Ok(html) = page.render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    let forms = forms_to.iter().fold(String::from("'self'"), |all, origin| {
        format!("{all} {origin}")
    });
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action {forms}; frame-ancestors 'none'; base-uri 'none'"
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(HeaderName::from_static("content-security-policy"), policy);
    }
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A page that says what happened and what to do.
pub fn message(
    state: &SignIn,
    status: StatusCode,
    title: &str,
    what: &str,
    next: &str,
) -> Response {
    respond(
        status,
        &Message::new(&Frame::of(state), title, what.to_owned(), next.to_owned()),
        &[],
    )
}

/// `GET /assets/{name}`.
pub async fn asset(Path(name): Path<String>) -> Response {
    let Some(asset) = ASSETS
        .iter()
        .find(|asset| asset.path.strip_prefix("/assets/") == Some(&name))
    else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = asset.text.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame {
            org: "Northwind <Association>".into(),
            host: "ai.example".into(),
            assets: Assets::current(),
        }
    }

    fn terms() -> Terms {
        let version = UseVersion {
            version: 3,
            language: "en".into(),
            text: "# Use\n## May\nA1. Write <b>letters</b>.\n- item\nText".into(),
            fingerprint: "f".into(),
            settings: "{}".into(),
            accept_from: 3,
            author: "grace".into(),
            reason: "first".into(),
            created: domain::Timestamp::default(),
        };
        Terms::new(&version, Some("one\ntwo"), None)
    }

    #[test]
    fn the_policy_is_shown_as_text_with_its_clauses_and_what_changed_since() {
        let html = accept().render().unwrap();
        for part in [
            "<h2>Use</h2>",
            "<h3>May</h3>",
            "<b>A1</b> <span>Write &#60;b&#62;letters",
            "has changed since",
            "<p>two</p>",
            r#"name="acceptable_use" value="3" required"#,
        ] {
            assert!(html.contains(part), "{part} is missing in\n{html}");
        }
    }

    #[test]
    fn what_a_stranger_wrote_stays_text() {
        let page = CheckCode::new(
            &frame(),
            "Sign in",
            "<script>alert(1)</script>".into(),
            "WDJK-MPRT".into(),
            "14:42".into(),
            "14:32".into(),
            "\"><img src=x>".into(),
            "t".into(),
            vec!["Entra & co".into()],
        );
        let html = page.render().unwrap();
        assert!(
            !html.contains("<script>") && !html.contains("<img src=x"),
            "{html}"
        );
        assert!(html.contains("Northwind &#60;Association&#62;"), "{html}");
    }

    #[test]
    fn every_page_renders_from_its_sample_twice_alike() {
        let text = str::to_owned;
        let pages: [Box<dyn Fn() -> String>; 4] = [
            Box::new(|| EnterCode::new(&frame(), "Sign in").render().unwrap()),
            Box::new(move || {
                let (asks, code) = (text("Claude Code 2.1.329"), text("WDJK-MPRT"));
                let (until, at, from) = (text("14:42 UTC"), text("14:32 UTC"), text("10.0.0.1"));
                let issuers = vec![text("entra"), text("okta")];
                CheckCode::new(
                    &frame(),
                    "t",
                    asks,
                    code,
                    until,
                    at,
                    from,
                    text("x"),
                    issuers,
                )
                .render()
                .unwrap()
            }),
            Box::new(move || {
                let (asks, code) = (text("Claude Code"), text("WDJK-MPRT"));
                let (at, from) = (text("14:32 UTC"), text("10.0.0.1"));
                let (person, email) = (text("Membership lead"), text("lead@northwind.example"));
                let (issuer, secret, csrf) = (text("entra"), text("s"), text("x"));
                Confirm::new(
                    &frame(),
                    "t",
                    asks,
                    code,
                    at,
                    from,
                    person,
                    email,
                    issuer,
                    Some(terms()),
                    secret,
                    csrf,
                )
                .render()
                .unwrap()
            }),
            Box::new(move || {
                Message::new(&frame(), "Done", text("It is in."), text("Close this."))
                    .render()
                    .unwrap()
            }),
        ];
        for page in pages {
            is_steady(&*page);
        }
        let text = String::from("x");
        is_steady(&|| {
            let issuers = vec![text.clone()];
            let page = Prove::new(&frame(), "t", text.clone(), issuers);
            page.render().unwrap()
        });
        is_steady(&|| accept().render().unwrap());
    }

    fn accept() -> Accept {
        let text = || String::from("Ada");
        Accept::new(&frame(), "t", text(), text(), terms(), text(), text())
    }

    fn is_steady(page: &dyn Fn() -> String) {
        let html = page();
        assert_eq!(html, page());
        assert!(
            !html.contains("style=") && !html.contains("<script"),
            "{html}"
        );
    }
}
