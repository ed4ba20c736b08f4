//! The columns of a table: which are shown (`?columns=`, chosen in a form that works without scripts), in which order they leave as the
//! page narrows, and by which the rows are sorted (`?sort=`, a link in the head). Both stand in the address, and what stands there and
//! is not known is passed over. Sorts nothing: a page offers an order only where its query has a key for it. Called by pages; a template
//! writes `{{ columns.heads() }}` and, for each cell, `{% if columns.has("who") %}<td class="{{ columns.class("who") }}">`.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;

use super::parts;
use super::show::escape;
use super::table::{Carried, Filters, values};

/// The name under which a query holds the chosen columns.
const COLUMNS: &str = "columns";

/// The name under which a query holds the order.
const SORT: &str = "sort";

/// One column that a table may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    id: &'static str,
    word: &'static str,
    class: &'static str,
    is_number: bool,
    is_fixed: bool,
    is_extra: bool,
}

impl Column {
    /// A column that is shown unless it is taken off, at every width.
    pub const fn new(id: &'static str, word: &'static str) -> Self {
        Self {
            id,
            word,
            class: "",
            is_number: false,
            is_fixed: false,
            is_extra: false,
        }
    }

    /// The same, right-aligned.
    #[must_use]
    pub const fn number(self) -> Self {
        Self {
            is_number: true,
            ..self
        }
    }

    /// The same, which is always shown: what a row is about.
    #[must_use]
    pub const fn fixed(self) -> Self {
        Self {
            is_fixed: true,
            ..self
        }
    }

    /// The same, which is shown only when it was chosen.
    #[must_use]
    pub const fn extra(self) -> Self {
        Self {
            is_extra: true,
            ..self
        }
    }

    /// The same, which leaves a narrowing page: `widest` first, then `wide`, then `mid`. One that somebody chose stays.
    #[must_use]
    pub const fn leaving(self, class: &'static str) -> Self {
        Self { class, ..self }
    }
}

/// An order of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// The column.
    pub column: &'static str,
    /// Whether the newest, largest or last comes first.
    pub is_down: bool,
}

impl Order {
    /// From the least to the most.
    pub const fn up(column: &'static str) -> Self {
        Self {
            column,
            is_down: false,
        }
    }

    /// From the most to the least.
    pub const fn down(column: &'static str) -> Self {
        Self {
            column,
            is_down: true,
        }
    }

    fn word(self) -> String {
        format!("{}{}", if self.is_down { "-" } else { "" }, self.column)
    }
}

/// The columns of a table as an address has them, and its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    all: &'static [Column],
    shown: Vec<&'static str>,
    is_chosen: bool,
    orders: &'static [Order],
    order: Option<Order>,
    filters: Filters,
}

