//! A statement as the rows of a table, the most money first, with what is nobody's and the total at its foot. What does not fit on a page is
//! one row of its own, so that nothing is missing from the sum; the file has every row. Called by the pages beside it.

use std::collections::BTreeMap;

use control::Right;
use control::statements::{By, Line, Statement, Sum};
use domain::Usd;

use crate::pages::budgets::certainty;
use crate::pages::chart::Share;
use crate::pages::show::{self, Said};
use crate::pages::visit::Visitor;

/// Rows of a page.
const ROWS: usize = 100;

/// A row.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// Whose.
    pub name: Said,
    /// Its id, where another has the same name.
    pub sub: Said,
    /// Its page.
    pub to: Option<String>,
    /// What was used.
    pub used: Used,
    /// Its part of the money.
    pub share: Share,
}

/// Numbers of a row.
#[derive(Debug, Clone)]
pub(super) struct Used {
    /// Calls, refused ones included.
    pub requests: String,
    /// Of them refused.
    pub refused: String,
    /// Tokens of every class.
    pub tokens: String,
    /// Money.
    pub cost: String,
    /// Of it a bound, or without a known price; empty where all is certain.
    pub uncertain: String,
}

impl Used {
    fn of(sum: &Sum) -> Self {
        let tokens = [
            sum.input_tokens,
            sum.output_tokens,
            sum.cache_write_tokens,
            sum.cache_read_tokens,
        ];
        let uncertain = sum.estimated.plus(sum.unpriced);
        Self {
            requests: show::count(sum.requests),
            refused: show::count(sum.refused),
            tokens: show::count(tokens.into_iter().fold(0, u64::saturating_add)),
            cost: show::usd(sum.cost),
            uncertain: if uncertain == Usd::ZERO {
                String::new()
            } else {
                format!("{} estimated", show::usd(uncertain))
            },
        }
    }
}

/// The table.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    /// What a row is of.
    pub head: &'static str,
    /// The rows.
    pub rows: Vec<Row>,
    /// What is on rows that are not shown, and how many.
    pub more: Option<(String, Used)>,
    /// What is nobody's, and what that means; none where there is none of it.
    pub rest: Option<(&'static str, Used)>,
    /// Everything.
    pub total: Used,
    /// How far it is certain.
    pub certainty: String,
    /// Whether there is anything at all.
    pub is_empty: bool,
}

impl Lines {
    /// Of a statement; `with_empty` shows rows of what used nothing too, where somebody asked for them by name.
    pub(super) fn of(visitor: &Visitor, statement: &Statement, with_empty: bool) -> Self {
        let by = statement.wanted.by;
        let may_people = visitor.actor().may(Right::PeopleRead);
        Self::made(statement, with_empty, |of| {
            (by == By::Person && may_people).then(|| format!("/console/people/{of}"))
        })
    }

    fn made(
        statement: &Statement,
        with_empty: bool,
        page: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let (by, total) = (statement.wanted.by, &statement.total);
        let whole = total.cost.nanos();
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        for name in statement
            .lines
            .iter()
            .filter_map(|line| line.name.as_deref())
        {
            *names.entry(name).or_default() += 1;
        }
        let row = |line: &Line| {
            let of = line.of.as_deref().unwrap_or_default();
            let name = line.name.as_deref();
            let is_shared = name.is_some_and(|name| names[name] > 1);
            Row {
                name: Said::from(name.unwrap_or(of)),
                sub: Said::from(if is_shared { of } else { "" }),
                to: page(of),
                used: Used::of(&line.sum),
                share: Share {
                    tenths: show::tenths_of_percent(line.sum.cost.nanos(), whole).unwrap_or(0),
                },
            }
        };
        let mut lines: Vec<&Line> = statement
            .lines
            .iter()
            .filter(|line| line.of.is_some() && (with_empty || line.sum.requests > 0))
            .collect();
        // By group they come in the order that decides; a page shows who used most.
        lines.sort_by_key(|line| std::cmp::Reverse((line.sum.cost, line.sum.requests)));
        let (shown, left) = lines.split_at(lines.len().min(ROWS));
        let rest = statement.lines.iter().filter(|line| line.of.is_none());
        let rest = rest.filter(|line| line.sum.requests > 0);
        Self {
            head: super::word(by),
            rows: shown.iter().map(|line| row(line)).collect(),
            more: together(left),
            rest: rest.map(|line| (nobodys(by), Used::of(&line.sum))).next(),
            total: Used::of(total),
            certainty: certainty(total),
            is_empty: total.requests == 0,
        }
    }
}

