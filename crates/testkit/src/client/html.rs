//! Enough of HTML to read our own pages: forms with their fields and buttons, links, title and visible text.
//!
//! Not a browser's parser: it expects the tidy HTML that our pages and the fake provider send, and reads anything else without
//! failing, if perhaps wrongly.

/// A form of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    /// `get` or `post`.
    pub method: String,
    /// Where it goes, as written; empty for the page itself.
    pub action: String,
    /// What it sends without anyone touching it: hidden, filled and ticked fields.
    pub fields: Vec<(String, String)>,
    /// Tick boxes that must be ticked before it can be sent.
    pub required_ticks: Vec<(String, String)>,
    /// Its submit buttons.
    pub buttons: Vec<Button>,
}

/// A submit button.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Button {
    /// Its field name; empty when it sends nothing of its own.
    pub name: String,
    /// Its field value.
    pub value: String,
    /// The text on it.
    pub label: String,
    /// Where it sends the form instead of the form's own action.
    pub action: Option<String>,
    /// Whether it sends the form even when required fields are empty.
    pub skips_checks: bool,
}

/// A page read for its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Html {
    /// Its title.
    pub title: String,
    /// Its visible text, blanks collapsed.
    pub text: String,
    /// Its forms, in order.
    pub forms: Vec<Form>,
    /// Its links: text and address.
    pub links: Vec<(String, String)>,
}

/// Reads a page.
pub fn parse(source: &str) -> Html {
    let mut reader = Reader::default();
    let mut rest = source;
    while let Some(at) = rest.find('<') {
        reader.text(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("<!--") {
            rest = after.split_once("-->").map_or("", |(_, tail)| tail);
            continue;
        }
        let Some(end) = end_of_tag(rest) else {
            break;
        };
        let tag = Tag::parse(&rest[1..end]);
        rest = &rest[end + 1..];
        if matches!(&*tag.name, "script" | "style") {
            let close = format!("</{}", tag.name);
            rest = rest.find(&close).map_or("", |at| &rest[at..]);
        }
        reader.tag(&tag);
    }
    reader.text(rest);
    reader.html.text = reader
        .html
        .text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    reader.html
}

/// The place of the `>` that ends the tag at the start of `text`, quotes respected.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (None, b'>') => return Some(at),
            _ => {}
        }
    }
    None
}

#[derive(Debug, Default)]
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn parse(inside: &str) -> Self {
        let inside = inside.trim_end_matches('/');
        let (name, mut rest) = inside
            .split_once(|c: char| c.is_ascii_whitespace())
            .unwrap_or((inside, ""));
        let mut attributes = Vec::new();
        loop {
            rest = rest.trim_start();
            if rest.is_empty() {
                break;
            }
            let end = rest
                .find(|c: char| c == '=' || c.is_ascii_whitespace())
                .unwrap_or(rest.len());
            let key = rest[..end.max(1)].to_ascii_lowercase();
            rest = rest[end.max(1)..].trim_start();
            let mut value = "";
            if let Some(after) = rest.strip_prefix('=') {
                let after = after.trim_start();
                let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
                (value, rest) = match quote {
                    Some(quote) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
                    None => after
                        .split_once(|c: char| c.is_ascii_whitespace())
                        .unwrap_or((after, "")),
                };
            }
            attributes.push((key, unescaped(value)));
        }
        Self {
            name: name.to_ascii_lowercase(),
            attributes,
        }
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| &**value)
    }

    fn text(&self, name: &str) -> String {
        self.find(name).unwrap_or_default().to_owned()
    }

    fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }
}

/// What the text being read belongs to.
#[derive(Debug, Default)]
enum Within {
    #[default]
    Page,
    Title,
    Button(Button),
    Link(String, String),
    Textarea(String, String),
}

#[derive(Debug, Default)]
struct Reader {
    html: Html,
    in_form: bool,
    within: Within,
    select: Option<String>,
}

impl Reader {
    fn text(&mut self, raw: &str) {
        let text = unescaped(raw);
        match &mut self.within {
            Within::Title => self.html.title.push_str(&text),
            Within::Button(button) => button.label.push_str(&text),
            Within::Link(label, _) => label.push_str(&text),
            Within::Textarea(_, value) => value.push_str(&text),
            Within::Page => {}
        }
        if !matches!(self.within, Within::Title) {
            self.html.text.push_str(&text);
            self.html.text.push(' ');
        }
    }

    fn tag(&mut self, tag: &Tag) {
        match &*tag.name {
            "title" => self.within = Within::Title,
            "form" => self.begin_form(tag),
            "/form" => self.in_form = false,
            "input" => self.input(tag),
            "button"
                if !matches!(tag.find("type"), Some("button" | "reset"))
                    && !tag.has("disabled") =>
            {
                self.within = Within::Button(button(tag));
            }
            "a" => self.within = Within::Link(String::new(), tag.text("href")),
            "textarea" => self.within = Within::Textarea(tag.text("name"), String::new()),
            "select" => self.select = Some(tag.text("name")),
            "/select" => self.select = None,
            "option" => self.option(tag),
            "/title" | "/button" | "/a" | "/textarea" => self.close(),
            _ => {}
        }
    }

    fn begin_form(&mut self, tag: &Tag) {
        self.in_form = true;
        self.html.forms.push(Form {
            method: tag.find("method").unwrap_or("get").to_ascii_lowercase(),
            action: tag.text("action"),
            ..Form::default()
        });
    }

    fn form(&mut self) -> Option<&mut Form> {
        if self.in_form {
            self.html.forms.last_mut()
        } else {
            None
        }
    }

