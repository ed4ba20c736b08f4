//! What can be wrong with what the configuration says about connectors: their secrets, our clients at them, where people authorise those,
//! and programs.

use ::connectors::oauth::ConnectorClient;
use ::connectors::stdio::ConnectorProgram;

use pipeline::fetch::{Reach, check_url};

use super::{Config, ConnectorIssuerConfig, ConnectorSecretConfig};

/// Names every mistake.
pub(super) fn check(config: &Config, mistakes: &mut Vec<String>) {
    check_secrets(&config.connector_secrets, mistakes);
    check_clients(&config.connector_clients, mistakes);
    check_issuers(&config.connector_issuers, mistakes);
    check_programs(&config.connector_programs, mistakes);
}

/// Headers that say how a message is read.
const NOT_FOR_SECRETS: [&str; 5] = [
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
];

fn check_secrets(secrets: &[ConnectorSecretConfig], mistakes: &mut Vec<String>) {
    for (index, secret) in secrets.iter().enumerate() {
        let is_named = domain::connectors::is_slug(&secret.name, 64, true);
        let earlier = &secrets[..index];
        if !is_named || earlier.iter().any(|other| other.name == secret.name) {
            mistakes.push(format!(
                "connector_secret[{index}].name: needs small letters, digits and dashes, and to stand once"
            ));
        }
        if !secret.origin.origin().is_tuple() || secret.origin.path() != "/" {
            mistakes.push(format!(
                "connector_secret[{index}].origin: is no origin, such as https://mcp.example.org"
            ));
        }
        let header = http::HeaderName::try_from(secret.header.as_str());
        if header.is_err() || NOT_FOR_SECRETS.contains(&&*secret.header.to_ascii_lowercase()) {
            mistakes.push(format!(
                "connector_secret[{index}].header: is no header that can carry a credential"
            ));
        }
    }
}

fn check_clients(clients: &[ConnectorClient], mistakes: &mut Vec<String>) {
    for (index, client) in clients.iter().enumerate() {
        if let Some(mistake) = client.mistake() {
            mistakes.push(format!("connector_client[{index}].{mistake}"));
        }
        let mut before = clients[..index].iter();
        if before.any(|other| other.connector == client.connector) {
            mistakes.push(format!(
                "connector_client[{index}].connector: `{}` stands twice",
                client.connector
            ));
        }
    }
}

fn check_issuers(issuers: &[ConnectorIssuerConfig], mistakes: &mut Vec<String>) {
    for (index, issuer) in issuers.iter().enumerate() {
        let origin = &issuer.origin;
        let is_origin = origin.origin().is_tuple()
            && origin.path() == "/"
            && origin.query().is_none()
            && origin.fragment().is_none()
            && origin.username().is_empty()
            && origin.password().is_none();
        if !is_origin || check_url(origin, Reach::Operator).is_err() {
            mistakes.push(format!(
                "connector_issuer[{index}].origin: is no origin of an authorization server, such as https://login.example.org"
            ));
        }
        let mut before = issuers[..index].iter();
        if before.any(|other| other.origin == *origin) {
            mistakes.push(format!("connector_issuer[{index}].origin: stands twice"));
        }
    }
}

fn check_programs(programs: &[ConnectorProgram], mistakes: &mut Vec<String>) {
    for (index, program) in programs.iter().enumerate() {
        if let Some(mistake) = program.mistake() {
            mistakes.push(format!("connector_program[{index}].{mistake}"));
        }
        let mut before = programs[..index].iter();
        if before.any(|other| other.command == program.command) {
            mistakes.push(format!("connector_program[{index}].command: stands twice"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;

    const AROUND: &str = "[server]\npublic_url = \"http://127.0.0.1:8080\"\n[store]\nurl = \"sqlite:/tmp/x.db\"\n[ledger]\ndir = \"/tmp/l\"\n[[upstream]]\nname = \"a\"\nprovider = \"anthropic\"\nauth = { managed_identity = {} }\n";

    #[test]
    fn an_authorization_server_of_the_companys_network_is_an_origin_and_stands_once() {
        let mistakes_of = |origins: &[&str]| {
            let entry = |origin: &&str| format!("[[connector_issuer]]\norigin = \"{origin}\"\n");
            let listed = origins.iter().map(entry).collect::<String>();
            read(&format!("{AROUND}{listed}")).err().unwrap_or_default()
        };
        let sound = ["https://login.corp.example", "http://localhost:8443"];
        assert_eq!(mistakes_of(&sound), [""; 0]);
        let twice = mistakes_of(&["https://login.example", "https://login.example/"]);
        assert_eq!(twice, ["connector_issuer[1].origin: stands twice"]);
        for origin in [
            "https://login.example/tenant",
            "https://login.example?x",
            "https://u:p@login.example",
            "http://login.example",
            "https://169.254.169.254",
            "data:x",
        ] {
            let mistakes = mistakes_of(&[origin]);
            let [mistake] = &*mistakes else {
                panic!("{origin}: {mistakes:?}");
            };
            assert!(
                mistake.starts_with("connector_issuer[0].origin: is no"),
                "{mistake}"
            );
        }
    }

    #[test]
    fn a_program_is_named_once_with_what_it_is_made_of_and_its_secrets_by_reference() {
        let hash = "0".repeat(64);
        let program = |env: &str| {
            format!(
                "[[connector_program]]\ncommand = [\"/opt/a\"]\npinned = {{ \"/opt/a\" = \"{hash}\" }}\n{env}\n"
            )
        };
        let text = format!(
            "{AROUND}{}{}[[connector_program]]\ncommand = [\"b\"]\npinned = {{}}\n",
            program(""),
            program("env = { KEY = \"very-secret\" }"),
        );
        let mistakes = read(&text).unwrap_err();
        assert_eq!(
            mistakes,
            [
                "connector_program[1].env.KEY: write a reference, ${NAME} or file:/path, instead of the secret itself",
                "connector_program[1].command: stands twice",
                "connector_program[2].command: must begin with the whole path of a program",
            ]
        );
    }
}
