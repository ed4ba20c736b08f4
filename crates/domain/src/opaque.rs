//! Our own opaque secrets: service keys `dwk_…`, refresh tokens `dwr_…`, personal access tokens `dwp_…` and directory tokens
//! `dws_…`. 32 random bytes and a checksum, so that a mistyped or invented one is refused without asking the store, and so that
//! secret scanners can find them. Only their SHA-256 is stored. Whoever makes one shows it once and keeps nothing of it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

use crate::Ids;

const RANDOM_BYTES: usize = 32;
/// 32 random bytes and 4 of checksum make 48 characters with no bit to spare, so each secret has one spelling.
const CHECKSUM_BYTES: usize = 4;
const BODY_CHARS: usize = 48;
/// Of a secret, so much is kept readable, to recognise it by: its kind and 48 of its 256 random bits.
const SHOWN_CHARS: usize = 12;

/// Which of our secrets it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opaque {
    /// A service key: a machine uses Claude with it.
    ServiceKey,
    /// A session's refresh token.
    RefreshToken,
    /// A person's token for the admin API.
    PersonalToken,
    /// An issuer's token for SCIM.
    DirectoryToken,
}

impl Opaque {
    /// Every kind.
    pub const ALL: [Self; 4] = [
        Self::ServiceKey,
        Self::RefreshToken,
        Self::PersonalToken,
        Self::DirectoryToken,
    ];

    /// What it begins with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::ServiceKey => "dwk_",
            Self::RefreshToken => "dwr_",
            Self::PersonalToken => "dwp_",
            Self::DirectoryToken => "dws_",
        }
    }

    /// Draws a new one.
    pub fn mint(self, ids: &dyn Ids) -> SecretString {
        let mut bytes = [0; RANDOM_BYTES + CHECKSUM_BYTES];
        ids.fill(&mut bytes[..RANDOM_BYTES]);
        let sum = self.checksum(&bytes[..RANDOM_BYTES]);
        bytes[RANDOM_BYTES..].copy_from_slice(&sum);
        SecretString::from(format!(
            "{}{}",
            self.prefix(),
            URL_SAFE_NO_PAD.encode(bytes)
        ))
    }

    /// The SHA-256 to store or to look up; none when the text is not one of this kind.
    pub fn sha256(self, text: &str) -> Option<[u8; 32]> {
        let body = text
            .strip_prefix(self.prefix())
            .filter(|body| body.len() == BODY_CHARS)?;
        let bytes = URL_SAFE_NO_PAD.decode(body).ok()?;
        let (random, sum) = bytes.split_at_checked(RANDOM_BYTES)?;
        (sum == self.checksum(random)).then(|| sha256(text.as_bytes()))
    }

    /// The SHA-256 of one that was just minted.
    pub fn sha256_of(self, secret: &SecretString) -> [u8; 32] {
        sha256(secret.expose_secret().as_bytes())
    }

    /// The first characters of one that was just minted, which lists call it by.
    pub fn shown_of(self, secret: &SecretString) -> String {
        secret.expose_secret().chars().take(SHOWN_CHARS).collect()
    }

    fn checksum(self, random: &[u8]) -> [u8; CHECKSUM_BYTES] {
        let text = format!("{}{}", self.prefix(), URL_SAFE_NO_PAD.encode(random));
        let sum = sha256(text.as_bytes());
        [sum[0], sum[1], sum[2], sum[3]]
    }
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    out.copy_from_slice(digest.as_ref());
    out
}

/// HMAC with SHA-256 (RFC 2104).
pub fn hmac_sha256(key: &[u8], bytes: &[u8]) -> [u8; 32] {
    use aws_lc_rs::hmac;
    let mut out = [0; 32];
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes);
    out.copy_from_slice(tag.as_ref());
    out
}

/// Lower-case hexadecimal, as hashes stand in the store.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Counting;

    impl Ids for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            for (index, byte) in bytes.iter_mut().enumerate() {
                *byte = u8::try_from(index % 251).unwrap();
            }
        }
    }

    #[test]
    fn a_minted_secret_reads_back_and_belongs_to_its_kind_alone() {
        for kind in Opaque::ALL {
            let secret = kind.mint(&Counting);
            assert_eq!(secret.expose_secret().len(), 52);
            assert_eq!(
                kind.sha256(secret.expose_secret()),
                Some(kind.sha256_of(&secret))
            );
        }
        let key = Opaque::ServiceKey.mint(&Counting);
        let swapped = key.expose_secret().replace("dwk_", "dwr_");
        assert_eq!(Opaque::RefreshToken.sha256(&swapped), None);
    }

    #[test]
    fn a_secret_changed_anywhere_is_refused_without_a_look_up() {
        let key = Opaque::ServiceKey.mint(&Counting);
        let text = key.expose_secret();
        for at in 0..text.len() {
            let mut changed = text.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(
                Opaque::ServiceKey.sha256(str::from_utf8(&changed).unwrap()),
                None,
                "position {at}"
            );
        }
        for text in [
            String::new(),
            "dwk_".to_owned(),
            format!("{text}A"),
            text[..51].to_owned(),
            format!("{text}="),
        ] {
            assert_eq!(Opaque::ServiceKey.sha256(&text), None, "{text}");
        }
    }
}
