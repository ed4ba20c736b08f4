//! Our own session tokens: short-lived JWTs that the client can read (Claude Code looks for `claude-gateway` in `aud`, and takes
//! `sub`, `email` and `groups` for its telemetry) and that only we can make. Several keys verify, the first one signs, so that
//! keys can be changed without signing anybody out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Clock, Ids, OrgId, PersonId, ReasonCode, Refusal, SessionId, Timestamp, limits};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use secrecy::{SecretBox, SecretString};
use serde_json::{Value, json};

use super::claims::{Claims, Times, wrong};
use super::jws::Jws;
use super::keys::{Key, KeySet, Unproved};
use super::resource::Resource;

/// The audience that stock Claude clients look for.
pub const CLIENT_AUDIENCE: &str = "claude-gateway";
/// Keeps session tokens apart from every other JWT we or an identity provider sign.
const TYPE: &str = "dws+jwt";

/// Why a signing key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// Neither an Ed25519 nor a P-256 key in PKCS#8.
    #[error("the signing key is neither Ed25519 nor P-256 in PKCS#8")]
    Key,
    /// No key at all.
    #[error("there is no signing key")]
    NoKey,
    /// The crypto backend would not sign.
    #[error("the signature could not be made")]
    Sign,
}

/// A key that signs session tokens.
#[derive(Debug)]
pub struct SigningKey {
    kid: String,
    algorithm: Algorithm,
    private: EncodingKey,
    public: Vec<u8>,
}

impl SigningKey {
    /// Draws an Ed25519 key, as the PKCS#8 bytes to seal and keep.
    pub fn generate(ids: &dyn Ids) -> Result<SecretBox<Vec<u8>>, SigningError> {
        let mut seed = [0; 32];
        ids.fill(&mut seed);
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| SigningError::Key)?;
        let document = pair.to_pkcs8().map_err(|_| SigningError::Key)?;
        Ok(SecretBox::new(Box::new(document.as_ref().to_vec())))
    }

    /// Reads an Ed25519 or P-256 key.
    pub fn from_pkcs8(bytes: &[u8]) -> Result<Self, SigningError> {
        let (algorithm, private, public) = if let Ok(pair) = Ed25519KeyPair::from_pkcs8(bytes) {
            (
                Algorithm::EdDSA,
                EncodingKey::from_ed_der(bytes),
                pair.public_key().as_ref().to_vec(),
            )
        } else {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes)
                .map_err(|_| SigningError::Key)?;
            (
                Algorithm::ES256,
                EncodingKey::from_ec_der(bytes),
                pair.public_key().as_ref().to_vec(),
            )
        };
        let hash = digest::digest(&digest::SHA256, &public);
        let kid = super::hex(&hash.as_ref()[..8]);
        Ok(Self {
            kid,
            algorithm,
            private,
            public,
        })
    }

    /// Its id: the first 16 hexadecimal digits of the SHA-256 of the public key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    fn verifier(&self) -> Key {
        let key = match self.algorithm {
            Algorithm::EdDSA => DecodingKey::from_ed_der(&self.public),
            _ => DecodingKey::from_ec_der(&self.public),
        };
        Key::new(self.kid.clone(), self.algorithm, key)
    }

    fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        if self.algorithm == Algorithm::EdDSA {
            return json!({"kty": "OKP", "crv": "Ed25519", "x": text(&self.public), "alg": "EdDSA", "use": "sig", "kid": self.kid});
        }
        let (x, y) = self.public[1..].split_at(32);
        json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y), "alg": "ES256", "use": "sig", "kid": self.kid})
    }

    fn sign(&self, claims: &Value) -> Result<SecretString, SigningError> {
        let name = if self.algorithm == Algorithm::EdDSA {
            "EdDSA"
        } else {
            "ES256"
        };
        let header = json!({"alg": name, "typ": TYPE, "kid": self.kid});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature =
            jsonwebtoken::crypto::sign(signed.as_bytes(), &self.private, self.algorithm)
                .map_err(|_| SigningError::Sign)?;
        Ok(SecretString::from(format!("{signed}.{signature}")))
    }
}

