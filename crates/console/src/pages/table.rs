//! Lists in the address: which filters are on, the chips that take one off, and the links to the next page and back to the first.
//! Everything stands in the query, so that a link shows to somebody else what it shows here. Keyset paging: a page begins after a
//! row, so nothing is repeated or left out while rows are added; there is no way to page 7, and none is pretended. Which columns are
//! shown and by what rows are sorted is [`super::columns`]; choosing rows is [`super::bulk`].

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;
use url::form_urlencoded::{self, Serializer};

use super::parts;
use super::show::escape;

/// Rows of a page.
pub const ROWS: u32 = 50;

/// The name under which a query holds where its page begins.
const AFTER: &str = "after";

/// One filter that is on, or something else that the address keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Filter {
    name: &'static str,
    value: String,
    /// What its chip says; none for what is no filter.
    word: Option<String>,
}

/// Every value that an address gives a name, in order, bounded by what an address may be.
pub fn values(address: &str, name: &str) -> Vec<String> {
    let query = address.split_once('?').map_or("", |(_, query)| query);
    let pairs = form_urlencoded::parse(query.as_bytes());
    let named = pairs.filter(|(key, _)| key == name);
    named.map(|(_, value)| value.into_owned()).collect()
}

/// The filters of a list, as its address has them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filters {
    path: String,
    on: Vec<Filter>,
}

impl Filters {
    /// Of the list at this path.
    pub fn of(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            on: Vec::new(),
        }
    }

    /// Adds a filter that is on unless its value is empty; `word` is what its chip says.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str, word: impl Into<String>) -> Self {
        if !value.is_empty() {
            self.on.push(Filter {
                name,
                value: value.to_owned(),
                word: Some(word.into()),
            });
        }
        self
    }

    /// Keeps something in every address that is no filter and has no chip, unless its value is empty: columns, an order.
    #[must_use]
    pub fn keeping(mut self, name: &'static str, value: &str) -> Self {
        if !value.is_empty() {
            self.on.push(Filter {
                name,
                value: value.to_owned(),
                word: None,
            });
        }
        self
    }

    /// Whether any is on.
    pub fn any(&self) -> bool {
        self.on.iter().any(|filter| filter.word.is_some())
    }

    /// The address from the first page with this name set to a value, or without it where the value is empty.
    pub fn set(&self, name: &'static str, value: &str) -> String {
        let mut all = self.clone();
        all.on.retain(|filter| filter.name != name);
        all.keeping(name, value).first()
    }

    /// What a form that leads to the same list carries along, beside the fields of these names that it has itself.
    pub fn carried(&self, but: &[&str]) -> Carried {
        let kept = self.on.iter().filter(|filter| !but.contains(&filter.name));
        Carried(
            kept.map(|filter| (filter.name, filter.value.clone()))
                .collect(),
        )
    }

    /// Where the list is.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The address with every filter but this one, and from the first page.
    fn without(&self, name: &str) -> String {
        self.address(&self.path, |filter| filter.name != name, None)
    }

    /// The address of the page after a row.
    pub fn after(&self, row: &str) -> String {
        self.address(&self.path, |_| true, Some(row))
    }

    /// The address of the first page.
    pub fn first(&self) -> String {
        self.address(&self.path, |_| true, None)
    }

    /// The same filters at another path: a file of the same list.
    pub fn at(&self, path: &str) -> String {
        self.address(path, |_| true, None)
    }

    fn address(
        &self,
        path: &str,
        is_kept: impl Fn(&Filter) -> bool,
        after: Option<&str>,
    ) -> String {
        let mut query = Serializer::new(String::new());
        for filter in self.on.iter().filter(|filter| is_kept(filter)) {
            query.append_pair(filter.name, &filter.value);
        }
        if let Some(after) = after {
            query.append_pair(AFTER, after);
        }
        let query = query.finish();
        if query.is_empty() {
            path.to_owned()
        } else {
            format!("{path}?{query}")
        }
    }

    /// The chips that take each filter off.
    pub fn chips(&self) -> Chips {
        let chip = |filter: &Filter| {
            Some(Chip {
                word: filter.word.clone()?,
                off: self.without(filter.name),
            })
        };
        Chips {
            chips: self.on.iter().filter_map(chip).collect(),
            clear: self.address(&self.path, |filter| filter.word.is_none(), None),
        }
    }
}

/// Hidden fields of a form that leads to a list: what its address keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Carried(Vec<(&'static str, String)>);

