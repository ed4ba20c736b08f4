//! Choosing rows of a list and doing one thing to all of them: a plain form whose boxes stand in the rows, a bar of what can be done, and
//! a page that lists what is touched before it is. Without scripts all of it works; with them a box in the head chooses the whole page.
//! Does nothing itself, and nobody is allowed anything here: the function of `control` that is called for each row asks.
//!
//! A page has a [`Bulk`], writes `{{ bulk.head() }}` and for each row `{{ bulk.tick(id, name) }}` as the first cells, and `{{ bulk }}` above
//! the table. The address a button leads to reads [`chosen`], and shows [`ConfirmMany`]; its form posts to the same address.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use askama::Template;
use askama::filters::HtmlSafe;
use axum::response::Response;
use domain::{ReasonCode, limits};
use http::{HeaderMap, StatusCode};
use url::form_urlencoded::Serializer;

use super::confirm::Confirm;
use super::parts::{self, Badge};
use super::shell::Shell;
use super::show::{Said, escape};
use super::table::values;
use super::wrong::Wrong;

/// The name of a row's box, and of each chosen row in the address.
const ID: &str = "id";

/// One thing that can be done to what is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// The page that asks first.
    pub to: &'static str,
    /// What its button says: `End the chosen`.
    pub word: &'static str,
    /// Whether it takes something away.
    pub is_risk: bool,
}

/// The bar of a list whose rows can be chosen. Nothing where nothing can be done.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    source = r#"{% if !acts.is_empty() %}<form class="bulk" id="bulk" data-choose><span data-chosen role="status">Choose {{ nouns }} to do something to all of them at once.</span><span class="acts">{% for act in acts %}<button class="btn small{% if act.is_risk %} risk{% endif %}" formaction="{{ act.to }}">{{ act.word }}</button>{% endfor %}</span></form>{% endif %}"#,
    ext = "html"
)]
pub struct Bulk {
    nouns: &'static str,
    acts: Vec<Act>,
}

impl HtmlSafe for Bulk {}

impl Bulk {
    /// Of these nouns (`sessions`), with what may be done to them by whoever looks.
    pub fn of(nouns: &'static str, acts: Vec<Act>) -> Self {
        Self { nouns, acts }
    }

    /// Whether rows have boxes.
    pub fn any(&self) -> bool {
        !self.acts.is_empty()
    }

    /// The head of the column of boxes.
    pub fn head(&self) -> BulkHead {
        BulkHead(self.any().then_some(self.nouns))
    }

    /// The box of a row; an empty cell for a row to which nothing can be done.
    pub fn tick(&self, id: Option<&str>, name: &str) -> Tick {
        Tick {
            is_shown: self.any(),
            row: id.map(|id| (id.to_owned(), Said::from(name).plain().to_owned())),
        }
    }
}

/// The head of the column of boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkHead(Option<&'static str>);

impl fmt::Display for BulkHead {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(nouns) = self.0 else { return Ok(()) };
        write!(
            out,
            r#"<th scope="col" class="choose"><span class="sr">Choose all {nouns} of this page</span></th>"#
        )
    }
}

impl HtmlSafe for BulkHead {}

/// The cell with the box of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    is_shown: bool,
    row: Option<(String, String)>,
}

