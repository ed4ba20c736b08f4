//! Charts, drawn here as SVG: bars by hour or day with x in percent and y in pixels, so that text never shrinks and no style attribute
//! is needed; and the same numbers as a table beneath. Bars of one chart share a scale. Two series at most and a limit; whoever wants
//! a third draws a second chart. Called by pages; never rounds a bar away: what is not nothing is at least a pixel.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;

/// One bar: what it stands for, and a value for each series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// Its row in the table: `14:00`.
    pub name: String,
    /// What stands under it; bars without are between two that have one.
    pub label: Option<String>,
    /// Values, as many as the chart has series.
    pub values: Vec<u64>,
}

/// How a series looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// The first series.
    First,
    /// The second.
    Second,
    /// What was refused.
    Stop,
}

impl Ink {
    const fn class(self) -> &'static str {
        match self {
            Self::First => "b1",
            Self::Second => "b2",
            Self::Stop => "bstop",
        }
    }
}

/// One series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// What it counts: `allowed`.
    pub name: String,
    /// How it looks.
    pub ink: Ink,
}

/// A chart with its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// What it shows, in a sentence with the number that matters: read aloud in place of the drawing.
    pub says: String,
    /// The table's caption.
    pub caption: String,
    /// What a bar stands for: `Hour`.
    pub of: String,
    /// The series, stacked in this order.
    pub series: Vec<Series>,
    /// The bars.
    pub bars: Vec<Bar>,
    /// A line across, with its words.
    pub limit: Option<(u64, String)>,
    /// How a value is written.
    pub unit: Unit,
    /// Height of the drawing in pixels.
    pub height: u32,
    /// Whether each bar holds what the one before it holds, and more: then the last says how much it is in all.
    pub is_running: bool,
}

/// What values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A count.
    Count,
    /// US cents.
    Cents,
}

impl Unit {
    /// Hundredths of a percent that the words of the lines across take on the left.
    const fn margin(self) -> u64 {
        match self {
            Self::Count => 600,
            Self::Cents => 900,
        }
    }

    /// As a line across has it: whole dollars without cents.
    fn mark(self, value: u64) -> String {
        let word = self.write(value);
        match self {
            Self::Count => word,
            Self::Cents => word.trim_end_matches(".00").to_owned(),
        }
    }

    pub(super) fn write(self, value: u64) -> String {
        match self {
            Self::Count => super::show::count(value),
            Self::Cents => {
                let cents = i64::try_from(value).unwrap_or(i64::MAX);
                super::show::usd(domain::Usd::from_cents(cents))
            }
        }
    }
}

/// Pixels above the highest bar, for the limit's words; and below the axis, for labels.
const ABOVE: u32 = 20;
const BELOW: u32 = 20;

impl Chart {
    /// The value at the top of the drawing.
    fn top(&self) -> u64 {
        let of_bar = |bar: &Bar| {
            bar.values
                .iter()
                .fold(0u64, |sum, v| sum.saturating_add(*v))
        };
        let highest = self.bars.iter().map(of_bar).max().unwrap_or(0);
        highest
            .max(self.limit.as_ref().map_or(0, |limit| limit.0))
            .max(1)
    }

    /// Whether nothing is shown.
    fn is_empty(&self) -> bool {
        let mut values = self.bars.iter().flat_map(|bar| &bar.values);
        values.all(|value| *value == 0)
    }

    /// Tenths of a pixel from the axis.
    fn tall(&self, value: u64) -> u64 {
        let room = u64::from(self.height.saturating_sub(ABOVE + BELOW)) * 10;
        let tall = u128::from(value) * u128::from(room) / u128::from(self.top());
        u64::try_from(tall).unwrap_or(room).min(room)
    }

    fn axis(&self) -> u64 {
        u64::from(self.height - BELOW) * 10
    }

    fn y(&self, tall: u64) -> Tenths {
        Tenths(self.axis().saturating_sub(tall))
    }

