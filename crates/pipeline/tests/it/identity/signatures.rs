//! Signatures at their edges, our own table in the manner of Wycheproof: values of r and s that no honest signer makes, other
//! encodings of good signatures, keys that do not fit.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use domain::ReasonCode;
use serde_json::{Value, json};
use testkit::idp::IdpBuilder;
use testkit::token::{Algorithm, Key};

use super::{Rig, generic};

/// The order of P-256, big-endian (FIPS 186-5).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

fn message(rig: &Rig) -> (String, Vec<u8>) {
    let token = rig.token("ada", &json!({}));
    let (message, signature) = token.rsplit_once('.').unwrap();
    (
        message.to_owned(),
        URL_SAFE_NO_PAD.decode(signature).unwrap(),
    )
}

#[tokio::test]
async fn no_signature_at_the_edges_of_the_curve_passes() {
    let rig = Rig::new().await;
    let (message, good) = message(&rig);
    let (r, s) = good.split_at(32);
    let number = |low: u8| [vec![0; 31], vec![low]].concat();
    let past_order = |value: &[u8]| {
        let mut sum = ORDER.to_vec();
        let mut carry = 0u16;
        for (place, byte) in sum.iter_mut().zip(value).rev() {
            let total = u16::from(*place) + u16::from(*byte) + carry;
            *place = u8::try_from(total & 0xff).unwrap();
            carry = total >> 8;
        }
        sum
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("r and s zero", vec![0; 64]),
        ("r zero", [&[0; 32][..], s].concat()),
        ("s zero", [r, &[0; 32]].concat()),
        ("r one, s one", [number(1), number(1)].concat()),
        ("r the order", [&ORDER[..], s].concat()),
        ("s the order", [r, &ORDER].concat()),
        ("r and s the order", [ORDER, ORDER].concat()),
        ("all ones", vec![0xff; 64]),
        ("r past the order", [past_order(r), s.to_vec()].concat()),
        ("swapped", [s, r].concat()),
        ("one byte more", [&good[..], &[0]].concat()),
        ("one byte in front", [&[0], &good[..]].concat()),
        ("one byte less", good[..63].to_vec()),
        ("half", r.to_vec()),
        ("twice", [&good[..], &good].concat()),
        (
            "as DER",
            [&[0x30, 0x44, 0x02, 0x20][..], r, &[0x02, 0x20], s].concat(),
        ),
        (
            "padded to 48 bytes each",
            [&[0; 16], r, &[0; 16], s].concat(),
        ),
    ];
    for (name, signature) in cases {
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
        assert_eq!(
            rig.ask(&token).await.unwrap_err(),
            ReasonCode::TokenSignature,
            "{name}"
        );
    }
    for bit in (0..512).step_by(37) {
        let mut spoilt = good.clone();
        spoilt[bit / 8] ^= 1 << (bit % 8);
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(spoilt));
        assert_eq!(
            rig.ask(&token).await.unwrap_err(),
            ReasonCode::TokenSignature,
            "bit {bit}"
        );
    }
}

#[tokio::test]
async fn an_rsa_signature_has_one_form_only() {
    let rig = Rig::with(|builder| builder, |idp| vec![generic(idp)]).await;
    let (message, good) = message(&rig);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("zero", vec![0; 256]),
        ("one", [vec![0; 255], vec![1]].concat()),
        ("ones", vec![0xff; 256]),
        ("a zero in front", [&[0], &good[..]].concat()),
        ("a zero behind", [&good[..], &[0]].concat()),
        ("one byte less", good[..255].to_vec()),
        ("half", good[..128].to_vec()),
    ];
    for (name, signature) in cases {
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
        assert_eq!(
            rig.ask(&token).await.unwrap_err(),
            ReasonCode::TokenSignature,
            "{name}"
        );
    }
}