fn together(left: &[&Line]) -> Option<(String, Used)> {
    let mut sum = Sum::default();
    for line in left {
        sum.add(&line.sum);
    }
    (!left.is_empty()).then(|| {
        let says = format!("{} more, in the file", show::count(left.len() as u64));
        (says, Used::of(&sum))
    })
}

/// What is on nobody's line.
const fn nobodys(by: By) -> &'static str {
    match by {
        By::Person => "Services, and calls that name nobody",
        By::Service => "People, and calls that name nobody",
        By::Group => "Whoever is in none of these groups, and services",
        By::Model => "Refused calls, and those that name no model",
        By::Client => "Calls that name no program",
        By::Upstream => "Refused calls, and those that reached no upstream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::statements::Wanted;
    use domain::Timestamp;

    fn sum(requests: u64, cents: i64) -> Sum {
        Sum {
            requests,
            cost: Usd::from_cents(cents),
            ..Sum::default()
        }
    }

    fn line(of: Option<String>, sum: Sum) -> Line {
        Line {
            name: of.as_ref().map(|of| format!("name of {of}")),
            of,
            sum,
        }
    }

    fn statement(lines: Vec<Line>) -> Statement {
        let mut total = Sum::default();
        for line in &lines {
            total.add(&line.sum);
        }
        Statement {
            wanted: Wanted {
                from: Timestamp::from_unix_ms(0),
                to: Timestamp::from_unix_ms(1),
                by: By::Group,
                groups: Vec::new(),
            },
            made: Timestamp::from_unix_ms(0),
            lines,
            total,
        }
    }

    #[test]
    fn what_does_not_fit_on_the_page_stands_on_a_row_of_its_own() {
        let mut lines: Vec<Line> = (0..150)
            .map(|n| line(Some(format!("g{n}")), sum(1, 100 + n)))
            .collect();
        lines.push(line(Some("idle".to_owned()), Sum::default()));
        lines.push(line(None, sum(3, 50)));
        let shown = Lines::made(&statement(lines), false, |_| None);
        assert_eq!(shown.rows.len(), ROWS);
        assert_eq!(shown.rows[0].used.cost, "$2.49", "most money first");
        let (says, more) = shown.more.unwrap();
        assert_eq!(
            (says.as_str(), more.requests.as_str()),
            ("50 more, in the file", "50")
        );
        // 100 rows of 1.50 to 2.49, 50 of 1.00 to 1.49, and half a dollar of nobody's.
        assert_eq!(more.cost, "$62.25");
        assert_eq!(shown.rest.unwrap().1.cost, "$0.50");
        assert_eq!(shown.total.cost, "$262.25");
    }

    #[test]
    fn two_of_one_name_are_told_apart_by_their_ids() {
        let mut lines: Vec<Line> = ["a", "b", "c"]
            .map(|of| line(Some(of.to_owned()), sum(1, 1)))
            .into();
        for line in &mut lines[..2] {
            line.name = Some("Ada".to_owned());
        }
        let shown = Lines::made(&statement(lines), false, |_| None);
        let subs: Vec<_> = shown.rows.iter().map(|row| row.sub.plain()).collect();
        assert_eq!(subs, ["a", "b", ""]);
    }

    #[test]
    fn a_group_that_used_nothing_is_shown_to_whom_asked_for_it() {
        let lines = || {
            vec![
                line(Some("idle".to_owned()), Sum::default()),
                line(None, Sum::default()),
            ]
        };
        assert!(
            Lines::made(&statement(lines()), false, |_| None)
                .rows
                .is_empty()
        );
        let asked = Lines::made(&statement(lines()), true, |_| None);
        assert!(asked.rows.len() == 1 && asked.rest.is_none() && asked.is_empty);
    }
}