    /// Values of the lines across: round ones up to the top, as many as do not stand on each other's words, and none on the limit's.
    fn marks(&self) -> Vec<u64> {
        // of nothing there is no scale; a line of "1" would look like a value
        if self.limit.is_none() && self.is_empty() {
            return Vec::new();
        }
        let most = if self.height < 150 { 3 } else { 4 };
        let step = round_step(self.top(), most);
        let limit = self.limit.as_ref().map_or(u64::MAX, |limit| limit.0);
        let marks = (1..=most).map(|n| n.saturating_mul(step));
        marks
            .filter(|mark| *mark <= self.top() && *mark < limit)
            .collect()
    }

    fn draw(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mark in self.marks() {
            let (y, word) = (self.y(self.tall(mark)), self.unit.mark(mark));
            let above = Tenths(y.0.saturating_sub(40));
            write!(
                out,
                r#"<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}"/><text x="0" y="{above}">{word}</text>"#
            )?;
        }
        let slots = u64::try_from(self.bars.len()).unwrap_or(1).max(1);
        for (place, bar) in (0u64..).zip(&self.bars) {
            self.bar(out, (place, slots), bar)?;
        }
        if let Some((value, word)) = &self.limit {
            let y = self.y(self.tall(*value));
            let above = Tenths(y.0.saturating_sub(50));
            write!(
                out,
                r#"<line class="limit" x1="0" x2="100%" y1="{y}" y2="{y}"/><text class="limit-text" x="100%" y="{above}" text-anchor="end">"#
            )?;
            super::show::escape(word, out)?;
            out.write_str("</text>")?;
        }
        if self.is_empty() {
            let middle = Tenths(self.axis() / 2);
            write!(
                out,
                r#"<text x="50%" y="{middle}" text-anchor="middle">nothing yet</text>"#
            )?;
        }
        let axis = Tenths(self.axis());
        write!(
            out,
            r#"<line class="axis" x1="0" x2="100%" y1="{axis}" y2="{axis}"/>"#
        )
    }

    fn bar(
        &self,
        out: &mut fmt::Formatter<'_>,
        (place, slots): (u64, u64),
        bar: &Bar,
    ) -> fmt::Result {
        // Hundredths of a percent: a slot right of the words of the lines across, of which the bar takes seven tenths.
        let margin = self.unit.margin();
        let at = |place: u64| margin + place * (10_000 - margin) / slots;
        let (left, right) = (at(place), at(place + 1));
        let (wide, gap) = ((right - left) * 7 / 10, (right - left) * 3 / 20);
        let (x, wide) = (Hundredths(left + gap), Hundredths(wide.max(10)));
        let mut under = 0;
        for (series, value) in self
            .series
            .iter()
            .zip(&bar.values)
            .filter(|(_, value)| **value > 0)
        {
            let tall = self.tall(*value).max(10);
            let (class, y) = (series.ink.class(), self.y(under + tall));
            let (name, tall_shown) = (&series.name, Tenths(tall));
            write!(
                out,
                r#"<rect class="{class}" x="{x}%" y="{y}" width="{wide}%" height="{tall_shown}"><title>"#
            )?;
            super::show::escape(
                &format!("{}: {} {name}", bar.name, self.unit.write(*value)),
                out,
            )?;
            out.write_str("</title></rect>")?;
            under += tall;
        }
        if let Some(label) = &bar.label {
            let (middle, y) = (Hundredths(left.midpoint(right)), self.height - 5);
            write!(out, r#"<text x="{middle}%" y="{y}" text-anchor="middle">"#)?;
            super::show::escape(label, out)?;
            out.write_str("</text>")?;
        }
        Ok(())
    }

    fn total(&self, series: usize) -> String {
        let values = self.bars.iter().filter_map(|bar| bar.values.get(series));
        let total = if self.is_running {
            values.max().copied().unwrap_or(0)
        } else {
            values.fold(0u64, |sum, value| sum.saturating_add(*value))
        };
        self.unit.write(total)
    }
}

/// The least round number (1, 2 or 5 with zeros) that goes into this one at most so many times.
fn round_step(top: u64, most: u64) -> u64 {
    let mut unit = 1u64;
    loop {
        let fits = [1, 2, 5]
            .into_iter()
            .map(|n| unit.saturating_mul(n))
            .find(|step| top / step <= most);
        if let Some(step) = fits {
            return step;
        }
        unit = unit.saturating_mul(10);
    }
}

/// Written with one decimal.
#[derive(Debug, Clone, Copy)]
struct Tenths(u64);

impl fmt::Display for Tenths {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

/// Written with two decimals.
#[derive(Debug, Clone, Copy)]
struct Hundredths(u64);

impl fmt::Display for Hundredths {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

struct Drawing<'c>(&'c Chart);

impl fmt::Display for Drawing<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.draw(out)
    }
}

