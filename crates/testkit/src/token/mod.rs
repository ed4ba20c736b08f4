//! JSON Web Tokens from the ground up: keys, signing of anything, checking, and the tokens an attacker would bring.
//!
//! Built on the signature primitives alone, so that it shares no code, and no bug, with the verifier it is used to test.

pub mod attack;
pub mod key;
pub mod verify;

pub use attack::Attack;
pub use key::{Algorithm, Key};
pub use verify::{Keys, TokenFault};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Base64url without padding, as every part of a token is written.
pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of a base64url text without padding.
pub(crate) fn unb64(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // writing to a String cannot fail
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The claims of a token, unchecked: what a client that only displays them would read.
pub fn claims_unchecked(token: &str) -> Option<serde_json::Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&unb64(payload)?).ok()
}
