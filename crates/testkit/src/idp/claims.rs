//! What tokens say about a person, and the userinfo endpoint.

use http::Response;
use serde_json::{Map, Value, json};

use super::Person;
use super::person::stable_guid;
use super::state::State;
use crate::limits::TOKEN_S;
use crate::net::{Ask, Body, reply};

/// The most groups Entra puts into a JWT.
const GROUPS_IN_TOKEN_MAX: usize = 200;

impl State {
    /// The claims of an ID token issued now.
    pub(crate) fn id_claims(&self, person: &Person, client_id: &str, nonce: Option<&str>) -> Value {
        let mut claims = self.about(person, client_id);
        claims["aud"] = json!(client_id);
        claims["auth_time"] = claims["iat"].clone();
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        self.finished(person, claims)
    }

    /// The claims of an access token issued now.
    pub(crate) fn access_claims(
        &self,
        person: &Person,
        client_id: &str,
        audience: &str,
        scope: &str,
    ) -> Value {
        let mut claims = self.about(person, client_id);
        claims["aud"] = json!(audience);
        claims["azp"] = json!(client_id);
        claims[if self.is_entra() { "scp" } else { "scope" }] = json!(scope);
        self.finished(person, claims)
    }

    fn about(&self, person: &Person, client_id: &str) -> Value {
        let now = self.clock.now().unix_s();
        let tid = person.tid.as_deref().unwrap_or_else(|| self.tid());
        let times = json!({
            "iss": self.issuer_of(tid), "iat": now, "nbf": now, "exp": now + TOKEN_S,
            "name": person.name, "preferred_username": person.email,
        });
        let more = if self.is_entra() {
            json!({
                "ver": "2.0", "tid": tid, "oid": person.oid,
                "sub": stable_guid(&format!("{}/{client_id}", person.oid)),
                "uti": self.secret(),
            })
        } else {
            json!({"sub": person.sub, "email": person.email, "email_verified": true})
        };
        merged(times, more)
    }

    /// Groups (or the overage in their place), roles and the person's own claims.
    fn finished(&self, person: &Person, mut claims: Value) -> Value {
        let too_many = person.overage || person.groups.len() > GROUPS_IN_TOKEN_MAX;
        if self.is_entra() && too_many {
            let tid = person.tid.as_deref().unwrap_or_else(|| self.tid());
            let endpoint = format!(
                "{}/claim-source/{tid}/users/{}/getMemberObjects",
                self.origin, person.oid
            );
            claims["_claim_names"] = json!({"groups": "src1"});
            claims["_claim_sources"] = json!({"src1": {"endpoint": endpoint}});
        } else if !person.groups.is_empty() {
            claims["groups"] = json!(person.groups);
        }
        if !person.roles.is_empty() {
            claims["roles"] = json!(person.roles);
        }
        merged(claims, Value::Object(person.extra.clone()))
    }

    /// The same claims as Entra's v1 endpoint words them.
    pub(crate) fn as_v1(&self, person: &Person, mut claims: Value) -> Value {
        let tid = person.tid.as_deref().unwrap_or_else(|| self.tid());
        claims["iss"] = json!(self.issuer_v1_of(tid));
        claims["ver"] = json!("1.0");
        if let Some(members) = claims.as_object_mut() {
            if let Some(name) = members.shift_remove("preferred_username") {
                members.insert("upn".to_owned(), name.clone());
                members.insert("unique_name".to_owned(), name);
            }
            if let Some(azp) = members.shift_remove("azp") {
                members.insert("appid".to_owned(), azp);
            }
        }
        claims
    }
}

fn merged(first: Value, second: Value) -> Value {
    let mut all = Map::new();
    for part in [first, second] {
        if let Value::Object(members) = part {
            all.extend(members);
        }
    }
    Value::Object(all)
}

pub(super) fn userinfo(state: &State, ask: &Ask) -> Response<Body> {
    let claims = ask
        .bearer()
        .and_then(|token| state.keys.verify(token, &*state.clock).ok());
    let scope = claims.as_ref().map(|c| {
        c["scope"]
            .as_str()
            .or_else(|| c["scp"].as_str())
            .unwrap_or("")
    });
    if !scope.is_some_and(|scope| scope.split(' ').any(|one| one == "openid")) {
        let answer = reply::json(401, &json!({"error": "invalid_token"}));
        return reply::with(answer, "www-authenticate", "Bearer error=\"invalid_token\"");
    }
    let claims = claims.unwrap_or_default();
    let known = ["oid", "sub"]
        .iter()
        .find_map(|name| state.person(claims[name].as_str()?));
    match known {
        Some(person) => reply::json(
            200,
            &json!({"sub": claims["sub"], "name": person.name, "email": person.email,
                    "email_verified": true, "groups": person.groups}),
        ),
        None => reply::json(401, &json!({"error": "invalid_token"})),
    }
}
