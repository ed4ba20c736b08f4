//! Invented secrets of the right shape.

const ALNUM: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// `length` characters of `alphabet` that look random and are always the same.
pub(crate) fn of(alphabet: &[u8], length: usize) -> String {
    let mut state = 0x2545_f491_4f6c_dd1d_u64 ^ (length as u64);
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let index = usize::try_from(state % alphabet.len() as u64).unwrap();
            char::from(alphabet[index])
        })
        .collect()
}

pub(crate) fn alnum(length: usize) -> String {
    of(ALNUM, length)
}

pub(crate) fn hex(length: usize) -> String {
    of(b"0123456789abcdef", length)
}

pub(crate) fn digits(length: usize) -> String {
    of(b"0123456789", length)
}

/// An Anthropic API key.
pub(crate) fn anthropic() -> String {
    format!("sk-{}-api03-{}AA", "ant", alnum(93))
}

/// An AWS access key id.
pub(crate) fn aws() -> String {
    format!("AK{}{}", "IA", of(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16))
}

/// A PEM private key.
pub(crate) fn pem(kind: &str) -> String {
    fill(&format!(
        "-----BEGIN ~~{kind}PRIVATE KEY-----\n{{a64}}\n{{a64}}\n-----END {kind}PRIVATE KEY-----\n"
    ))
}

/// A signed token: header and payload as base64url of JSON.
pub(crate) fn jwt() -> String {
    format!(
        "eyJ{}.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{}",
        "hbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
        alnum(43)
    )
}

/// A Visa number that no processor publishes.
pub(crate) fn card() -> String {
    ["4539", "5787", "6362", "1486"].concat()
}

/// Fills a template: `{a9}` nine letters and digits, `{h9}` hexadecimal, `{d9}` digits, `{u9}` base32, `{b9}` letters,
/// `{z9}` Bech32 in capitals. A `~~` is left out; it only parts a word that scanners of repositories look for.
pub(crate) fn fill(template: &str) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((plain, tail)) = rest.split_once('{') {
        let (what, after) = tail.split_once('}').unwrap();
        out.push_str(plain);
        let length = what[1..].parse().unwrap();
        out.push_str(&match &what[..1] {
            "a" => alnum(length),
            "h" => hex(length),
            "d" => digits(length),
            "u" => of(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", length),
            "b" => of(b"abcdefghijklmnopqrstuvwxyzABCDEFGH", length),
            _ => of(b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", length),
        });
        rest = after;
    }
    out.push_str(rest);
    out.replace("~~", "")
}

/// The text with something between any two characters.
pub(crate) fn parted(text: &str, by: char) -> String {
    text.chars().flat_map(|character| [character, by]).collect()
}
