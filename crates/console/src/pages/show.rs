//! How numbers, moments and strangers' words stand on a page. Pure; decides nothing. What somebody else wrote comes onto a page as
//! [`Said`] alone: its marks are escaped, its direction ends where it ends, and what commands a screen is shown as a mark of its own.
//! Used by every page and part.

use std::fmt::{self, Write as _};

use askama::filters::HtmlSafe;
use control::text::is_hostile;
use domain::window::DAY_MS;
use domain::{Timestamp, Usd};
pub use web::date::day;
use web::date::{MONTHS, date};

const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// A text that somebody else wrote, as a page shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Said(String);

impl Said {
    /// The text for an attribute or a title, which escape by themselves: without what commands a screen.
    pub fn plain(&self) -> &str {
        &self.0
    }

    /// Whether there is anything to show.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same for a column that may be narrow.
    pub const fn folding(&self) -> Folding<'_> {
        Folding(self)
    }
}

impl<T: AsRef<str>> From<T> for Said {
    fn from(text: T) -> Self {
        Self(domain::text::shown(text.as_ref()).into_owned())
    }
}

impl fmt::Display for Said {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("<bdi>")?;
        escape(&self.0, out)?;
        out.write_str("</bdi>")
    }
}

impl HtmlSafe for Said {}

/// What somebody else wrote, in a narrow column: an e-mail address turns after its sign and a name after a low line, not in the middle of a
/// word.
#[derive(Debug, Clone, Copy)]
pub struct Folding<'s>(&'s Said);

impl fmt::Display for Folding<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("<bdi>")?;
        for part in self.0.0.split_inclusive(['@', '_']) {
            escape(part, out)?;
            if part.ends_with(['@', '_']) {
                out.write_str("<wbr>")?;
            }
        }
        out.write_str("</bdi>")
    }
}

impl HtmlSafe for Folding<'_> {}

/// A text of several lines that stay lines, for what is shown as it is written: JSON to paste, notes to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines(pub String);

impl fmt::Display for Lines {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, line) in self.0.split('\n').enumerate() {
            if place > 0 {
                out.write_char('\n')?;
            }
            escape(line, out)?;
        }
        Ok(())
    }
}

impl HtmlSafe for Lines {}

/// Writes a text as text, in an element or between double quotes; what commands a screen becomes a mark.
pub(super) fn escape(text: &str, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    for letter in text.chars() {
        match letter {
            '&' => out.write_str("&amp;")?,
            '<' => out.write_str("&lt;")?,
            '>' => out.write_str("&gt;")?,
            '"' => out.write_str("&quot;")?,
            '\'' => out.write_str("&#39;")?,
            other if is_hostile(other) => out.write_char('\u{fffd}')?,
            other => out.write_char(other)?,
        }
    }
    Ok(())
}

/// A moment as a page shows it; the element holds it to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct When {
    at: Timestamp,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Clock,
    Day,
    Full,
}

impl When {
    /// `14:31:58`, where the day is clear from around it.
    pub const fn clock(at: Timestamp) -> Self {
        Self {
            at,
            form: Form::Clock,
        }
    }

    /// `20 November 2026`.
    pub const fn day(at: Timestamp) -> Self {
        Self {
            at,
            form: Form::Day,
        }
    }

    /// `20 November 2026, 14:31:58 UTC`.
    pub const fn full(at: Timestamp) -> Self {
        Self {
            at,
            form: Form::Full,
        }
    }

    /// The same without an element.
    pub fn text(self) -> String {
        match self.form {
            Form::Clock => clock(self.at),
            Form::Day => day(self.at),
            Form::Full => format!("{}, {} UTC", day(self.at), clock(self.at)),
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            r#"<time datetime="{}">{}</time>"#,
            self.at,
            self.text()
        )
    }
}

impl HtmlSafe for When {}

/// How long ago something was, as it stood when the page was made; where scripts run it stays true while the page is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ago {
    at: Timestamp,
    ms: i64,
}

impl Ago {
    /// A moment, seen from now.
    pub fn of(at: Timestamp, now: Timestamp) -> Self {
        Self {
            at,
            ms: now.ms_since(at).max(0),
        }
    }
}