#[tokio::test]
async fn each_part_has_one_spelling() {
    let rig = Rig::new().await;
    let token = rig.token("ada", &json!({}));
    let parts: Vec<&str> = token.split('.').collect();
    let [head, body, signature] = parts[..] else {
        panic!("three parts")
    };
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    // 64 bytes leave four bits over in the last character: any other of the sixteen with the same two is another spelling.
    let loose: Vec<String> = "BCDEFGHIJKLMNOP"
        .chars()
        .map(|last| format!("{}{last}", &signature[..85]))
        .filter(|text| text != signature)
        .collect();
    let mut spellings = vec![
        format!("{head}.{body}.{}", URL_SAFE.encode(&bytes)),
        format!("{head}.{body}.{signature}="),
        format!("{head}=.{body}.{signature}"),
        format!("{head}.{body}=.{signature}"),
        format!(".{body}.{signature}"),
        format!("{head}..{signature}"),
        format!("{head}.{body}.{signature}."),
        format!(".{head}.{body}.{signature}"),
        format!("{head}.{body}.{}", STANDARD.encode([0xfb; 64])),
    ];
    let decodes_to_the_same = |text: &String| {
        URL_SAFE_NO_PAD
            .decode(text)
            .is_err_and(|error| error.to_string().contains("last symbol"))
    };
    spellings.extend(
        loose
            .into_iter()
            .filter(decodes_to_the_same)
            .map(|text| format!("{head}.{body}.{text}")),
    );
    for spelling in spellings {
        assert_eq!(
            rig.ask(&spelling).await.unwrap_err(),
            ReasonCode::CredentialMalformed,
            "{spelling}"
        );
    }
    rig.caller(&token).await;
}

/// Publishes these keys and asks with a token that `signer` made under `header`.
async fn check(keys: Vec<Value>, signer: &Key, header: &Value, expected: Result<(), ReasonCode>) {
    let published = super::keys::Published::start(json!({ "keys": keys })).await;
    let rig = Rig::with(IdpBuilder::es256, |idp| {
        let mut config = generic(idp);
        config.jwks_url = Some(published.url.parse().unwrap());
        vec![config]
    })
    .await;
    let token = signer.sign_with(header, &rig.claims("ada", &json!({})));
    assert_eq!(rig.ask(&token).await.map(|_| ()), expected, "{header}");
}

#[tokio::test]
async fn a_key_verifies_its_own_algorithm_and_purpose_only() {
    let rsa = Key::generate(Algorithm::Rs256, "r");
    let ec = Key::generate(Algorithm::Es256, "e");
    let with =
        |key: &Key, name: &str, value: &str| super::changed(key.jwk(), &json!({ name: value }));
    let bare = super::changed(rsa.jwk(), &json!({"alg": null}));
    let (ok, unknown, algorithm) = (
        Ok(()),
        Err(ReasonCode::IssuerUnreachable),
        Err(ReasonCode::TokenAlgorithm),
    );
    check(vec![rsa.jwk()], &rsa, &rsa.header(), ok).await;
    check(vec![bare.clone()], &rsa, &rsa.header(), ok).await;
    check(
        vec![bare],
        &rsa,
        &json!({"alg": "RS384", "kid": "r"}),
        algorithm,
    )
    .await;
    check(
        vec![with(&rsa, "alg", "PS256")],
        &rsa,
        &rsa.header(),
        algorithm,
    )
    .await;
    check(
        vec![with(&rsa, "alg", "RS512")],
        &rsa,
        &rsa.header(),
        algorithm,
    )
    .await;
    // With no other key in the set the set is not a set of signature keys at all.
    check(vec![with(&rsa, "use", "enc")], &rsa, &rsa.header(), unknown).await;
    check(
        vec![with(&rsa, "alg", "HS256")],
        &rsa,
        &rsa.header(),
        unknown,
    )
    .await;
    check(
        vec![with(&rsa, "use", "enc"), ec.jwk()],
        &rsa,
        &rsa.header(),
        Err(ReasonCode::TokenKeyUnknown),
    )
    .await;
}

#[tokio::test]
async fn two_keys_of_one_id_are_both_tried_and_no_third() {
    let first = Key::generate(Algorithm::Es256, "twin");
    let second = Key::generate(Algorithm::Es256, "twin");
    let other = Key::generate(Algorithm::Rs256, "twin");
    let stranger = Key::generate(Algorithm::Es256, "twin");
    let keys = || vec![first.jwk(), other.jwk(), second.jwk()];
    for key in [&first, &second, &other] {
        check(keys(), key, &key.header(), Ok(())).await;
    }
    check(
        keys(),
        &stranger,
        &stranger.header(),
        Err(ReasonCode::TokenSignature),
    )
    .await;
}

#[tokio::test]
async fn a_token_without_a_key_id_is_tried_with_every_key_of_its_algorithm() {
    let first = Key::generate(Algorithm::Es256, "one");
    let second = Key::generate(Algorithm::Es256, "two");
    let stranger = Key::generate(Algorithm::Es256, "three");
    let header = json!({"alg": "ES256"});
    check(vec![first.jwk(), second.jwk()], &second, &header, Ok(())).await;
    check(
        vec![first.jwk(), second.jwk()],
        &stranger,
        &header,
        Err(ReasonCode::TokenSignature),
    )
    .await;
}
