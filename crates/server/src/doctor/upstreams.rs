//! The providers: can each be reached and does it take our credential, and does only that leave. The first is one question to the
//! provider that costs nothing; the second goes through every stage of the gateway to a recorder in the provider's place.

use std::sync::Arc;

use domain::limits;
use gateway::upstream::client::{self, HttpClient};
use gateway::upstream::credential::{CredentialError, Credentials};
use gateway::upstream::probe::{ProbeError, Probed, probe};
use gateway::upstream::{AuthConfig, UpstreamConfig};
use http::{StatusCode, Uri};
use http_body_util::BodyExt as _;

use super::leak::{Expected, Leak, judge};
use super::report::{Line, Whose};
use super::scratch::Scratch;
use crate::config::Config;
use crate::system::{SystemClock, chain};

/// Two lines for each provider: reached, and credential.
pub(super) async fn reach(config: &Config) -> Vec<Line> {
    let client = match client::connect() {
        Ok(client) => client,
        Err(error) => {
            let remedy = "install the system's trusted certificates (ca-certificates)";
            return vec![Line::fail(
                "upstreams",
                chain(&error),
                Whose::Operator,
                remedy,
            )];
        }
    };
    let mut asked = tokio::task::JoinSet::new();
    for (index, upstream) in config.upstreams.iter().enumerate() {
        let (upstream, client) = (upstream.clone(), client.clone());
        asked.spawn(async move { (index, reach_one(&upstream, &client).await) });
    }
    let mut lines = asked.join_all().await;
    lines.sort_by_key(|(index, _)| *index);
    lines.into_iter().flat_map(|(_, two)| two).collect()
}

/// Of one provider.
pub(crate) async fn reach_one(upstream: &UpstreamConfig, client: &HttpClient) -> [Line; 2] {
    look(upstream, client).await.0
}

/// Whether a provider is reached and takes our credential, and in how many milliseconds it answered, if it did.
pub(crate) async fn look(
    upstream: &UpstreamConfig,
    client: &HttpClient,
) -> ([Line; 2], Option<u64>) {
    let reached = format!("upstream {}", upstream.name);
    let credential = format!("upstream {}, credential", upstream.name);
    if let Err(line) = resolve(&reached, upstream).await {
        let why = "the provider is not reached";
        return ([line, Line::skipped(credential, why)], None);
    }
    match probe(upstream, client, Arc::new(SystemClock)).await {
        Ok(probed) => {
            let evidence = format!("{} answered {}", probed.asked, probed.status.as_u16());
            let judged = taken(credential, &probed);
            (
                [Line::pass(reached, evidence), judged],
                Some(probed.answer_ms),
            )
        }
        Err(ProbeError::Credential(error)) => {
            let why = "nothing was asked without a credential; its name resolves";
            let lines = [
                Line::skipped(reached, why),
                no_credential(credential, &error),
            ];
            (lines, None)
        }
        Err(error) => {
            let why = "the provider is not reached";
            let lines = [unreached(reached, &error), Line::skipped(credential, why)];
            (lines, None)
        }
    }
}

/// Does its name lead anywhere?
async fn resolve(check: &str, upstream: &UpstreamConfig) -> Result<(), Line> {
    let fail = |what: String| {
        let remedy = "check base_url or resource, and this machine's name server";
        Err(Line::fail(check, what, Whose::Network, remedy))
    };
    let Ok(Ok(uri)) = upstream.base().map(|base| base.parse::<Uri>()) else {
        return fail("its address cannot be read".to_owned());
    };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let wait = std::time::Duration::from_millis(limits::DOCTOR_PROBE_MS);
    let found = tokio::time::timeout(wait, tokio::net::lookup_host((host, 443))).await;
    match found.map(|found| found.map(|mut addresses| addresses.next().is_some())) {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => fail(format!("the name {host} leads nowhere")),
        Ok(Err(error)) => fail(format!("the name {host} cannot be resolved: {error}")),
        Err(_) => fail(format!("the name {host} was not resolved in time")),
    }
}

fn unreached(check: String, error: &ProbeError) -> Line {
    let evidence = chain(error);
    if evidence.contains("certificate") {
        let remedy =
            "trust the certificate authority on this machine; something between may be opening TLS";
        return Line::fail(check, evidence, Whose::Network, remedy);
    }
    let remedy = "let this machine connect to the provider: firewall, route, and that it runs";
    Line::fail(check, evidence, Whose::Network, remedy)
}