impl Columns {
    /// Of an address, with the orders that its list can have, the usual one first.
    pub fn asked(address: &str, all: &'static [Column], orders: &'static [Order]) -> Self {
        let asked = values(address, COLUMNS);
        let named: Vec<&str> = asked.iter().flat_map(|text| text.split(',')).collect();
        let is_usual = |column: &Column| column.is_fixed || !column.is_extra;
        let is_named = |column: &Column| column.is_fixed || named.contains(&column.id);
        let ids = |is_in: &dyn Fn(&Column) -> bool| -> Vec<&'static str> {
            let kept = all.iter().filter(|column| is_in(column));
            kept.map(|column| column.id).collect()
        };
        let (usual, chosen) = (ids(&is_usual), ids(&is_named));
        let is_chosen = !asked.is_empty() && chosen != usual;
        let sort = values(address, SORT);
        let wanted = sort.first().map_or("", String::as_str);
        let order = orders.iter().find(|order| order.word() == wanted);
        Self {
            all,
            shown: if is_chosen { chosen } else { usual },
            is_chosen,
            orders,
            order: order.or(orders.first()).copied(),
            filters: Filters::default(),
        }
    }

    /// The list's filters, with the columns and the order in every address of theirs.
    pub fn in_addresses(&self, filters: Filters) -> Filters {
        let columns = if self.is_chosen {
            let free = self.all.iter().filter(|column| !column.is_fixed);
            let chosen: Vec<_> = free
                .map(|column| column.id)
                .filter(|id| self.has(id))
                .collect();
            // Nothing beside what is always shown is something that was chosen, too.
            if chosen.is_empty() {
                "none".to_owned()
            } else {
                chosen.join(",")
            }
        } else {
            String::new()
        };
        let usual = self.orders.first();
        let order = self.order.filter(|order| Some(order) != usual);
        let order = order.map_or_else(String::new, Order::word);
        filters.keeping(COLUMNS, &columns).keeping(SORT, &order)
    }

    /// The same, whose links keep these filters.
    #[must_use]
    pub fn with(self, filters: &Filters) -> Self {
        Self {
            filters: filters.clone(),
            ..self
        }
    }

    /// Whether a column is shown.
    pub fn has(&self, id: &str) -> bool {
        self.shown.contains(&id)
    }

    /// The order that was asked for, else the usual one.
    pub fn is_down(&self) -> bool {
        self.order.is_some_and(|order| order.is_down)
    }

    /// The classes of a column's cells.
    pub fn class(&self, id: &str) -> String {
        let column = self.all.iter().find(|column| column.id == id);
        column.map_or_else(String::new, |column| self.classes(column))
    }

    fn classes(&self, column: &Column) -> String {
        let number = if column.is_number { "num" } else { "" };
        let leaves = if self.is_chosen { "" } else { column.class };
        let gap = if number.is_empty() || leaves.is_empty() {
            ""
        } else {
            " "
        };
        format!("{number}{gap}{leaves}")
    }

    /// The heads of what is shown, each a link where the list can be sorted by it.
    pub fn heads(&self) -> Heads<'_> {
        Heads(self)
    }

    /// The form that chooses columns.
    pub fn chooser(&self) -> Chooser {
        let choice = |column: &Column| Choice {
            id: column.id,
            word: column.word,
            is_on: self.has(column.id),
        };
        let free = self.all.iter().filter(|column| !column.is_fixed);
        Chooser {
            to: self.filters.path().to_owned(),
            usual: self.filters.set(COLUMNS, ""),
            is_chosen: self.is_chosen,
            carried: self.filters.carried(&[COLUMNS]),
            choices: free.map(choice).collect(),
        }
    }
}

/// The heads of a table.
#[derive(Debug)]
pub struct Heads<'c>(&'c Columns);

