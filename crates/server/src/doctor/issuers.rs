//! Who vouches for callers: can each issuer's discovery document and keys be had, of what kinds are the keys, and does our clock
//! agree with its.

use domain::{Clock as _, Timestamp, limits};
use http::header::DATE;
use pipeline::fetch::Ask;
use pipeline::identity::{Identity, Issuer, IssuerConfig};
use url::Url;

use super::report::{Line, Whose};
use crate::system::SystemClock;

/// Two lines for each issuer.
pub(crate) async fn check(identity: &Identity) -> Vec<Line> {
    let issuers = identity.issuers();
    if issuers.is_empty() {
        let why = "no [[issuer]] is configured: people cannot sign in, only service keys open";
        return vec![Line::skipped("issuers", why)];
    }
    let mut clocks = tokio::task::JoinSet::new();
    for issuer in issuers {
        let issuer = std::sync::Arc::clone(issuer);
        clocks.spawn(async move { (issuer.name().to_string(), clock(&issuer).await) });
    }
    let mut lines: Vec<Line> = issuers.iter().map(|issuer| keys(issuer)).collect();
    let mut clocks = clocks.join_all().await;
    clocks.sort_by(|a, b| a.0.cmp(&b.0));
    lines.extend(clocks.into_iter().map(|(_, line)| line));
    lines
}

/// The keys as the identity stage has them: it asked when it was set up.
fn keys(issuer: &Issuer) -> Line {
    let check = format!("issuer {}", issuer.name());
    let state = issuer.state();
    if state.usable {
        let from = if issuer.config().jwks_url.is_some() {
            "keys"
        } else {
            "discovery and keys"
        };
        let kinds = state.algorithms.join(", ");
        return Line::pass(check, format!("{from} read: {} ({kinds})", state.keys));
    }
    let problem = state
        .problem
        .as_deref()
        .unwrap_or("its keys were not fetched");
    let (whose, remedy) = whose(problem);
    Line::fail(check, problem, whose, remedy)
}

/// From the sentences of the fetching stage, which are a closed list.
fn whose(problem: &str) -> (Whose, &'static str) {
    if problem.contains("certificate") {
        return (
            Whose::Operator,
            "trust its certificate authority on this machine, or name it in the issuer's ca_pem",
        );
    }
    if problem.contains("could not be reached") || problem.contains("in time") {
        return (
            Whose::Network,
            "let this machine reach the issuer: name, firewall, proxy; its people are kept out meanwhile",
        );
    }
    if problem.contains("another issuer") || problem.contains("status 404") {
        return (
            Whose::Operator,
            "write `issuer` exactly as the discovery document states it",
        );
    }
    (
        Whose::IdentityProvider,
        "its discovery document or key set is not as OpenID Connect has it; ask whoever runs it",
    )
}

async fn clock(issuer: &Issuer) -> Line {
    let check = format!("clock, against {}", issuer.name());
    let Some(url) = document(issuer.config()) else {
        return Line::skipped(check, "the issuer's address cannot be asked");
    };
    let asked = SystemClock.now();
    let Ok(answer) = issuer.fetch().send(Ask::get(&url)).await else {
        return Line::skipped(check, "the issuer does not answer");
    };
    let date = answer.headers.get(DATE).and_then(|date| date.to_str().ok());
    match date.and_then(Timestamp::from_http_date) {
        Some(stated) => judge(check, stated, asked, SystemClock.now()),
        None => Line::skipped(check, "its answers have no date"),
    }
}

/// Ours may lie anywhere between asking and the answer; a date has whole seconds.
fn judge(check: String, stated: Timestamp, asked: Timestamp, answered: Timestamp) -> Line {
    let behind_ms = stated.ms_since(answered).max(0);
    let ahead_ms = asked.ms_since(stated.plus_ms(1_000)).max(0);
    let apart_ms = behind_ms.max(ahead_ms);
    let evidence = format!("{} s apart (ours {answered})", apart_ms / 1_000);
    if apart_ms <= limits::CLOCK_SKEW_MS {
        return Line::pass(check, evidence);
    }
    Line::fail(
        check,
        format!(
            "{evidence}; more than {} s makes good tokens look expired or not yet valid",
            limits::CLOCK_SKEW_MS / 1_000
        ),
        Whose::Operator,
        "set this machine's clock and keep it set (NTP); if it is right, the issuer's is not",
    )
}

/// Where an issuer's document is, or its keys.
pub(crate) fn document(config: &IssuerConfig) -> Option<Url> {
    if let Some(url) = config.discovery_url.as_ref().or(config.jwks_url.as_ref()) {
        return Some(url.clone());
    }
    let base = config.issuer.trim_end_matches('/');
    Url::parse(&format!("{base}/.well-known/openid-configuration")).ok()
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    fn check(stated_s: i64, expected: Status) {
        let (asked, answered) = (Timestamp::from_unix_s(1_000), Timestamp::from_unix_s(1_004));
        let stated = Timestamp::from_unix_s(stated_s);
        let line = judge("clock".to_owned(), stated, asked, answered);
        assert_eq!(line.status, expected, "{stated_s}: {}", line.evidence);
    }

    #[test]
    fn a_clock_may_differ_by_as_much_as_tokens_are_forgiven() {
        for near in [1_000, 1_004, 939, 1_064] {
            check(near, Status::Pass);
        }
        for far in [938, 1_065, 0, 90_000] {
            check(far, Status::Fail);
        }
    }
}
