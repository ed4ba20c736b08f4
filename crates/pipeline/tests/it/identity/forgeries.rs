//! RSA signatures made with the private key but padded as no honest signer pads: what Bleichenbacher's forgery, BER leniency and
//! sloppy PSS checks let through elsewhere. Each goes through the whole token path under a key whose private half we hold.
//!
//! Paddings as in RFC 8017 (PKCS #1 v2.2) sections 9.1 and 9.2.

use aws_lc_rs::digest::{
    Algorithm as Hash, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512, digest,
};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::RsaKeyPair;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{ReasonCode, Timestamp};
use jsonwebtoken::Algorithm;
use num_bigint::BigUint;
use pipeline::identity::jws::Compact;
use pipeline::identity::keys::{KeySet, Unproved};
use serde_json::json;

const SIZE: usize = 256;
const SHA256_INFO: &[u8] = &[
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

/// A key whose every number is known.
struct Open {
    modulus: BigUint,
    private: BigUint,
}

impl Open {
    fn generate() -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8 = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
        // PKCS #8: version, algorithm, then an octet string that holds PKCS #1: version, n, e, d, …
        let outer = element(pkcs8.as_ref()).0;
        let (_, outer) = element(outer);
        let (_, outer) = element(outer);
        let inner = element(element(outer).0).0;
        let (_, inner) = element(inner);
        let (modulus, inner) = element(inner);
        let (_, inner) = element(inner);
        let (private, _) = element(inner);
        Self {
            modulus: BigUint::from_bytes_be(modulus),
            private: BigUint::from_bytes_be(private),
        }
    }

    /// The private operation on whatever bytes.
    fn sign(&self, padded: &[u8]) -> Vec<u8> {
        let raw = BigUint::from_bytes_be(padded)
            .modpow(&self.private, &self.modulus)
            .to_bytes_be();
        [vec![0; SIZE - raw.len()], raw].concat()
    }

    fn keys(&self, alg: &str) -> KeySet {
        let n = URL_SAFE_NO_PAD.encode(self.modulus.to_bytes_be());
        let set = json!({"keys": [{"kty": "RSA", "n": n, "e": "AQAB", "alg": alg, "kid": "k", "use": "sig"}]});
        KeySet::parse(
            set.to_string().as_bytes(),
            Algorithm::RS256,
            Timestamp::default(),
        )
        .unwrap()
    }
}

/// The content of the first DER element, and what follows it.
fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let long = usize::from(der[1]);
    let (start, length) = if long < 0x80 {
        (2, long)
    } else {
        let digits = &der[2..2 + (long & 0x7f)];
        (
            2 + digits.len(),
            digits
                .iter()
                .fold(0, |sum, &byte| sum << 8 | usize::from(byte)),
        )
    };
    (&der[start..start + length], &der[start + length..])
}

fn message(alg: &str) -> String {
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    format!(
        "{}.{}",
        part(json!({"alg": alg, "kid": "k"}).to_string()),
        part(json!({"sub": "ada"}).to_string())
    )
}

fn check(key: &Open, alg: &str, name: &str, padded: &[u8], expected: Result<(), Unproved>) {
    assert_eq!(padded.len(), SIZE, "{name}");
    let token = format!(
        "{}.{}",
        message(alg),
        URL_SAFE_NO_PAD.encode(key.sign(padded))
    );
    let found = key
        .keys(alg)
        .verify(&Compact::parse(&token).unwrap(), |_| false);
    assert_eq!(found, expected, "{alg} {name}");
}

/// `00 01 FF… 00` before `rest`.
fn padded(rest: &[u8]) -> Vec<u8> {
    [&[0, 1][..], &vec![0xff; SIZE - 3 - rest.len()], &[0], rest].concat()
}

/// Honest bytes around a dishonest frame.
fn frames(hash: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let good = padded(&[SHA256_INFO, hash].concat());
    let spoilt = |place: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[place] = byte;
        bytes
    };
    let garbage_after = |ones: usize| {
        let head = [&[0, 1][..], &vec![0xff; ones], &[0], SHA256_INFO, hash].concat();
        let rest = SIZE - head.len();
        [head, vec![0x5a; rest]].concat()
    };
    vec![
        (
            "eight ones, then garbage behind (Bleichenbacher)",
            garbage_after(8),
        ),
        (
            "one byte of garbage behind",
            garbage_after(SIZE - 3 - 51 - 1),
        ),
        ("no ones", garbage_after(0)),
        ("block type 0", spoilt(1, 0)),
        ("block type 2", spoilt(1, 2)),
        ("a hole in the ones", spoilt(100, 0xfe)),
        ("a zero in the ones", spoilt(100, 0)),
        ("no separator", spoilt(SIZE - 52, 0xff)),
        ("the name of SHA-512", spoilt(SIZE - 37, 3)),
        ("the name of SHA-384", spoilt(SIZE - 37, 2)),
        ("an octet string too short", spoilt(SIZE - 33, 0x1f)),
    ]
}

/// An honest frame around dishonest bytes.
fn contents(hash: &[u8], message: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    const NAME: &[u8] = &[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
    const SHA1_INFO: &[u8] = &[
        0x30, 0x21, 0x30, 9, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0, 4, 0x14,
    ];
    let info = |head: &[u8], tail: &[u8]| padded(&[head, NAME, tail, hash].concat());
    let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, message);
    vec![
        ("the hash alone", padded(hash)),
        (
            "the hash twice",
            padded(&[SHA256_INFO, hash, hash].concat()),
        ),
        (
            "half the hash",
            padded(&[SHA256_INFO, &hash[..16]].concat()),
        ),
        ("no NULL", info(&[0x30, 0x2f, 0x30, 0x0b], &[4, 0x20])),
        (
            "NULL with content",
            info(&[0x30, 0x32, 0x30, 0x0e], &[5, 1, 0, 4, 0x20]),
        ),
        (
            "long lengths (BER)",
            info(&[0x30, 0x81, 0x31, 0x30, 0x0d], &[5, 0, 4, 0x20]),
        ),
        (
            "another message",
            padded(&[SHA256_INFO, digest(&SHA256, b"x").as_ref()].concat()),
        ),
        ("SHA-1", padded(&[SHA1_INFO, sha1.as_ref()].concat())),
    ]
}