impl Heads<'_> {
    /// The order that the link in this head leads to: the other way where it is sorted by it, else the first there is.
    fn next(&self, column: &Column) -> Option<Order> {
        let of_this = |order: &&Order| order.column == column.id;
        let mut own = self.0.orders.iter().filter(of_this);
        let other = own.clone().find(|order| Some(**order) != self.0.order);
        match self.0.order {
            Some(order) if order.column == column.id => other.copied(),
            _ => own.next().copied(),
        }
    }

    fn head(&self, column: &Column, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(r#"<th scope="col""#)?;
        let class = self.0.classes(column);
        if !class.is_empty() {
            write!(out, r#" class="{class}""#)?;
        }
        let sorted = self.0.order.filter(|order| order.column == column.id);
        if let Some(order) = sorted {
            let way = if order.is_down {
                "descending"
            } else {
                "ascending"
            };
            write!(out, r#" aria-sort="{way}""#)?;
        }
        out.write_str(">")?;
        let arrow = sorted.map_or("", |order| if order.is_down { " ↓" } else { " ↑" });
        let Some(order) = self.next(column) else {
            escape(column.word, out)?;
            return write!(out, r#"<span aria-hidden="true">{arrow}</span></th>"#);
        };
        let usual = self.0.orders.first() == Some(&order);
        let word = if usual { String::new() } else { order.word() };
        out.write_str(r#"<a href=""#)?;
        escape(&self.0.filters.set(SORT, &word), out)?;
        out.write_str(r#"">"#)?;
        escape(column.word, out)?;
        write!(out, r#"<span aria-hidden="true">{arrow}</span></a></th>"#)
    }
}

impl fmt::Display for Heads<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.all.iter().filter(|column| self.0.has(column.id));
        for column in shown {
            self.head(column, out)?;
        }
        Ok(())
    }
}

impl HtmlSafe for Heads<'_> {}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Choice {
    id: &'static str,
    word: &'static str,
    is_on: bool,
}

/// A form that chooses columns; its answer is an address.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    source = r#"<details class="menu end"><summary class="btn small">Columns{{ parts::icon("chevron") }}</summary><form class="sheet columns" action="{{ to }}">{{ carried }}<input type="hidden" name="columns" value="">{% for choice in choices %}<label class="tick"><input type="checkbox" name="columns" value="{{ choice.id }}" aria-label="{{ choice.word }}"{% if choice.is_on %} checked{% endif %}>{{ choice.word }}</label>{% endfor %}<span class="acts"><button class="btn main small">Show these</button>{% if is_chosen %} <a class="btn small" href="{{ usual }}">The usual</a>{% endif %}</span></form></details>"#,
    ext = "html"
)]
pub struct Chooser {
    to: String,
    usual: String,
    is_chosen: bool,
    carried: Carried,
    choices: Vec<Choice>,
}

impl HtmlSafe for Chooser {}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[Column] = &[
        Column::new("who", "Who").fixed(),
        Column::new("groups", "Groups").leaving("mid"),
        Column::new("cost", "Cost").number().leaving("wide"),
        Column::new("id", "Our <id>").extra(),
    ];
    const ORDERS: &[Order] = &[Order::up("who"), Order::down("who"), Order::down("cost")];

    fn asked(address: &str) -> Columns {
        let columns = Columns::asked(address, ALL, ORDERS);
        let filters = columns.in_addresses(Filters::of("/console/x").with("q", "a", "a"));
        columns.with(&filters)
    }

    #[test]
    fn an_address_says_which_columns_are_shown() {
        for (address, shown) in [
            ("/x", vec!["who", "groups", "cost"]),
            ("/x?columns=id", vec!["who", "id"]),
            (
                "/x?columns=&columns=id&columns=cost",
                vec!["who", "cost", "id"],
            ),
            ("/x?columns=cost,id", vec!["who", "cost", "id"]),
            ("/x?columns=", vec!["who"]),
            ("/x?columns=nothing", vec!["who"]),
            (
                "/x?columns=groups&columns=cost",
                vec!["who", "groups", "cost"],
            ),
        ] {
            assert_eq!(asked(address).shown, shown, "{address}");
        }
    }

    #[test]
    fn what_was_chosen_stays_at_every_width_and_in_every_address() {
        let usual = asked("/x");
        assert_eq!(usual.class("cost"), "num wide");
        assert_eq!(usual.filters.first(), "/console/x?q=a");
        let chosen = asked("/x?columns=cost&sort=-cost");
        assert_eq!(chosen.class("cost"), "num");
        assert_eq!(
            chosen.filters.first(),
            "/console/x?q=a&columns=cost&sort=-cost"
        );
        assert_eq!(
            asked("/x?columns=").filters.first(),
            "/console/x?q=a&columns=none"
        );
    }

    #[test]
    fn a_head_says_its_order_and_leads_to_the_next() {
        let heads = asked("/x?sort=-who").heads().to_string();
        assert!(
            heads.contains(r#"<th scope="col" aria-sort="descending"><a href="/console/x?q=a">Who<span aria-hidden="true"> ↓</span></a></th>"#),
            "{heads}"
        );
        assert!(
            heads.contains(r#"<a href="/console/x?q=a&amp;sort=-cost">Cost"#),
            "{heads}"
        );
        assert!(
            heads.contains(r#"<th scope="col" class="mid">Groups<"#),
            "{heads}"
        );
        let usual = asked("/x?sort=%22%3E%3Cscript%3E").heads().to_string();
        assert!(
            usual.contains(r#"aria-sort="ascending"><a href="/console/x?q=a&amp;sort=-who""#),
            "{usual}"
        );
        assert!(asked("/x?sort=-who").is_down() && !asked("/x").is_down());
    }

    #[test]
    fn the_form_carries_the_filters_and_knows_every_column_that_can_be_taken_off() {
        let form = asked("/x?columns=id&sort=-cost").chooser().to_string();
        for part in [
            r#"<input type="hidden" name="q" value="a"><input type="hidden" name="sort" value="-cost">"#,
            r#"value="groups" aria-label="Groups">"#,
            r#"value="id" aria-label="Our &#60;id&#62;" checked>"#,
            r#"href="/console/x?q=a&#38;sort=-cost">The usual"#,
        ] {
            assert!(form.contains(part), "{part} is missing in {form}");
        }
        assert!(!form.contains(r#"value="who""#), "{form}");
    }
}
