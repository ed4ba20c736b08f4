//! Dollars as people type them: `60`, `$12.50`, `1,250.00`. A comma only parts thousands. Anything else with a comma is refused, never
//! guessed at: where cents stand after a comma, `12,50` is twelve and a half, and would become a hundred times as much. Called by every
//! form that asks for money.

use domain::Usd;

/// Why something typed is no amount of dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistyped {
    /// A comma that does not part thousands.
    Comma,
    /// No number of dollars.
    Number,
}

/// What to say of a comma that does not part thousands.
pub const COMMA: &str = "has a comma that does not part thousands; cents stand after a dot, such as 12.50, and thousands are 1,250";

/// The amount that was typed, of any fineness and sign.
pub fn dollars(text: &str) -> Result<Usd, Mistyped> {
    let plain = text.trim().trim_start_matches('$').trim();
    if !parts_thousands(plain) {
        return Err(Mistyped::Comma);
    }
    plain.replace(',', "").parse().map_err(|_| Mistyped::Number)
}

/// Whether each comma stands between a number and exactly three digits.
fn parts_thousands(text: &str) -> bool {
    let whole = text.split('.').next().unwrap_or_default();
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let is_parted = whole.len() != first.len();
    let is_digits = |group: &str| group.bytes().all(|letter| letter.is_ascii_digit());
    let first_fits = matches!(first.len(), 1..=3) && is_digits(first) && !first.starts_with('0');
    let cents_fit = !text[whole.len()..].contains(',');
    let groups_fit = groups.all(|group| group.len() == 3 && is_digits(group));
    cents_fit && (!is_parted || (first_fits && groups_fit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_parts_thousands_and_is_never_read_as_anything_else() {
        for (text, expected) in [
            ("60", Ok("60")),
            (" $12.50 ", Ok("12.50")),
            ("$ 60", Ok("60")),
            ("1,250", Ok("1250")),
            ("1,250.5", Ok("1250.5")),
            ("12,345,678", Ok("12345678")),
            ("-5", Ok("-5")),
            ("12,50", Err(Mistyped::Comma)),
            ("1,2500", Err(Mistyped::Comma)),
            ("1,25,000", Err(Mistyped::Comma)),
            ("0,500", Err(Mistyped::Comma)),
            ("1234,500", Err(Mistyped::Comma)),
            (",500", Err(Mistyped::Comma)),
            ("1,", Err(Mistyped::Comma)),
            ("1.250,00", Err(Mistyped::Comma)),
            ("1,25O", Err(Mistyped::Comma)),
            ("", Err(Mistyped::Number)),
            ("sixty", Err(Mistyped::Number)),
            ("1e3", Err(Mistyped::Number)),
            ("99999999999", Err(Mistyped::Number)),
        ] {
            let expected = expected.map(|amount| amount.parse::<Usd>().unwrap());
            assert_eq!(dollars(text), expected, "{text}");
        }
    }
}
