//! No file ever holds a secret, whatever the policy says, and whoever wrote a group's name cannot reach out of a file.

use artefacts::schema::Secrecy;
use artefacts::{Client, Described, Ring, formats};
use serde_json::{Map, Value, json};

use crate::readers::{plist, registry};
use crate::setting::{described, provider, sample_of};

const SECRET: &str = "sk-ant-api03-Zm9vYmFyYmF6cXV4-1234567890";

fn refused(client: Client, settings: Map<String, Value>) -> String {
    let described = match client {
        Client::Desktop => Described {
            desktop: settings,
            ..described()
        },
        Client::Code => Described {
            code: settings,
            ..described()
        },
    };
    Ring::new(described).unwrap_err().to_string()
}

#[test]
fn a_key_that_is_a_secret_is_in_no_file() {
    for key in Client::Desktop.keys() {
        if key.secrecy == Secrecy::Always {
            let settings = Map::from_iter([(key.name.to_owned(), json!(SECRET))]);
            let why = refused(Client::Desktop, settings);
            assert!(why.contains(key.name) && !why.contains(SECRET), "{why}");
        }
    }
}

/// Puts the secret into every text of a value, one at a time.
fn planted(value: &Value) -> Vec<Value> {
    match value {
        Value::String(_) => vec![json!(SECRET), json!(format!("see {SECRET}, please"))],
        Value::Array(items) => (0..items.len())
            .flat_map(|place| {
                planted(&items[place]).into_iter().map(move |planted| {
                    let mut items = items.clone();
                    items[place] = planted;
                    Value::Array(items)
                })
            })
            .collect(),
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, member)| {
                planted(member).into_iter().map(move |planted| {
                    let mut members = members.clone();
                    members.insert(name.clone(), planted);
                    Value::Object(members)
                })
            })
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_credential_in_any_text_of_any_key_is_refused_and_not_repeated() {
    let mut tried = 0;
    for client in [Client::Desktop, Client::Code] {
        for key in client.keys() {
            for value in planted(&sample_of(key, "x")) {
                let why = refused(client, Map::from_iter([(key.name.to_owned(), value)]));
                assert!(why.contains(key.name) && !why.contains("Zm9v"), "{why}");
                tried += 1;
            }
        }
    }
    assert!(tried > 200, "{tried}");
}

#[test]
fn every_way_of_signing_in_makes_files_without_a_secret() {
    for sign_in in [
        artefacts::SignIn::Gateway,
        artefacts::SignIn::Current(provider()),
        artefacts::SignIn::Compatible(provider()),
    ] {
        let ring = Ring::new(Described {
            sign_in,
            ..described()
        })
        .unwrap();
        for file in formats::all(&ring) {
            let text = String::from_utf8_lossy(&file.bytes).to_lowercase();
            for word in ["apikey\"", "client_secret", "clientsecret\"", "bearer "] {
                assert!(!text.contains(word), "{} has {word}", file.name);
            }
        }
    }
}

#[test]
fn a_hostile_name_of_a_group_or_company_stays_inside_its_text() {
    for name in [
        "</string><key>x</key>",
        "a\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE]\r\n\"x\"=\"y\"",
        "../../../etc/passwd",
        "\u{202e}gnp.exe",
        "--><script>",
    ] {
        let ring = Ring::new(Described {
            group: Some(name.to_owned()),
            org: name.replace(['\r', '\n'], " "),
            ..described()
        })
        .unwrap();
        for file in formats::all(&ring) {
            assert!(
                !file.name.contains("..") && file.name.is_ascii(),
                "{}",
                file.name
            );
            if std::path::Path::new(&file.name)
                .extension()
                .is_some_and(|end| end == "reg")
            {
                assert_eq!(registry(&file.bytes).len(), 1);
            }
            if file.media_type.contains("apple") {
                assert_eq!(plist(&file.bytes)["PayloadType"], "Configuration");
            }
        }
    }
}