impl fmt::Display for Tick {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_shown {
            return Ok(());
        }
        out.write_str(r#"<td class="choose">"#)?;
        if let Some((id, name)) = &self.row {
            write!(
                out,
                r#"<label><input type="checkbox" form="bulk" name="{ID}" value=""#
            )?;
            escape(id, out)?;
            out.write_str(r#"" aria-label="Choose "#)?;
            escape(name, out)?;
            out.write_str(r#""></label>"#)?;
        }
        out.write_str("</td>")
    }
}

impl HtmlSafe for Tick {}

/// The rows that an address names, each once, in its order; none when none was chosen. At most [`limits::CHOSEN_MAX`].
pub fn chosen<T: FromStr + Ord + Copy>(address: &str) -> Result<Vec<T>, Wrong> {
    let unreadable = |detail: String| Wrong::new(ReasonCode::ParameterInvalid, detail);
    let named = values(address, ID);
    if named.len() > limits::CHOSEN_MAX {
        let most = limits::CHOSEN_MAX;
        return Err(unreadable(format!("At most {most} may be chosen at once.")));
    }
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for id in named {
        let id: T = id.parse().map_err(|_| {
            unreadable("The address names something that cannot be in the list.".to_owned())
        })?;
        if seen.insert(id) {
            all.push(id);
        }
    }
    Ok(all)
}

/// The address of a page that is about these rows.
pub fn about<T: fmt::Display>(path: &str, ids: &[T]) -> String {
    let mut query = Serializer::new(String::new());
    for id in ids {
        query.append_pair(ID, &id.to_string());
    }
    format!("{path}?{}", query.finish())
}

/// One thing that is touched, or that is not and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// What it is called.
    pub what: Said,
    /// Particulars.
    pub sub: String,
    /// What is special about it.
    pub badge: Option<Badge>,
}

/// The page before something is done to several things: as [`Confirm`], with each of them named.
#[derive(Debug, Clone)]
pub struct ConfirmMany {
    /// What is about to be done; its address names the rows, by [`about`].
    pub confirm: Confirm,
    /// What is touched.
    pub touched: Vec<Touched>,
    /// What was chosen and is left alone, with the reason as its particulars.
    pub left: Vec<Touched>,
}

impl ConfirmMany {
    /// Its page; with a mistake beside a field, its status says so.
    pub fn page(self, shell: Shell) -> Response {
        let is_wrong = self
            .confirm
            .fields
            .iter()
            .any(|field| field.wrong.is_some());
        let status = if is_wrong {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::OK
        };
        let page = Page {
            shell,
            asked: self.confirm,
            touched: self.touched,
            left: self.left,
        };
        web::page::respond(status, &page, HeaderMap::new())
    }
}

#[derive(Template)]
#[template(path = "confirm_many.html")]
struct Page {
    shell: Shell,
    asked: Confirm,
    touched: Vec<Touched>,
    left: Vec<Touched>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::SessionId;

    fn id(n: u64) -> SessionId {
        SessionId::from_parts(n, 0)
    }

    #[test]
    fn what_was_chosen_stands_in_the_address_once_each() {
        let address = about("/console/x/end", &[id(1), id(2), id(1)]);
        assert_eq!(chosen::<SessionId>(&address).unwrap(), [id(1), id(2)]);
        assert!(chosen::<SessionId>("/console/x/end").unwrap().is_empty());
        assert!(chosen::<SessionId>("/console/x/end?id=per_1").is_err());
        let many: Vec<_> = (0..=limits::CHOSEN_MAX as u64).map(id).collect();
        assert!(chosen::<SessionId>(&about("/x", &many)).is_err());
    }

    #[test]
    fn a_box_names_its_row_and_stands_only_where_something_can_be_done() {
        let act = Act {
            to: "/console/x/end",
            word: "End the chosen",
            is_risk: true,
        };
        let bulk = Bulk::of("sessions", vec![act]);
        let shown = bulk.tick(Some("a\"b"), "<b>\u{202e}").to_string();
        assert!(
            shown
                .contains(r#"form="bulk" name="id" value="a&quot;b" aria-label="Choose &lt;b&gt;"#),
            "{shown}"
        );
        assert!(!shown.contains('\u{202e}'));
        assert_eq!(
            bulk.tick(None, "x").to_string(),
            r#"<td class="choose"></td>"#
        );
        let nothing = Bulk::of("sessions", Vec::new());
        let parts = [
            nothing.to_string(),
            nothing.head().to_string(),
            nothing.tick(Some("a"), "x").to_string(),
        ];
        assert_eq!(parts.concat(), "");
    }
}