fn no_credential(check: String, error: &CredentialError) -> Line {
    let remedy = match error {
        CredentialError::Form => "the key holds blanks or line ends within; write it anew",
        CredentialError::TokenFile(_) => "mount the federated token where token_file says",
        CredentialError::Refused(_) => {
            "check tenant, client_id, and the secret or the federation at Entra; give the identity its role"
        }
        CredentialError::Unreachable(_)
        | CredentialError::Timeout
        | CredentialError::FailedLately => {
            "let this machine reach the token endpoint; managed identity works only on a machine that has one"
        }
        CredentialError::Answer => "the token endpoint is not Entra's; check authority or endpoint",
    };
    Line::fail(check, chain(error), Whose::Operator, remedy)
}

/// What a provider's answer says about our credential.
fn taken(check: String, probed: &Probed) -> Line {
    let status = probed.status;
    let evidence = format!("sent in {}, answered {}", probed.header, status.as_u16());
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Line::fail(
            check,
            evidence,
            Whose::Operator,
            "the provider does not take the credential: renew the key, or give the identity its role at the provider",
        ),
        StatusCode::NOT_FOUND if probed.names_model => Line::fail(
            check,
            evidence,
            Whose::Operator,
            "the provider has no such deployment: check model_map and base_url",
        ),
        StatusCode::TOO_MANY_REQUESTS => Line::pass(
            check,
            format!("{evidence}: taken, but its limit is reached"),
        ),
        _ if status.is_success() || status == StatusCode::BAD_REQUEST => {
            Line::pass(check, evidence)
        }
        _ if status.is_server_error() => Line::fail(
            check,
            evidence,
            Whose::Provider,
            "the provider has trouble; run this again later, and look at its status page",
        ),
        _ => Line::skipped(
            check,
            format!("{evidence}, which says nothing about the credential"),
        ),
    }
}

/// What leaves for the provider of this place in the configuration.
pub(super) async fn departure(
    check: String,
    index: usize,
    upstream: &UpstreamConfig,
    scratch: &Scratch,
) -> Line {
    let bug = |what: String| {
        Line::fail(
            check.clone(),
            what,
            Whose::Doorward,
            "report it with this line",
        )
    };
    let expected = match expected(upstream).await {
        Ok(expected) => expected,
        Err(error) => return no_credential(check, &error),
    };
    let (answer, left) = match scratch.send(index).await {
        Ok(sent) => sent,
        Err(error) => return bug(chain(error.as_ref())),
    };
    let Some(left) = left else {
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await;
        let body = body
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        return bug(format!(
            "nothing left; the client was told {status}: {}",
            String::from_utf8_lossy(&body)
        ));
    };
    match judge(
        &left.headers,
        &left.path_and_query,
        &expected,
        &[scratch.canary()],
    ) {
        Ok(departure) => Line::pass(
            check,
            format!(
                "left with {} and nothing of the caller's; headers: {}",
                departure.credential,
                departure.names.join(", ")
            ),
        ),
        Err(leak @ Leak::Missing(_)) => bug(format!("{leak}")),
        Err(leak) => bug(format!(
            "{leak}; take Doorward out of service until it is mended"
        )),
    }
}

async fn expected(upstream: &UpstreamConfig) -> Result<Expected, CredentialError> {
    let client =
        client::connect().map_err(|error| CredentialError::Unreachable(Box::new(error)))?;
    let credentials = Credentials::new(upstream.provider, &upstream.auth, Arc::new(SystemClock))?;
    let (header, value) = credentials.header(&client).await?;
    let fixed = matches!(upstream.auth, AuthConfig::ApiKey(_) | AuthConfig::Bearer(_));
    Ok(Expected {
        header,
        value: fixed.then_some(value),
    })
}

#[cfg(test)]
mod tests {
    use http::header::HeaderName;

    use super::super::report::Status;
    use super::*;

    fn check(status: u16, names_model: bool, expected: Status, whose: Option<Whose>) {
        let probed = Probed {
            asked: String::new(),
            header: HeaderName::from_static("x-api-key"),
            status: StatusCode::from_u16(status).unwrap(),
            names_model,
            answer_ms: 1,
        };
        let line = taken("credential".to_owned(), &probed);
        assert_eq!(
            (line.status, line.whose),
            (expected, whose),
            "{status} {names_model}"
        );
    }

    #[test]
    fn an_answer_says_whether_the_credential_is_taken_and_whose_trouble_it_is() {
        let operator = Some(Whose::Operator);
        check(200, false, Status::Pass, None);
        check(400, true, Status::Pass, None);
        check(429, false, Status::Pass, None);
        check(401, false, Status::Fail, operator);
        check(403, true, Status::Fail, operator);
        check(404, true, Status::Fail, operator);
        check(404, false, Status::Skipped, None);
        check(302, false, Status::Skipped, None);
        check(529, false, Status::Fail, Some(Whose::Provider));
    }
}
