//! Tokens and key sets: what is read has one spelling only, the library behind us would read the same header, and no key set
//! that fits in the input proves the input's token unless it really signed it.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Timestamp, limits};
use jsonwebtoken::Algorithm;
use libfuzzer_sys::fuzz_target;
use pipeline::identity::Opaque;
use pipeline::identity::jws::{Compact, Jws};
use pipeline::identity::keys::KeySet;

// The first line is a token, the rest a key set.
fuzz_target!(|input: &[u8]| {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    let (token, keys) = text.split_once('\n').unwrap_or((text, ""));
    for kind in [Opaque::ServiceKey, Opaque::RefreshToken] {
        assert!(kind.sha256(token).is_none() || token.len() == 52);
    }
    let keys = KeySet::parse(keys.as_bytes(), Algorithm::RS256, Timestamp::default());
    if let Ok(keys) = &keys {
        assert!((1..=limits::KEYS_MAX).contains(&keys.count()));
    }
    let Ok(compact) = Compact::parse(token) else {
        assert!(Jws::parse(token).is_err());
        return;
    };
    assert!(token.len() <= limits::TOKEN_BYTES_MAX);
    for part in token.split('.') {
        let bytes = URL_SAFE_NO_PAD
            .decode(part)
            .expect("only canonical parts are read");
        assert_eq!(URL_SAFE_NO_PAD.encode(bytes), part);
    }
    if let Ok(header) = jsonwebtoken::decode_header(token) {
        assert!(!matches!(
            header.alg,
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512
        ));
    }
    if let Ok(keys) = &keys
        && keys.verify(&compact, |_| true).is_ok()
    {
        // A pass must survive the same question asked again, and must not survive another message.
        let (signed, signature) = token.rsplit_once('.').expect("it has three parts");
        let head = signed.split('.').next().expect("it has three parts");
        let other = format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode("{\"x\":1}"));
        let other = Compact::parse(&other).expect("only its payload is another");
        assert!(keys.verify(&other, |_| true).is_err() || signed.ends_with("eyJ4IjoxfQ"));
    }
});