/// What a session token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionClaims {
    /// The person.
    pub person: PersonId,
    /// The session.
    pub session: SessionId,
    /// When the session began; revocations are measured against it.
    pub started: Timestamp,
    /// The configured name of the issuer that vouched at sign-in.
    pub issuer_name: String,
    /// The stable id that issuer gave.
    pub stable_id: String,
    /// For people to read.
    pub email: Option<String>,
    /// For people to read.
    pub name: Option<String>,
    /// Groups; none when there are more than [`limits::SESSION_GROUPS_MAX`], see `groups_left_out`.
    pub groups: BTreeSet<String>,
    /// When the credential was made that stated the groups: what the directory took away since does not count. Not when the session began,
    /// and not when its token was refreshed.
    pub groups_stated: Timestamp,
    /// The groups did not fit: ask the directory.
    pub groups_left_out: bool,
    /// The one connector that the token is for; none for the doors of Claude's own clients. Such a token goes to programs that need not
    /// know whose it is: it states no name, no address and no groups, which are read from the store.
    pub resource: Option<Resource>,
}

#[derive(Debug)]
struct Ring {
    signing: SigningKey,
    verifying: KeySet,
    published: Value,
}

/// Makes and verifies session tokens.
#[derive(Debug)]
pub struct SessionTokens {
    org: OrgId,
    public_url: String,
    clock: Arc<dyn Clock>,
    ring: ArcSwap<Ring>,
    /// When the keys were last compared with the store's, in Unix milliseconds; `i64::MAX` while nobody does.
    looked: AtomicI64,
}

