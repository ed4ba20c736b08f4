//! What people see: small pages that work without scripts. What every page of ours stands on is the crate `web`.

use askama::Template;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use web::assets::Assets;
use web::page::respond_leading_to;

use domain::acceptable_use::Block;
use domain::acceptable_use::text::blocks;
use store::UseVersion;

use super::SignIn;

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
        Self::new(&state.org_name, &state.public_url)
    }

    /// The frame of an organisation's pages at its origin.
    pub fn new(org: &str, public_url: &str) -> Self {
        let host = public_url.split_once("://").map_or("", |(_, host)| host);
        Self {
            org: org.to_owned(),
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

/// An identity provider that people can sign in through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its configured name, which the form sends.
    pub name: String,
    /// What people read.
    pub shown: String,
}

page!(
    /// Says what this is.
    Landing, "landing.html" {
        /// Our own origin.
        url: String
    }
);
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
        issuers: Vec<Provider>
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
        issuers: Vec<Provider>
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
/// What people read of a program that wants to be connected.
#[derive(Debug, Clone)]
pub struct Asking {
    /// What it is called.
    pub name: String,
    /// Who says so.
    pub vouched: String,
    /// Where the answer goes: the host.
    pub host: String,
    /// Whether that is this computer.
    pub is_local: bool,
    /// Whether any program on this computer could ask in its name.
    pub any_could: bool,
    /// The connector's name; empty for all of them.
    pub connector: String,
    /// Its address.
    pub address: String,
}

page!(
    /// Shows what asks, before the person proves who they are.
    Authorize, "authorize.html" {
        /// Who asks, and for what.
        asking: Asking,
        /// The request, which the form sends again.
        request: String,
        /// The form token.
        csrf: String,
        /// Whom one can sign in with.
        issuers: Vec<Provider>
    }
);
page!(
    /// Shows what asks and who is asked, for the decision.
    Consent, "consent.html" {
        /// Who asks, and for what.
        asking: Asking,
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
    /// Asks who wants to come to the console.
    ConsoleSignIn, "console_sign_in.html" {
        /// What it is for.
        lead: String,
        /// The form token.
        csrf: String,
        /// Where it leads back to.
        way_back: String,
        /// Whether somebody proves once more who they are.
        again: bool,
        /// Whom one can sign in with.
        issuers: Vec<Provider>
    }
);
page!(
    /// Asks for the code of the break-glass account.
    BreakGlass, "break_glass.html" {
        /// The form token.
        csrf: String
    }
);
page!(
    /// Says how a sign-in to the console ended.
    ConsoleEnd, "console_end.html" {
        /// What happened.
        what: String,
        /// The way on.
        link: String,
        /// What it is called.
        word: &'static str
    }
);
page!(
    /// Says how it ended.
    Message, "message.html" {
        /// What happened.
        what: String,
        /// What to do.
        next: String,
        /// A way on, and what it is called.
        way_on: Option<(&'static str, &'static str)>
    }
);

/// A page as a response. `forms_to` are other origins its forms may lead to.
pub fn respond(status: StatusCode, page: &impl Template, forms_to: &[String]) -> Response {
    respond_leading_to(status, page, HeaderMap::new(), forms_to)
}

/// A page that says what happened and what to do.
pub fn message(
    state: &SignIn,
    status: StatusCode,
    title: &str,
    what: &str,
    next: &str,
) -> Response {
    respond(status, &said(state, title, (what, next), None), &[])
}

/// The same with a way on and what it is called.
pub fn message_leading_to(
    state: &SignIn,
    status: StatusCode,
    title: &str,
    says: (&str, &str),
    way_on: (&'static str, &'static str),
) -> Response {
    respond(status, &said(state, title, says, Some(way_on)), &[])
}

fn said(
    state: &SignIn,
    title: &str,
    (what, next): (&str, &str),
    way_on: Option<(&'static str, &'static str)>,
) -> Message {
    let (what, next) = (what.to_owned(), next.to_owned());
    Message::new(&Frame::of(state), title, what, next, way_on)
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

    fn providers(names: &[&str]) -> Vec<Provider> {
        let provider = |name: &&str| Provider {
            name: (*name).to_owned(),
            shown: format!("Northwind <{name}>"),
        };
        names.iter().map(provider).collect()
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
            providers(&["Entra & co"]),
        );
        let html = page.render().unwrap();
        assert!(
            !html.contains("<script>") && !html.contains("<img src=x"),
            "{html}"
        );
        assert!(html.contains("Northwind &#60;Association&#62;"), "{html}");
        let button = r#"value="Entra &#38; co">Continue with Northwind &#60;Entra &#38; co&#62;<"#;
        assert!(html.contains(button), "{html}");
    }

    #[test]
    fn what_a_program_calls_itself_stays_text_and_where_its_answer_goes_is_said() {
        let asking = |any_could| Asking {
            name: "<b>Claude</b>".into(),
            vouched: "it says so itself".into(),
            host: "evil.example".into(),
            is_local: any_could,
            any_could,
            connector: "tasks".into(),
            address: "https://ai.example/mcp/tasks".into(),
        };
        let text = || String::from("x");
        let consent = |any_could| {
            let (person, email, issuer) = (text(), text(), text());
            let asking = asking(any_could);
            let page = Consent::new(
                &frame(),
                "t",
                asking,
                person,
                email,
                issuer,
                None,
                text(),
                text(),
            );
            page.render().unwrap()
        };
        let request = String::from("client_id=\"><script>");
        let first = Authorize::new(
            &frame(),
            "t",
            asking(false),
            request,
            text(),
            providers(&["entra"]),
        );
        for html in [first.render().unwrap(), consent(false), consent(true)] {
            assert!(
                !html.contains("<b>Claude") && !html.contains("<script"),
                "{html}"
            );
            assert!(html.contains("evil.example"), "{html}");
        }
        let warning = "Any program on this computer can ask in this name";
        assert!(consent(true).contains(warning) && !consent(false).contains(warning));
        is_steady(&|| consent(true));
    }

    #[test]
    fn only_where_a_code_can_be_denied_is_it_said_to_be_denied() {
        let denied = "Not your code? Deny it";
        let landing = Landing::new(&frame(), "t", "https://ai.example".into());
        for html in [
            landing.render().unwrap(),
            EnterCode::new(&frame(), "t").render().unwrap(),
            accept().render().unwrap(),
        ] {
            assert!(!html.contains(denied), "{html}");
        }
    }

    #[test]
    fn every_page_renders_from_its_sample_twice_alike() {
        let text = str::to_owned;
        let pages: [Box<dyn Fn() -> String>; 4] = [
            Box::new(|| EnterCode::new(&frame(), "Sign in").render().unwrap()),
            Box::new(move || {
                let (asks, code) = (text("Claude Code 2.1.329"), text("WDJK-MPRT"));
                let (until, at, from) = (text("14:42 UTC"), text("14:32 UTC"), text("10.0.0.1"));
                let issuers = providers(&["entra", "okta"]);
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
                let way_on = Some(("/device", "On"));
                Message::new(
                    &frame(),
                    "Done",
                    text("It is in."),
                    text("Close this."),
                    way_on,
                )
                .render()
                .unwrap()
            }),
        ];
        for page in pages {
            is_steady(&*page);
        }
        let text = String::from("x");
        is_steady(&|| {
            let issuers = providers(&["entra"]);
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