impl fmt::Display for Ago {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, ms, said) = (self.at, self.ms, length(self.ms));
        write!(
            out,
            r#"<time datetime="{at}" data-age="{ms}">{said} ago</time>"#
        )
    }
}

impl HtmlSafe for Ago {}

/// `20 November`.
pub fn short_day(at: Timestamp) -> String {
    let (_, month, day) = date(at);
    format!("{day} {}", MONTHS[(month - 1) % 12])
}

/// `20 Nov 2026`, where there is no room for more.
pub fn brief_day(at: Timestamp) -> String {
    let (year, month, day) = date(at);
    format!("{day} {} {year}", &MONTHS[(month - 1) % 12][..3])
}

/// `2026-11-20`, as fields and addresses have it.
pub fn iso_day(at: Timestamp) -> String {
    let (year, month, day) = date(at);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `November`.
pub fn month(at: Timestamp) -> &'static str {
    MONTHS[(date(at).1 - 1) % 12]
}

/// `Friday`.
pub fn weekday(at: Timestamp) -> &'static str {
    let days = at.unix_ms().div_euclid(DAY_MS) + 3;
    WEEKDAYS[usize::try_from(days.rem_euclid(7)).unwrap_or(0)]
}

/// `14:31:58`.
pub fn clock(at: Timestamp) -> String {
    let seconds = at.unix_ms().rem_euclid(DAY_MS) / 1_000;
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

/// How long: `41 s`, `3 min`, `6 h 12 min`, `3 days`.
pub fn length(ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match () {
        () if seconds < 60 => format!("{seconds} s"),
        () if hours < 1 => format!("{minutes} min"),
        () if days < 1 && minutes % 60 == 0 => format!("{hours} h"),
        () if days < 1 => format!("{hours} h {} min", minutes % 60),
        () if days == 1 => "1 day".to_owned(),
        () => format!("{days} days"),
    }
}

/// How long a request took: `96 ms`, `9.4 s`, `3 min`.
pub fn took(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => length(i64::try_from(ms).unwrap_or(i64::MAX)),
    }
}

/// `4,318`.
pub fn count(number: u64) -> String {
    grouped(&number.to_string())
}

fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 person`, `3 people`, with the number grouped.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    let noun = if number == 1 { one } else { many };
    format!("{} {noun}", count(number))
}

/// `$2,611.48`, rounded to the cent.
pub fn usd(amount: Usd) -> String {
    let text = amount.display_dollars();
    let (sign, digits) = text
        .strip_prefix('-')
        .map_or(("", text.as_str()), |rest| ("-", rest));
    let digits = digits.trim_start_matches('$');
    let (whole, cents) = digits.split_once('.').unwrap_or((digits, "00"));
    format!("{sign}${}.{cents}", grouped(whole))
}

/// One call's money, which is often less than a cent: `$0.0743`.
pub fn usd_of_a_call(amount: Usd) -> String {
    if amount >= Usd::from_cents(100) || amount == Usd::ZERO {
        return usd(amount);
    }
    let tenths_of_mills = (amount.nanos() + 50_000) / 100_000;
    format!("$0.{tenths_of_mills:04}")
}

/// A part of a whole in percent, whole numbers: `62 %`; none without a whole.
pub fn percent(part: i64, whole: i64) -> Option<String> {
    tenths_of_percent(part, whole).map(|tenths| format!("{} %", (tenths + 5) / 10))
}

/// The same in tenths of a percent, never below 0.
pub fn tenths_of_percent(part: i64, whole: i64) -> Option<i64> {
    (whole > 0).then(|| {
        let tenths = i128::from(part.max(0)) * 1_000 / i128::from(whole);
        i64::try_from(tenths).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRIDAY: Timestamp = Timestamp::from_unix_ms(1_795_185_118_204);

    #[test]
    fn a_moment_says_its_day_its_time_and_its_zone() {
        assert_eq!(FRIDAY.to_string(), "2026-11-20T14:31:58.204Z");
        assert_eq!(weekday(FRIDAY), "Friday");
        assert_eq!(month(FRIDAY), "November");
        assert_eq!(iso_day(FRIDAY), "2026-11-20");
        assert_eq!(
            When::full(FRIDAY).to_string(),
            r#"<time datetime="2026-11-20T14:31:58.204Z">20 November 2026, 14:31:58 UTC</time>"#
        );
        assert_eq!(When::clock(FRIDAY).text(), "14:31:58");
    }

    #[test]
    fn lengths_are_told_in_the_largest_unit_that_says_enough() {
        for (ms, expected) in [
            (-5, "0 s"),
            (41_900, "41 s"),
            (180_000, "3 min"),
            (7_200_000, "2 h"),
            (22_320_000, "6 h 12 min"),
            (DAY_MS, "1 day"),
            (3 * DAY_MS + 5, "3 days"),
        ] {
            assert_eq!(length(ms), expected);
        }
        assert_eq!(took(96), "96 ms");
        assert_eq!(took(9_412), "9.4 s");
    }

    #[test]
    fn numbers_and_money_are_grouped_and_never_lose_a_cent() {
        assert_eq!(count(4_318), "4,318");
        assert_eq!(count(1_000_000), "1,000,000");
        assert_eq!(counted(1, "person", "people"), "1 person");
        assert_eq!(usd(Usd::from_cents(261_148)), "$2,611.48");
        assert_eq!(usd(Usd::from_cents(-261_148)), "-$2,611.48");
        assert_eq!(usd_of_a_call(Usd::from_nanos(74_300_000)), "$0.0743");
        assert_eq!(usd_of_a_call(Usd::ZERO), "$0.00");
        assert_eq!(percent(62, 100).as_deref(), Some("62 %"));
        assert_eq!(percent(1, 0), None);
    }

    #[test]
    fn an_age_holds_its_moment_and_never_lies_ahead() {
        let now = Timestamp::from_unix_ms(1_795_185_118_204);
        let ago = |ms| Ago::of(now.plus_ms(ms), now).to_string();
        assert_eq!(
            ago(-192_000),
            r#"<time datetime="2026-11-20T14:28:46.204Z" data-age="192000">3 min ago</time>"#
        );
        assert!(ago(60_000).ends_with(r#"data-age="0">0 s ago</time>"#));
    }

    #[test]
    fn what_a_stranger_wrote_marks_nothing_and_turns_nothing() {
        let said = Said::from("<b>\"a\"\u{202e}&'\n");
        assert_eq!(
            said.to_string(),
            "<bdi>&lt;b&gt;&quot;a&quot;\u{fffd}&amp;&#39;\u{fffd}</bdi>"
        );
    }

    #[test]
    fn an_address_folds_after_its_sign_and_marks_nothing() {
        let said = Said::from("<ada>@northwind.example");
        assert_eq!(
            said.folding().to_string(),
            "<bdi>&lt;ada&gt;@<wbr>northwind.example</bdi>"
        );
        assert_eq!(
            Said::from("get_<b>").folding().to_string(),
            "<bdi>get_<wbr>&lt;b&gt;</bdi>"
        );
    }

    #[test]
    fn lines_stay_lines_and_mark_nothing() {
        let lines = Lines("{\"a\": 1,\n\u{202e}</pre>\r}".to_owned());
        assert_eq!(
            lines.to_string(),
            "{&quot;a&quot;: 1,\n\u{fffd}&lt;/pre&gt;\u{fffd}}"
        );
    }

    proptest! {
        #[test]
        fn every_day_reads_as_the_calendar_prints_it(ms in -2_000_000_000_000i64..4_000_000_000_000) {
            let at = Timestamp::from_unix_ms(ms);
            prop_assert!(at.to_string().starts_with(&iso_day(at)), "{at}");
            let printed = at.to_string();
            prop_assert_eq!(&printed[11..19], clock(at));
        }

        #[test]
        fn no_text_leaves_its_element(text in ".*") {
            let shown = Said::from(&text).to_string();
            let inner = shown.trim_start_matches("<bdi>").trim_end_matches("</bdi>");
            prop_assert!(!inner.contains(['<', '>', '"', '\'']), "{}", shown);
            prop_assert!(!inner.chars().any(is_hostile));
        }
    }
}