impl SessionTokens {
    /// `public_url` is what tokens state as their issuer; the first of `keys` signs, all verify.
    pub fn new(
        org: OrgId,
        public_url: &str,
        keys: Vec<SigningKey>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SigningError> {
        let ring = ArcSwap::from_pointee(ring(keys, clock.now())?);
        Ok(Self {
            org,
            public_url: public_url.trim_end_matches('/').to_owned(),
            clock,
            ring,
            looked: AtomicI64::new(i64::MAX),
        })
    }

    /// The keys are the store's at this moment. Said once, it must be said again and again: a token whose key is not known is
    /// refused for good only by whoever has looked lately.
    pub fn keys_are_current(&self, now: Timestamp) {
        self.looked.store(now.unix_ms(), Ordering::Release);
    }

    fn is_stale(&self, now: Timestamp) -> bool {
        let looked = self.looked.load(Ordering::Acquire);
        now.unix_ms().saturating_sub(looked) > limits::KEYS_STALE_MS
    }

    /// Puts other keys in place of the present ones, at once.
    pub fn replace_keys(&self, keys: Vec<SigningKey>) -> Result<(), SigningError> {
        self.ring.store(Arc::new(ring(keys, self.clock.now())?));
        Ok(())
    }

    /// The public keys as a JWK set.
    pub fn jwks(&self) -> Value {
        self.ring.load().published.clone()
    }

    /// A connector of ours, by its address.
    pub(super) fn resource(&self, text: &str) -> Option<Resource> {
        Resource::parse(&self.public_url, text)
    }

    /// Whether a token states us as its issuer.
    pub(super) fn is_ours(&self, issuer: &str) -> bool {
        issuer == self.public_url
    }

    /// Makes a token that lives [`limits::SESSION_TOKEN_MS`].
    pub fn mint(
        &self,
        session: &SessionClaims,
        ids: &dyn Ids,
    ) -> Result<SecretString, SigningError> {
        let issued_s = self.clock.now().unix_s();
        let mut unique = [0; 12];
        ids.fill(&mut unique);
        let fits = session.groups.len() <= limits::SESSION_GROUPS_MAX
            && !session.groups_left_out
            && session.resource.is_none();
        let audience = session
            .resource
            .as_ref()
            .map_or(CLIENT_AUDIENCE, Resource::as_str);
        let mut claims = json!({
            "iss": self.public_url,
            "sub": session.person,
            "aud": [audience],
            "iat": issued_s,
            "exp": issued_s + limits::SESSION_TOKEN_MS / 1_000,
            "jti": URL_SAFE_NO_PAD.encode(unique),
            "sid": session.session,
            "org": self.org,
            "start_ms": session.started.unix_ms(),
            "idp": session.issuer_name,
            "idp_sub": session.stable_id,
            "groups": if fits { json!(session.groups) } else { json!([]) },
            "groups_ms": session.groups_stated.unix_ms(),
        });
        for (name, value) in [("email", &session.email), ("name", &session.name)] {
            if let Some(value) = value
                && session.resource.is_none()
            {
                claims[name] = json!(value);
            }
        }
        if !fits {
            claims["groups_left_out"] = json!(true);
        }
        self.ring.load().signing.sign(&claims)
    }

    /// Verifies a token that states us as its issuer.
    pub(super) fn verify(
        &self,
        jws: &Jws<'_>,
        now: Timestamp,
    ) -> Result<(SessionClaims, Times), Refusal> {
        if jws.compact.typ.as_deref() != Some(TYPE) || jws.compact.kid.is_none() {
            return Err(Refusal::plain(ReasonCode::CredentialMalformed));
        }
        let claims = Claims(&jws.claims);
        let resource = self.resource_of(claims)?;
        let times = claims.times(now, limits::SESSION_TOKEN_MS / 1_000)?;
        self.ring
            .load()
            .verifying
            .verify(&jws.compact, |_| false)
            .map_err(|problem| {
                Refusal::plain(match problem {
                    Unproved::KeyUnknown if self.is_stale(now) => ReasonCode::StoreUnavailable,
                    Unproved::KeyUnknown | Unproved::Issuer => ReasonCode::TokenKeyUnknown,
                    Unproved::Algorithm => ReasonCode::TokenAlgorithm,
                    Unproved::Signature => ReasonCode::TokenSignature,
                })
            })?;
        if claims.required("org")? != self.org.to_string() {
            return Err(Refusal::plain(ReasonCode::TokenTenant));
        }
        let session = SessionClaims {
            person: claims
                .required("sub")?
                .parse()
                .map_err(|_| wrong("sub", "is not a person"))?,
            session: claims
                .required("sid")?
                .parse()
                .map_err(|_| wrong("sid", "is not a session"))?,
            started: claims
                .0
                .get("start_ms")
                .and_then(Value::as_i64)
                .map(Timestamp::from_unix_ms)
                .ok_or_else(|| wrong("start_ms", "is missing"))?,
            issuer_name: claims.required("idp")?.to_owned(),
            stable_id: claims.required("idp_sub")?.to_owned(),
            email: claims.readable("email"),
            name: claims.readable("name"),
            groups: claims.list("groups")?,
            // A token of an earlier version says nothing of it: then all that the directory took away counts as taken since.
            groups_stated: claims
                .0
                .get("groups_ms")
                .and_then(Value::as_i64)
                .map(Timestamp::from_unix_ms)
                .unwrap_or_default(),
            groups_left_out: claims.0.contains_key("groups_left_out"),
            resource,
        };
        Ok((session, times))
    }

    /// The connector that a token is for: its one audience. Any other token must be for our clients.
    fn resource_of(&self, claims: Claims<'_>) -> Result<Option<Resource>, Refusal> {
        let stated = claims.list("aud")?;
        if let (Some(one), 1) = (stated.first(), stated.len())
            && let Some(resource) = Resource::parse(&self.public_url, one)
        {
            return Ok(Some(resource));
        }
        let ours = BTreeSet::from([CLIENT_AUDIENCE.to_owned()]);
        claims.audience(&ours, &BTreeSet::new())?;
        Ok(None)
    }
}

fn ring(mut keys: Vec<SigningKey>, now: Timestamp) -> Result<Ring, SigningError> {
    if keys.is_empty() {
        return Err(SigningError::NoKey);
    }
    let verifying = KeySet::from_keys(keys.iter().map(SigningKey::verifier).collect(), now);
    let published = json!({"keys": keys.iter().map(SigningKey::jwk).collect::<Vec<_>>()});
    Ok(Ring {
        signing: keys.swap_remove(0),
        verifying,
        published,
    })
}
