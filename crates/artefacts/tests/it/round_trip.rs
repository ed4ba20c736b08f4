//! Every key of both schemas, in every format, comes out as it went in.

use std::collections::BTreeSet;

use artefacts::desktop::admx;
use artefacts::schema::Kind;
use artefacts::{Artefact, Client, Ring};
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::readers::{Element, plist, profile, registry, xml};
use crate::setting::{meant, ring, whole};

/// What a format could stumble over: marks of XML, of registry files and of JSON, line ends, and letters beyond the first plane.
const HARD: &str = "a<b>&amp;\"c\" \\d\\\\ 'e' -- ]]> % ; [f] ü 日本 😀\n\tg";

fn bytes(artefact: Artefact, ring: &Ring) -> Vec<u8> {
    let mut files = artefact.write(ring);
    assert_eq!(files.len(), 1, "{}", artefact.word());
    files.remove(0).bytes
}

/// What macOS or Windows would give the app.
fn understood(pairs: impl IntoIterator<Item = (String, String)>) -> Map<String, Value> {
    pairs
        .into_iter()
        .map(|(name, text)| {
            let kind = Client::Desktop
                .key(&name)
                .map_or(Kind::Text, |key| key.kind);
            let value = meant(kind, &text);
            (name, value)
        })
        .collect()
}

fn texts(map: Map<String, Value>) -> Vec<(String, String)> {
    map.into_iter()
        .map(|(name, value)| (name, value.as_str().unwrap().to_owned()))
        .collect()
}

fn desktop_comes_back(ring: &Ring) {
    let expected = ring.desktop().entries();
    let domain = "com.anthropic.claudefordesktop";
    let profiled = profile(&bytes(Artefact::DesktopMobileconfig, ring), domain);
    assert_eq!(&understood(texts(profiled)), expected);
    let Value::Object(listed) = plist(&bytes(Artefact::DesktopJamf, ring)) else {
        panic!("no dictionary")
    };
    assert_eq!(&understood(texts(listed)), expected);
    let keys = registry(&bytes(Artefact::DesktopRegistry, ring));
    let [(key, values)] = &*keys else {
        panic!("not one key")
    };
    assert_eq!(key, "HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Claude");
    assert_eq!(&understood(values.clone()), expected);
    let json: Map<String, Value> =
        serde_json::from_slice(&bytes(Artefact::DesktopLinux, ring)).unwrap();
    assert_eq!(&json, expected);
}

fn code_comes_back(ring: &Ring) {
    let expected = ring.code().entries();
    let json: Map<String, Value> =
        serde_json::from_slice(&bytes(Artefact::CodeFile, ring)).unwrap();
    assert_eq!(&json, expected);
    let domain = "com.anthropic.claudecode";
    assert_eq!(
        &profile(&bytes(Artefact::CodeMobileconfig, ring), domain),
        expected
    );
    assert_eq!(
        plist(&bytes(Artefact::CodeJamf, ring)).as_object().unwrap(),
        expected
    );
    let keys = registry(&bytes(Artefact::CodeRegistry, ring));
    let [(key, values)] = &*keys else {
        panic!("not one key")
    };
    assert_eq!(key, "HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\ClaudeCode");
    let [(name, document)] = &**values else {
        panic!("not one value")
    };
    assert_eq!(name, "Settings");
    let document: Map<String, Value> = serde_json::from_str(document).unwrap();
    assert_eq!(&document, expected);
    let mut merged = Map::new();
    for file in Artefact::CodeDropins.write(ring) {
        let part: Map<String, Value> = serde_json::from_slice(&file.bytes).unwrap();
        for (name, value) in part {
            assert!(merged.insert(name, value).is_none(), "in two files");
        }
    }
    assert_eq!(merged.len(), expected.len());
    assert!(merged.iter().all(|(name, value)| expected[name] == *value));
}

/// The values that Intune would set, by the template's own elements.
fn intune_sets(ring: &Ring) -> Vec<(String, String)> {
    let whole: Value = serde_json::from_slice(&bytes(Artefact::Intune, ring)).unwrap();
    let rows = whole["omaSettings"].as_array().unwrap();
    let addresses: BTreeSet<&str> = rows
        .iter()
        .map(|row| row["omaUri"].as_str().unwrap())
        .collect();
    assert_eq!(addresses.len(), rows.len(), "an address stands twice");
    assert!(
        rows[0]["omaUri"]
            .as_str()
            .unwrap()
            .contains("/ADMXInstall/")
    );
    let template = xml(rows[0]["value"].as_str().unwrap());
    rows[1..]
        .iter()
        .map(|row| {
            assert_eq!(row["@odata.type"], "#microsoft.graph.omaSettingString");
            let (_, name) = row["omaUri"].as_str().unwrap().rsplit_once('/').unwrap();
            let policies = template.all("policy");
            let policy = policies
                .into_iter()
                .find(|policy| policy.attribute("name") == name)
                .unwrap();
            let value = xml(&format!("<v>{}</v>", row["value"].as_str().unwrap()));
            assert_eq!(value.children[0].name, "enabled");
            let data = value.child("data");
            assert_eq!(
                data.attribute("id"),
                policy.child("elements").children[0].attribute("id")
            );
            (name.to_owned(), data.attribute("value").to_owned())
        })
        .collect()
}