    fn input(&mut self, tag: &Tag) {
        let (name, value) = (tag.text("name"), tag.text("value"));
        if tag.has("disabled") {
            return;
        }
        let Some(form) = self.form() else {
            return;
        };
        match tag.find("type").unwrap_or("text") {
            "submit" | "image" => form.buttons.push(Button {
                label: value,
                ..button(tag)
            }),
            "button" | "reset" => {}
            "checkbox" | "radio" => {
                let value = if tag.has("value") {
                    value
                } else {
                    "on".to_owned()
                };
                if tag.has("checked") {
                    form.fields.push((name, value));
                } else if tag.has("required") {
                    form.required_ticks.push((name, value));
                }
            }
            _ if !name.is_empty() => form.fields.push((name, value)),
            _ => {}
        }
    }

    fn option(&mut self, tag: &Tag) {
        let (Some(name), true) = (self.select.clone(), tag.has("value")) else {
            return;
        };
        let (value, chosen) = (tag.text("value"), tag.has("selected"));
        if let Some(form) = self.form() {
            let known = form.fields.iter_mut().find(|(field, _)| *field == name);
            match known {
                Some(field) if chosen => field.1 = value,
                Some(_) => {}
                None => form.fields.push((name, value)),
            }
        }
    }

    fn close(&mut self) {
        let collapsed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        match std::mem::take(&mut self.within) {
            Within::Title => self.html.title = collapsed(&self.html.title),
            Within::Button(mut button) => {
                button.label = collapsed(&button.label);
                if let Some(form) = self.form() {
                    form.buttons.push(button);
                }
            }
            Within::Link(label, address) => self.html.links.push((collapsed(&label), address)),
            Within::Textarea(name, value) => {
                // The line end right after the tag is not part of the value.
                let value = value.strip_prefix('\n').unwrap_or(&value).to_owned();
                if let Some(form) = self.form() {
                    form.fields.push((name, value));
                }
            }
            Within::Page => {}
        }
    }
}

fn button(tag: &Tag) -> Button {
    Button {
        name: tag.text("name"),
        value: tag.text("value"),
        label: String::new(),
        action: tag.find("formaction").map(str::to_owned),
        skips_checks: tag.has("formnovalidate"),
    }
}

/// Text with the character references our pages use replaced.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let reference = rest[1..]
            .split_once(';')
            .filter(|(name, _)| name.len() <= 8);
        if let Some((letter, tail)) =
            reference.and_then(|(name, tail)| Some((character(name)?, tail)))
        {
            out.push(letter);
            rest = tail;
        } else {
            out.push('&');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

fn character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "middot" => '·',
        "hellip" => '…',
        "mdash" => '—',
        "ndash" => '–',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<!doctype html><title>Sign in &amp; out</title><style>form{a>b}</style>
        <!-- <form action="/no"> --><p>Hello <b>Ada</b> &lt;you&gt;</p>
        <form method=POST action="/device?x=1&amp;y=2">
          <input type="hidden" name="user_code" value='WDJK-MPRT'>
          <input name=note value="a > b"><input type="checkbox" name="accept" value="aup-3" required>
          <input type=checkbox name=kept checked><input name="gone" disabled value=1>
          <select name="who"><option value="a">A<option value="b" selected>B</select>
          <textarea name="why">because
          so</textarea>
          <button class="btn"><svg><use href="icons.svg#check"/></svg>This is me,
            let it in</button>
          <button formaction="/device/deny" formnovalidate name="n" value="v">Deny</button>
          <button type="button">Nothing</button>
        </form><a href="/me">Your page</a>"#;

    #[test]
    fn a_page_is_read_for_its_forms_buttons_links_and_text() {
        let html = parse(PAGE);
        assert_eq!(html.title, "Sign in & out");
        assert!(html.text.contains("Hello Ada <you>"), "{}", html.text);
        assert_eq!(html.links, [("Your page".to_owned(), "/me".to_owned())]);
        assert_eq!(html.forms.len(), 1);
        let form = &html.forms[0];
        assert_eq!((&*form.method, &*form.action), ("post", "/device?x=1&y=2"));
        let pairs: Vec<(&str, &str)> = form.fields.iter().map(|(n, v)| (&**n, &**v)).collect();
        assert_eq!(
            pairs[..4],
            [
                ("user_code", "WDJK-MPRT"),
                ("note", "a > b"),
                ("kept", "on"),
                ("who", "b")
            ]
        );
        assert_eq!(pairs[4].0, "why");
        assert_eq!(
            form.required_ticks,
            [("accept".to_owned(), "aup-3".to_owned())]
        );
        let labels: Vec<&str> = form.buttons.iter().map(|b| &*b.label).collect();
        assert_eq!(labels, ["This is me, let it in", "Deny"]);
        assert_eq!(form.buttons[1].action.as_deref(), Some("/device/deny"));
        assert!(form.buttons[1].skips_checks);
    }

    proptest::proptest! {
        #[test]
        fn anything_at_all_is_read_without_failing(text in "[<>/=\"'&;a-f#! \\-]{0,60}|\\PC{0,60}") {
            let _ = parse(&text);
        }

        #[test]
        fn an_attribute_survives_the_way_through_a_page(value in "\\PC{0,40}") {
            let escaped = value.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
            let html = parse(&format!("<form><input name=\"n\" value=\"{escaped}\"></form>"));
            proptest::prop_assert_eq!(&html.forms[0].fields[0].1, &value);
        }
    }

    #[test]
    fn broken_html_is_read_without_failing() {
        for text in [
            "<",
            "<form",
            "<form action='x",
            "&#xffffffff;",
            "<!--",
            "<input =>",
            "</",
            "<script>",
            "&;",
        ] {
            let _ = parse(text);
        }
        assert_eq!(parse("a & b &unknown; &#65;").text, "a & b &unknown; A");
    }
}
