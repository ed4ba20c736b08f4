//! How Doorward looks from outside: does an instance run here and is it ready, and does the public address lead to Doorward, over TLS
//! that clients trust. Two questions without a credential; an instance that runs is not disturbed.

use http::StatusCode;
use pipeline::fetch::{Ask, Fetch, FetchError, Reach};
use serde_json::Value;
use url::Url;

use super::report::{Line, Status, Whose};
use crate::config::Config;

const INSTANCE: &str = "instance";
const PUBLIC: &str = "public address";

/// Both lines.
pub(super) async fn check(config: &Config) -> Vec<Line> {
    let fetch = match Fetch::new(Reach::Operator, None) {
        Ok(fetch) => fetch,
        Err(error) => {
            let remedy = "install the system's trusted certificates (ca-certificates)";
            return vec![Line::fail(PUBLIC, error.chain(), Whose::Operator, remedy)];
        }
    };
    let instance = instance(config, &fetch).await;
    let runs = instance.status != Status::Skipped;
    let public = public(config, &fetch, runs).await;
    vec![instance, public]
}

async fn instance(config: &Config, fetch: &Fetch) -> Line {
    let ops = config.server.ops;
    // Of this organisation alone: one process may serve several.
    let own = Url::parse(&config.server.public_url).ok();
    let host = own.as_ref().and_then(Url::host_str).unwrap_or_default();
    let Ok(url) = Url::parse(&format!("http://{ops}/readyz/{host}")) else {
        return Line::skipped(INSTANCE, "server.ops cannot be asked");
    };
    match fetch.send(Ask::get(&url)).await {
        Ok(answer) if answer.status == StatusCode::OK => {
            Line::pass(INSTANCE, format!("{ops} says ready"))
        }
        Ok(answer) => {
            let said = String::from_utf8_lossy(&answer.body);
            let said: String = said
                .trim()
                .chars()
                .filter(|c| !c.is_control())
                .take(300)
                .collect();
            let evidence = format!("{ops} answered {}: {said}", answer.status.as_u16());
            let remedy =
                "mend what it names; if this is not Doorward, give server.ops a port of its own";
            Line::fail(INSTANCE, evidence, Whose::Operator, remedy)
        }
        Err(error) => Line::skipped(
            INSTANCE,
            format!(
                "no Doorward runs here with this configuration ({})",
                error.chain()
            ),
        ),
    }
}

async fn public(config: &Config, fetch: &Fetch, runs: bool) -> Line {
    let address = &config.server.public_url;
    let Ok(url) = Url::parse(&format!("{address}/protocol")) else {
        return Line::skipped(PUBLIC, "server.public_url cannot be asked");
    };
    match fetch.send(Ask::get(&url)).await {
        Ok(answer) => {
            let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            answered(address, answer.status, &said)
        }
        Err(error) => unreached(address, &error, runs),
    }
}

fn answered(address: &str, status: StatusCode, said: &Value) -> Line {
    if status != StatusCode::OK || said["server"] != "doorward" {
        let evidence = format!("{address} answered {} and is not Doorward", status.as_u16());
        let remedy = "let server.public_url lead to server.listen, all paths of it, unbuffered";
        return Line::fail(PUBLIC, evidence, Whose::Operator, remedy);
    }
    if said["issuer"] != address {
        let evidence = format!(
            "{address} is a Doorward that takes itself for {}",
            said["issuer"]
        );
        let remedy = "give every instance behind the address the same server.public_url";
        return Line::fail(PUBLIC, evidence, Whose::Operator, remedy);
    }
    let version = said["version"].as_str().unwrap_or("?");
    Line::pass(PUBLIC, format!("{address} is Doorward {version}"))
}

fn unreached(address: &str, error: &FetchError, runs: bool) -> Line {
    let evidence = format!("{address}: {}", error.chain());
    if evidence.contains("certificate") {
        let remedy = "present a certificate for this name, with its chain, of an authority that clients and this machine trust";
        return Line::fail(PUBLIC, evidence, Whose::Operator, remedy);
    }
    if evidence.contains("dns error") {
        let remedy = "register the host of server.public_url with the name service";
        return Line::fail(PUBLIC, evidence, Whose::Network, remedy);
    }
    if !runs {
        return Line::skipped(
            PUBLIC,
            format!("{evidence}; start Doorward and run this again"),
        );
    }
    let remedy = "Doorward runs here and its address does not lead to it: check load balancer, firewall and server.listen";
    Line::fail(PUBLIC, evidence, Whose::Network, remedy)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(status: StatusCode, said: &Value, expected: Status, words: &str) {
        let line = answered("https://c.example", status, said);
        assert_eq!(line.status, expected, "{}", line.evidence);
        assert!(line.evidence.contains(words), "{}", line.evidence);
    }

    #[test]
    fn only_doorward_at_its_own_address_passes() {
        let ours = json!({"server": "doorward", "version": "9", "issuer": "https://c.example"});
        check(StatusCode::OK, &ours, Status::Pass, "is Doorward 9");
        check(StatusCode::BAD_GATEWAY, &ours, Status::Fail, "answered 502");
        let other = json!({"server": "doorward", "issuer": "https://d.example"});
        check(StatusCode::OK, &other, Status::Fail, "takes itself for");
        check(
            StatusCode::OK,
            &Value::Null,
            Status::Fail,
            "is not Doorward",
        );
    }

    #[test]
    fn an_address_that_does_not_answer_fails_only_where_it_should() {
        let refused = || FetchError::Timeout("c.example".to_owned());
        assert_eq!(
            unreached("https://c.example", &refused(), false).status,
            Status::Skipped
        );
        assert_eq!(
            unreached("https://c.example", &refused(), true).status,
            Status::Fail
        );
        let broken =
            FetchError::Connect("c".to_owned(), "invalid peer certificate: Expired".into());
        assert_eq!(
            unreached("https://c.example", &broken, false).status,
            Status::Fail
        );
    }
}