#[test]
fn every_key_of_claude_desktop_comes_back_from_every_format() {
    let ring = ring(whole(Client::Desktop, HARD), Map::new());
    assert_eq!(ring.desktop().remarks(), [""; 0]);
    desktop_comes_back(&ring);
    let mut set = intune_sets(&ring);
    let (code, document) = set.pop().unwrap();
    assert_eq!(code, "ClaudeCodeSettings");
    let document: Map<String, Value> = serde_json::from_str(&document).unwrap();
    assert_eq!(&document, ring.code().entries());
    assert_eq!(&understood(set), ring.desktop().entries());
}

#[test]
fn every_key_of_claude_code_comes_back_from_every_format() {
    let ring = ring(Map::new(), whole(Client::Code, HARD));
    assert_eq!(ring.code().remarks(), [""; 0]);
    code_comes_back(&ring);
}

#[test]
fn each_key_alone_comes_back_too() {
    for client in [Client::Desktop, Client::Code] {
        for (name, value) in whole(client, HARD) {
            let one = Map::from_iter([(name, value)]);
            match client {
                Client::Desktop => desktop_comes_back(&ring(one, Map::new())),
                Client::Code => code_comes_back(&ring(Map::new(), one)),
            }
        }
    }
}

#[test]
fn the_template_has_every_key_once_and_a_text_for_everything_it_names() {
    let ring = ring(Map::new(), Map::new());
    let template = xml(&String::from_utf8(bytes(Artefact::Admx, &ring)).unwrap());
    let texts = xml(&String::from_utf8(bytes(Artefact::Adml, &ring)).unwrap());
    let names: Vec<&str> = template
        .all("policy")
        .iter()
        .map(|policy| policy.attribute("name"))
        .collect();
    let different: BTreeSet<&&str> = names.iter().collect();
    assert_eq!(different.len(), names.len());
    assert_eq!(names.len(), admx::offered().count() + 1);
    let ids = |kind: &str| -> BTreeSet<String> {
        let found: Vec<String> = texts
            .all(kind)
            .iter()
            .map(|element| element.attribute("id").to_owned())
            .collect();
        let different: BTreeSet<String> = found.iter().cloned().collect();
        assert_eq!(different.len(), found.len(), "{kind} has an id twice");
        different
    };
    let (strings, presentations) = (ids("string"), ids("presentation"));
    for named in named(&template) {
        let (kind, id) = named.split_once('.').unwrap();
        let known = if kind == "string" {
            &strings
        } else {
            &presentations
        };
        assert!(known.contains(id), "{named} has no text");
    }
}

/// Everything that a template takes from its texts: `string.x`, `presentation.y`.
fn named(element: &Element) -> Vec<String> {
    let own = element.attributes.iter().filter_map(|(_, value)| {
        let inner = value.strip_prefix("$(")?.strip_suffix(')')?;
        Some(inner.to_owned())
    });
    own.chain(element.children.iter().flat_map(named)).collect()
}

#[test]
fn a_ring_that_names_servers_gets_them_as_a_file_and_another_gets_none() {
    let servers = serde_json::json!({"managedMcpServers": {"corp": {"type": "http", "url": "https://mcp.example"}}});
    let with = ring(Map::new(), servers.as_object().unwrap().clone());
    let file: Value = serde_json::from_slice(&bytes(Artefact::CodeMcp, &with)).unwrap();
    assert_eq!(file["mcpServers"]["corp"]["url"], "https://mcp.example");
    for none in [
        serde_json::json!({}),
        serde_json::json!({"managedMcpServers": {}}),
    ] {
        let without = ring(Map::new(), none.as_object().unwrap().clone());
        assert_eq!(Artefact::CodeMcp.write(&without), []);
    }
}

/// Texts that no format refuses: everything but what commands a screen.
fn text() -> impl Strategy<Value = String> {
    "[^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u{fffe}\\u{ffff}]{0,40}"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_the_texts_are_they_come_back(text in text()) {
        // A text that would be a credential is refused, which is not what is tried here.
        let described = artefacts::Described {
            desktop: whole(Client::Desktop, &text),
            code: whole(Client::Code, &text),
            ..crate::setting::described()
        };
        if let Ok(ring) = Ring::new(described) {
            desktop_comes_back(&ring);
            code_comes_back(&ring);
            intune_sets(&ring);
        }
    }
}