impl HtmlSafe for Drawing<'_> {}

/// A line of the legend: how it looks, what it is, and how much of it there is.
struct Legend<'c> {
    class: &'static str,
    name: &'c str,
    total: String,
}

/// A row of the table.
struct Row<'c> {
    name: &'c str,
    values: Vec<String>,
}

#[derive(Template)]
#[template(
    source = r#"<svg class="chart" height="{{ chart.height }}" role="img" aria-label="{{ chart.says }}">{{ drawing }}</svg>
<div class="legend">{% for line in legend %}<span><svg aria-hidden="true" class="chart"><rect class="{{ line.class }}" width="14" height="10"/></svg>{{ line.name }} {{ line.total }}</span>{% endfor %}</div>
<details class="fold"><summary>The same as a table</summary><div class="table"><table><caption class="sr">{{ chart.caption }}</caption>
<thead><tr><th scope="col">{{ chart.of }}</th>{% for line in legend %}<th scope="col" class="num">{{ line.name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in rows %}<tr><th scope="row">{{ row.name }}</th>{% for value in row.values %}<td class="num">{{ value }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div></details>"#,
    ext = "html"
)]
struct Whole<'c> {
    chart: &'c Chart,
    drawing: Drawing<'c>,
    legend: Vec<Legend<'c>>,
    rows: Vec<Row<'c>>,
}

impl fmt::Display for Chart {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self
            .series
            .iter()
            .enumerate()
            .map(|(place, series)| Legend {
                class: series.ink.class(),
                name: &series.name,
                total: self.total(place),
            });
        let rows = self.bars.iter().map(|bar| Row {
            name: &bar.name,
            values: bar
                .values
                .iter()
                .map(|value| self.unit.write(*value))
                .collect(),
        });
        let whole = Whole {
            chart: self,
            drawing: Drawing(self),
            legend: lines.collect(),
            rows: rows.collect(),
        };
        fmt::Display::fmt(&whole, out)
    }
}

impl HtmlSafe for Chart {}

/// How much of a whole, as a bar with a mark where an even pace would be. Its number stands beside it in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meter {
    /// Tenths of a percent that are full; more than all is all.
    pub full: i64,
    /// Tenths of a percent of the mark.
    pub pace: Option<i64>,
}

impl fmt::Display for Meter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let full = self.full.clamp(0, 1_000);
        let class = if self.full >= 950 { "bstop" } else { "b1" };
        let wide = Tenths(full.unsigned_abs());
        write!(
            out,
            r#"<svg class="meter" height="8" aria-hidden="true"><rect class="well" width="100%" height="8" rx="1"/><rect class="{class}" width="{wide}%" height="8" rx="1"/>"#
        )?;
        if let Some(pace) = self.pace {
            let x = Tenths(pace.clamp(0, 1_000).unsigned_abs());
            write!(
                out,
                r#"<rect class="tick-mark" x="{x}%" y="0" width="1.5" height="8"/>"#
            )?;
        }
        out.write_str("</svg>")
    }
}

