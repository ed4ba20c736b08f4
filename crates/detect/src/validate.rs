//! Checks that a candidate is what it looks like: card numbers by issuer, length and check digit, tokens by their header, secrets
//! by entropy. Pure functions of the candidate's bytes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use wire::json::{self, JsonFault, RawStr, Scalar};

/// The check a detector names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Validator {
    /// The pattern says enough.
    #[default]
    None,
    /// The header is a JSON object that names an algorithm.
    Jwt,
    /// Issuer range, length and Luhn.
    PaymentCard,
}

/// Bits per character of these bytes (Shannon): 0 for one character repeated, 4 for even hexadecimal, up to 6 for base64.
pub(crate) fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    let total = f64::from(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| f64::from(count) / total)
        .map(|share| -share * share.log2())
        .sum()
}

/// Whether this begins as a signed token does: a base64url header that is a JSON object with a string `alg`.
pub(crate) fn is_jwt(candidate: &[u8]) -> bool {
    let header = candidate
        .split(|&byte| byte == b'.')
        .next()
        .unwrap_or_default();
    let Ok(header) = URL_SAFE_NO_PAD.decode(header) else {
        return false;
    };
    let mut found = Algorithm(false);
    json::scan(&header, 8, &mut found).is_ok() && found.0
}

struct Algorithm(bool);

impl<'a> json::Visit<'a> for Algorithm {
    fn scalar(&mut self, key: RawStr<'a>, value: Scalar<'a>) -> Result<(), JsonFault> {
        self.0 |= key.means("alg") && matches!(value, Scalar::Text(_));
        Ok(())
    }
}

/// How much a run of digits is a card number: `None` when it is none, else points to add to the detector's confidence.
/// `digits` are values 0 to 9. Numbers that processors publish for testing are found, with little confidence.
pub(crate) fn card(digits: &[u8]) -> Option<i16> {
    if !issued(digits) || !luhn(digits) || repeats(digits) {
        return None;
    }
    let published = |known: &&[u8]| {
        known.len() == digits.len()
            && known
                .iter()
                .zip(digits)
                .all(|(text, digit)| text - b'0' == *digit)
    };
    if TEST_CARDS.iter().any(published) {
        return Some(-30);
    }
    // Thirteen digits is also what a time in milliseconds looks like.
    Some(if digits.len() <= 13 { -20 } else { 0 })
}

/// Numbers from processors' public test pages (Stripe, Adyen, PayPal).
const TEST_CARDS: [&[u8]; 12] = [
    b"4111111111111111",
    b"4242424242424242",
    b"4000056655665556",
    b"4012888888881881",
    b"5555555555554444",
    b"5105105105105100",
    b"5200828282828210",
    b"378282246310005",
    b"371449635398431",
    b"6011111111111117",
    b"3056930009020004",
    b"3566002020360505",
];

/// ISO/IEC 7812 check digit.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| match (place % 2, u32::from(digit) * 2) {
            (0, _) => u32::from(digit),
            (_, doubled) if doubled > 9 => doubled - 9,
            (_, doubled) => doubled,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether a network issues numbers of this beginning and length.
fn issued(digits: &[u8]) -> bool {
    let length = digits.len();
    let Some(first) = digits.get(..6) else {
        return false;
    };
    let six = first
        .iter()
        .fold(0u32, |number, &digit| number * 10 + u32::from(digit));
    match six {
        // Visa
        400_000..=499_999 => matches!(length, 13 | 16 | 19),
        // Mastercard, American Express, Mir
        510_000..=559_999 | 222_100..=272_099 | 220_000..=220_499 => length == 16,
        340_000..=349_999 | 370_000..=379_999 => length == 15,
        // Discover, UnionPay and JCB
        601_100..=601_199 | 620_000..=629_999 | 644_000..=659_999 | 352_800..=358_999 => {
            (16..=19).contains(&length)
        }
        // Diners Club
        300_000..=305_999 | 309_500..=309_599 | 360_000..=369_999 | 380_000..=399_999 => {
            matches!(length, 14 | 16)
        }
        // Maestro, the ranges in use
        501_800..=501_899
        | 502_000..=502_099
        | 503_800..=503_899
        | 589_300..=589_399
        | 630_400..=630_499
        | 675_900..=675_999
        | 676_100..=676_399 => (13..=19).contains(&length),
        _ => false,
    }
}

/// One digit, or a short group, over and over: padding, not a card.
fn repeats(digits: &[u8]) -> bool {
    let after_first = &digits[1..];
    after_first.iter().all(|digit| *digit == after_first[0]) && digits[0] == after_first[0]
        || (2..=3).any(|step| digits.iter().zip(&digits[step..]).all(|(a, b)| a == b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card_of(text: &str) -> Option<i16> {
        card(&text.bytes().map(|b| b - b'0').collect::<Vec<_>>())
    }

    #[test]
    fn a_card_has_an_issuer_a_length_and_a_check_digit() {
        for (number, expected) in [
            (concat!("45395787", "63621486"), Some(0)),
            (concat!("37873449", "3671000"), Some(0)),
            (concat!("22231200", "00000007"), None),
            (concat!("22230000", "48400011"), Some(0)),
            ("4111111111111111", Some(-30)),
            (concat!("42222222", "22222"), Some(-20)),
            ("4539578763621487", None),
            ("0000000000000000", None),
            ("6666666666666664", None),
            ("1234567890123452", None),
            ("411111", None),
            ("", None),
        ] {
            assert_eq!(card_of(number), expected, "{number}");
        }
    }

    #[test]
    fn a_token_has_a_header_with_an_algorithm() {
        let token = |header: &str| format!("{}.payload", URL_SAFE_NO_PAD.encode(header));
        for (header, expected) in [
            (r#"{"alg":"RS256","typ":"JWT"}"#, true),
            (r#"{"typ":"JWT","alg":"none"}"#, true),
            (r#"{"typ":"JWT"}"#, false),
            (r#"{"alg":5}"#, false),
            (r#"{"a":{"alg":"RS256"}}"#, false),
            (r#"{"alg":"RS256""#, false),
        ] {
            assert_eq!(is_jwt(token(header).as_bytes()), expected, "{header}");
        }
        assert!(!is_jwt(b"eyJ!.x"));
    }

    #[test]
    fn entropy_tells_padding_from_secrets() {
        assert!(entropy(b"xxxxxxxxxxxxxxxx") < 0.01);
        assert!(entropy(b"").abs() < 0.01);
        assert!((entropy(b"0123456789abcdef") - 4.0).abs() < 0.01);
    }
}