#[test]
fn no_sloppy_padding_of_pkcs_1_version_1_5_passes() {
    let key = Open::generate();
    let message = message("RS256");
    let hash = digest(&SHA256, message.as_bytes());
    let hash = hash.as_ref();
    check(
        &key,
        "RS256",
        "honest",
        &padded(&[SHA256_INFO, hash].concat()),
        Ok(()),
    );
    for (name, bytes) in frames(hash)
        .into_iter()
        .chain(contents(hash, message.as_bytes()))
    {
        check(&key, "RS256", name, &bytes, Err(Unproved::Signature));
    }
}

fn mask(hash: &'static Hash, seed: &[u8], length: usize) -> Vec<u8> {
    let blocks = (0u32..).flat_map(|counter| {
        digest(hash, &[seed, &counter.to_be_bytes()].concat())
            .as_ref()
            .to_vec()
    });
    blocks.take(length).collect()
}

/// EMSA-PSS with each choice open.
struct Pss {
    hash: &'static Hash,
    mask_hash: &'static Hash,
    salt: usize,
    trailer: u8,
    separator: u8,
}

impl Pss {
    const fn honest(hash: &'static Hash, salt: usize) -> Self {
        Self {
            hash,
            mask_hash: hash,
            salt,
            trailer: 0xbc,
            separator: 1,
        }
    }

    fn encode(&self, message: &[u8]) -> Vec<u8> {
        let salt = vec![0x42; self.salt];
        let inner = [&[0; 8], digest(self.hash, message).as_ref(), &salt].concat();
        let hash = digest(self.hash, &inner);
        let size = SIZE - hash.as_ref().len() - 1;
        let mut block = [vec![0; size - self.salt - 1], vec![self.separator], salt].concat();
        for (byte, masked) in block
            .iter_mut()
            .zip(mask(self.mask_hash, hash.as_ref(), size))
        {
            *byte ^= masked;
        }
        block[0] &= 0x7f;
        [block, hash.as_ref().to_vec(), vec![self.trailer]].concat()
    }
}

#[test]
fn a_pss_signature_must_have_its_own_hash_mask_salt_and_trailer() {
    let key = Open::generate();
    for (alg, hash, size) in [
        ("PS256", &SHA256, 32),
        ("PS384", &SHA384, 48),
        ("PS512", &SHA512, 64),
    ] {
        let message = message(alg);
        let honest = || Pss::honest(hash, size);
        let passes = |name: &str, pss: &Pss, expected| {
            check(&key, alg, name, &pss.encode(message.as_bytes()), expected);
        };
        let refused = Err(Unproved::Signature);
        passes("honest", &honest(), Ok(()));
        for salt in [0, 20, size - 1, size + 1, 80] {
            passes("salt of another length", &Pss { salt, ..honest() }, refused);
        }
        passes(
            "trailer",
            &Pss {
                trailer: 0xcc,
                ..honest()
            },
            refused,
        );
        passes(
            "separator",
            &Pss {
                separator: 2,
                ..honest()
            },
            refused,
        );
        passes(
            "mask of SHA-1",
            &Pss {
                mask_hash: &SHA1_FOR_LEGACY_USE_ONLY,
                ..honest()
            },
            refused,
        );
        let other: &'static Hash = if size == 32 { &SHA512 } else { &SHA256 };
        passes(
            "mask of another hash",
            &Pss {
                mask_hash: other,
                ..honest()
            },
            refused,
        );
        passes("another hash", &Pss::honest(other, size), refused);
        let mut high = honest().encode(message.as_bytes());
        high[SIZE - 2] ^= 1;
        check(&key, alg, "hash changed", &high, refused);
    }
}

#[test]
fn a_key_of_one_rsa_algorithm_takes_no_other_whoever_signed() {
    let key = Open::generate();
    let names = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
    for stated in names {
        for pinned in names {
            let rest = padded(
                &[
                    SHA256_INFO,
                    digest(&SHA256, message(stated).as_bytes()).as_ref(),
                ]
                .concat(),
            );
            let token = format!(
                "{}.{}",
                message(stated),
                URL_SAFE_NO_PAD.encode(key.sign(&rest))
            );
            let found = key
                .keys(pinned)
                .verify(&Compact::parse(&token).unwrap(), |_| false);
            let expected = match (stated, pinned) {
                ("RS256", "RS256") => Ok(()),
                _ if stated == pinned => Err(Unproved::Signature),
                _ => Err(Unproved::Algorithm),
            };
            assert_eq!(found, expected, "token {stated}, key {pinned}");
        }
    }
}

#[test]
fn other_serialisations_of_a_signature_are_no_tokens() {
    let token = format!("{}.{}", message("ES256"), URL_SAFE_NO_PAD.encode([7; 64]));
    let parts: Vec<&str> = token.split('.').collect();
    let json_forms = [
        json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]}).to_string(),
        json!({"payload": parts[1], "signatures": [{"protected": parts[0], "signature": parts[2]}]}).to_string(),
    ];
    for form in json_forms {
        assert_eq!(
            Compact::parse(&form).unwrap_err().code(),
            ReasonCode::CredentialMalformed,
            "{form}"
        );
    }
    Compact::parse(&token).unwrap();
}