impl HtmlSafe for Meter {}

/// A share in a table's row, neutral in colour: a number of times, not a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Tenths of a percent.
    pub tenths: i64,
}

impl fmt::Display for Share {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wide = Tenths(self.tenths.clamp(0, 1_000).unsigned_abs());
        write!(
            out,
            r#"<svg class="meter" height="8" aria-hidden="true"><rect class="well" width="100%" height="8" rx="1"/><rect class="b2" width="{wide}%" height="8" rx="1"/></svg>"#
        )
    }
}

impl HtmlSafe for Share {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chart(values: &[(u64, u64)]) -> Chart {
        let bar = |(place, (allowed, refused)): (usize, &(u64, u64))| Bar {
            name: format!("{place:02}:00"),
            label: (place % 6 == 0).then(|| format!("{place:02}")),
            values: vec![*allowed, *refused],
        };
        let series = |name: &str, ink| Series {
            name: name.to_owned(),
            ink,
        };
        Chart {
            says: "Requests by hour".to_owned(),
            caption: "Requests by hour".to_owned(),
            of: "Hour".to_owned(),
            series: vec![series("allowed", Ink::First), series("refused", Ink::Stop)],
            bars: values.iter().enumerate().map(bar).collect(),
            limit: None,
            unit: Unit::Count,
            height: 116,
            is_running: false,
        }
    }

    #[test]
    fn every_number_of_the_drawing_stands_in_the_table() {
        let shown = chart(&[(412, 3), (0, 0), (530, 0)]).to_string();
        for part in [
            r#"<th scope="row">00:00</th><td class="num">412</td><td class="num">3</td>"#,
            "<title>02:00: 530 allowed</title>",
            "allowed 942",
            r#"role="img" aria-label="Requests by hour""#,
        ] {
            assert!(shown.contains(part), "{part} is missing in\n{shown}");
        }
        assert!(!shown.contains("style="));
    }

    #[test]
    fn a_drawing_of_nothing_says_so() {
        let nothing = chart(&[(0, 0), (0, 0)]);
        let shown = nothing.to_string();
        assert!(
            shown.contains(">nothing yet</text>") && !shown.contains("grid"),
            "{shown}"
        );
        let limited = Chart {
            limit: Some((500, "Budget $5.00".to_owned())),
            ..nothing
        };
        assert!(limited.to_string().contains("grid"), "a limit is a scale");
        let some = chart(&[(0, 1)]).to_string();
        assert!(!some.contains("nothing yet") && some.contains("grid"));
    }

    #[test]
    fn lines_across_stand_at_round_numbers() {
        for (top, most, step) in [
            (1, 3, 1),
            (3, 3, 1),
            (11, 3, 5),
            (664, 3, 200),
            (22_719, 4, 5_000),
            (420_000, 4, 100_000),
        ] {
            assert_eq!(round_step(top, most), step, "{top}");
        }
        assert!(u64::MAX / round_step(u64::MAX, 3) <= 3);
    }

    #[test]
    fn a_meter_never_leaves_its_well() {
        let shown = Meter {
            full: 1_700,
            pace: Some(-3),
        }
        .to_string();
        assert!(shown.contains(r#"class="bstop" width="100.0%""#) && shown.contains(r#"x="0.0%""#));
    }

    proptest! {
        #[test]
        fn no_bar_stands_higher_than_the_drawing(values in proptest::collection::vec((0u64..=u64::MAX / 64, 0u64..1_000), 0..40)) {
            let chart = chart(&values);
            for bar in &chart.bars {
                let tall: u64 = bar.values.iter().filter(|v| **v > 0).map(|v| chart.tall(*v).max(10)).sum();
                prop_assert!(tall <= chart.axis());
            }
            prop_assert!(!chart.to_string().is_empty());
        }
    }
}
