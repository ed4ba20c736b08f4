//! Proves at start that the crypto backend does what tokens rely on: for each algorithm we accept, a good signature passes, and
//! the same one fails for another message, another algorithm or a changed byte. `server` refuses to start when it does not.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};

use super::known_answers::{MESSAGE, MODULUS, SIGNATURES};

/// The backend does not do what it must for this algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the crypto backend failed its self-test: {0:?} {1}")]
pub struct SelfTestFailed(pub Algorithm, pub &'static str);

/// Runs the test; a few milliseconds.
pub fn run() -> Result<(), SelfTestFailed> {
    // Named here rather than guessed from compiled-in features, which would panic at the first token if they were ambiguous.
    // The error says that it was named before.
    let _ = crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    for (algorithm, signature) in SIGNATURES {
        let key = DecodingKey::from_rsa_components(MODULUS, "AQAB")
            .map_err(|_| SelfTestFailed(algorithm, "does not read a public key"))?;
        check(algorithm, &key, signature)?;
    }
    elliptic(Algorithm::ES256, &ECDSA_P256_SHA256_FIXED_SIGNING)?;
    elliptic(Algorithm::ES384, &ECDSA_P384_SHA384_FIXED_SIGNING)?;
    edwards()
}

fn elliptic(
    algorithm: Algorithm,
    curve: &'static EcdsaSigningAlgorithm,
) -> Result<(), SelfTestFailed> {
    let failed = |_| SelfTestFailed(algorithm, "does not make a key");
    let private = EcdsaKeyPair::generate_pkcs8(curve, &SystemRandom::new()).map_err(failed)?;
    let pair = EcdsaKeyPair::from_pkcs8(curve, private.as_ref())
        .map_err(|_| SelfTestFailed(algorithm, "does not read a private key"))?;
    let public = DecodingKey::from_ec_der(pair.public_key().as_ref());
    sign_and_check(
        algorithm,
        &EncodingKey::from_ec_der(private.as_ref()),
        &public,
    )
}

fn edwards() -> Result<(), SelfTestFailed> {
    let failed = |_| SelfTestFailed(Algorithm::EdDSA, "does not make a key");
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32])
        .map_err(|_| SelfTestFailed(Algorithm::EdDSA, "does not read a private key"))?;
    let private = EncodingKey::from_ed_der(pair.to_pkcs8().map_err(failed)?.as_ref());
    sign_and_check(
        Algorithm::EdDSA,
        &private,
        &DecodingKey::from_ed_der(pair.public_key().as_ref()),
    )
}

fn sign_and_check(
    algorithm: Algorithm,
    private: &EncodingKey,
    public: &DecodingKey,
) -> Result<(), SelfTestFailed> {
    let signature = crypto::sign(MESSAGE, private, algorithm)
        .map_err(|_| SelfTestFailed(algorithm, "does not sign"))?;
    check(algorithm, public, &signature)
}

fn check(algorithm: Algorithm, key: &DecodingKey, signature: &str) -> Result<(), SelfTestFailed> {
    let passes = |message: &[u8], signature: &str, algorithm| {
        crypto::verify(signature, message, key, algorithm).unwrap_or(false)
    };
    if !passes(MESSAGE, signature, algorithm) {
        return Err(SelfTestFailed(algorithm, "refuses a good signature"));
    }
    if passes(b"another message", signature, algorithm) {
        return Err(SelfTestFailed(
            algorithm,
            "passes a signature of another message",
        ));
    }
    let mut bytes = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| SelfTestFailed(algorithm, "makes no base64url"))?;
    if let Some(byte) = bytes.last_mut() {
        *byte ^= 1;
    }
    if passes(MESSAGE, &URL_SAFE_NO_PAD.encode(&bytes), algorithm) {
        return Err(SelfTestFailed(algorithm, "passes a changed signature"));
    }
    let others = SIGNATURES.iter().map(|(other, _)| *other).chain([
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::EdDSA,
    ]);
    for other in others
        .chain([Algorithm::HS256])
        .filter(|other| *other != algorithm)
    {
        if passes(MESSAGE, signature, other) {
            return Err(SelfTestFailed(
                algorithm,
                "passes a signature under another algorithm",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backend_of_this_build_passes() {
        assert_eq!(run(), Ok(()));
        assert_eq!(run(), Ok(()), "a second time too");
    }

    #[test]
    fn a_backend_that_refuses_good_signatures_is_noticed() {
        let key = DecodingKey::from_rsa_components(MODULUS, "AQAB").unwrap();
        let swapped = check(Algorithm::RS256, &key, SIGNATURES[1].1);
        assert_eq!(
            swapped,
            Err(SelfTestFailed(Algorithm::RS256, "refuses a good signature"))
        );
    }
}