impl fmt::Display for Carried {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            write!(out, r#"<input type="hidden" name="{name}" value=""#)?;
            escape(value, out)?;
            out.write_str(r#"">"#)?;
        }
        Ok(())
    }
}

impl HtmlSafe for Carried {}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Chip {
    word: String,
    off: String,
}

/// What is shown, as links that take it off again; nothing while no filter is on.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    source = r#"{% if !chips.is_empty() %}<div class="applied"><span class="muted">Shown:</span>{% for chip in chips %} <a class="chip" href="{{ chip.off }}" aria-label="Take off: {{ chip.word }}">{{ chip.word }} {{ parts::icon("cross") }}</a>{% endfor %} <a href="{{ clear }}">Clear</a></div>{% endif %}"#,
    ext = "html"
)]
pub struct Chips {
    chips: Vec<Chip>,
    clear: String,
}

impl HtmlSafe for Chips {}

/// The foot of a list: how many are shown, and the ways on.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    source = r#"<nav class="pager" aria-label="Pages"><span>{{ says }}</span><span class="acts">{% if let Some(first) = first %}<a class="btn small" href="{{ first }}">{{ parts::icon("back") }}First page</a>{% endif %}{% if let Some(next) = next %} <a class="btn small" rel="next" href="{{ next }}">Next page{{ parts::icon("next") }}</a>{% endif %}</span></nav>"#,
    ext = "html"
)]
pub struct Pager {
    says: String,
    first: Option<String>,
    next: Option<String>,
}

impl HtmlSafe for Pager {}

impl Pager {
    /// Says how many rows are shown; `next` is the row after which the next page begins, and `is_later` whether this is not the first.
    pub fn new(
        filters: &Filters,
        says: impl Into<String>,
        is_later: bool,
        next: Option<&str>,
    ) -> Self {
        Self {
            says: says.into(),
            first: is_later.then(|| filters.first()),
            next: next.map(|row| filters.after(row)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters() -> Filters {
        Filters::of("/console/people")
            .with("q", "a&b", "“a&b”")
            .with("state", "", "nothing")
            .with("kind", "x", "x")
    }

    #[test]
    fn a_chip_takes_its_own_filter_off_and_begins_again() {
        let shown = filters().chips().to_string();
        assert!(
            shown.contains(r#"href="/console/people?kind=x" aria-label="Take off: “a&#38;b”""#),
            "{shown}"
        );
        assert!(
            shown.contains(r#"href="/console/people?q=a%26b""#),
            "{shown}"
        );
        assert!(!shown.contains("nothing"));
        assert_eq!(Filters::of("/x").chips().to_string(), "");
    }

    #[test]
    fn what_is_no_filter_is_kept_without_a_chip() {
        let kept = filters().keeping("sort", "-who").keeping("columns", "");
        assert_eq!(
            kept.after("r"),
            "/console/people?q=a%26b&kind=x&sort=-who&after=r"
        );
        assert_eq!(kept.set("sort", ""), "/console/people?q=a%26b&kind=x");
        let chips = kept.chips().to_string();
        assert!(
            chips.contains(r#"<a href="/console/people?sort=-who">Clear</a>"#),
            "{chips}"
        );
        assert!(!chips.contains(">-who"), "{chips}");
        assert!(!Filters::of("/x").keeping("sort", "a").any());
        assert_eq!(
            filters().carried(&["kind"]).to_string(),
            r#"<input type="hidden" name="q" value="a&amp;b">"#
        );
    }

    #[test]
    fn an_address_may_name_something_several_times() {
        assert_eq!(values("/x?id=a&b=c&id=d%20e", "id"), ["a", "d e"]);
        assert!(values("/x", "id").is_empty());
    }

    #[test]
    fn the_next_page_keeps_the_filters() {
        assert_eq!(
            filters().after("per_1"),
            "/console/people?q=a%26b&kind=x&after=per_1"
        );
        assert_eq!(
            filters().at("/console/people.csv"),
            "/console/people.csv?q=a%26b&kind=x"
        );
        assert_eq!(Filters::of("/x").first(), "/x");
    }

    #[test]
    fn there_is_no_way_on_from_the_last_page_and_none_back_from_the_first() {
        let last = Pager::new(&filters(), "3 shown", false, None).to_string();
        assert!(!last.contains("Next") && !last.contains("First"), "{last}");
        let middle = Pager::new(&filters(), "50 shown", true, Some("a\"b")).to_string();
        assert!(
            middle.contains("after=a%22b") && middle.contains("First page"),
            "{middle}"
        );
    }
}
