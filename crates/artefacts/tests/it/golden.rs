//! The files of three rings as they are written, to be looked at when one changes.

use artefacts::{Artefact, Described, Ring, SignIn, formats};
use serde_json::json;

use crate::setting::{described, provider};

fn pilot(sign_in: SignIn) -> Ring {
    let code = json!({
        "permissions": {"deny": ["Read(./.env)"], "disableBypassPermissionsMode": "disable"},
        "sandbox": {"enabled": true, "failIfUnavailable": true},
        "env": {"CLAUDE_CODE_ENABLE_TELEMETRY": "1"},
        "managedMcpServers": {"tickets": {"type": "http", "url": "https://mcp.northwind.example/tickets"}},
        "cleanupPeriodDays": 14,
    });
    let desktop = json!({
        "banner": {"enabled": true, "text": "Claude at Northwind <pilot>"},
        "isLocalDevMcpEnabled": false,
        "otlpDesktopLogLevel": "warn",
    });
    Ring::new(Described {
        sign_in,
        desktop: desktop.as_object().unwrap().clone(),
        code: code.as_object().unwrap().clone(),
        ..described()
    })
    .unwrap()
}

fn as_text(bytes: &[u8]) -> String {
    if bytes.starts_with(&[0xff, 0xfe]) {
        let units: Vec<u16> = bytes[2..]
            .chunks(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        return String::from_utf16(&units).unwrap().replace("\r\n", "\n");
    }
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_files_of_a_pilot_ring() {
    let ring = pilot(SignIn::Gateway);
    for file in formats::all(&ring) {
        // The same for every ring, and long: what is in them is tested key by key.
        if matches!(
            file.artefact,
            Artefact::Admx | Artefact::Adml | Artefact::Intune
        ) {
            continue;
        }
        let name = file.name.replace('/', "-");
        insta::assert_snapshot!(name, as_text(&file.bytes));
    }
}

#[test]
fn the_rows_that_intune_sets() {
    let ring = pilot(SignIn::Gateway);
    let file = Artefact::Intune.write(&ring).remove(0);
    let mut whole: serde_json::Value = serde_json::from_slice(&file.bytes).unwrap();
    whole["omaSettings"][0]["value"] = json!("(the template)");
    insta::assert_snapshot!("intune", format!("{whole:#}"));
}

#[test]
fn both_generations_of_sign_in_at_the_identity_provider() {
    let current = pilot(SignIn::Current(provider()));
    let compatible = pilot(SignIn::Compatible(provider()));
    let of = |ring: &Ring| {
        let names = [
            "inferenceCredentialKind",
            "inferenceIdpOidc",
            "inferenceIdpAuthFlow",
            "inferenceGatewayOidc",
            "inferenceGatewayOidcAuthFlow",
            "bootstrapUrl",
        ];
        let entries = ring.desktop().entries();
        let found = names.map(|name| json!({name: entries.get(name)}));
        format!("{:#}", json!(found))
    };
    insta::assert_snapshot!("sign-in-current", of(&current));
    insta::assert_snapshot!("sign-in-compatible", of(&compatible));
}

#[test]
fn a_template_policy_of_each_shape() {
    let ring = pilot(SignIn::Gateway);
    let template = as_text(&Artefact::Admx.write(&ring).remove(0).bytes);
    let texts = as_text(&Artefact::Adml.write(&ring).remove(0).bytes);
    let about = |text: &str, name: &str| {
        let mut kept = Vec::new();
        let mut is_in = false;
        for line in text.lines() {
            let begins = line.contains(&format!("policy name=\"{name}\""));
            is_in |= begins;
            if is_in || line.contains(&format!("id=\"{name}")) {
                kept.push(line);
            }
            is_in &= !line.contains("</policy>");
        }
        kept.join("\n")
    };
    let names = ["autoModeEnabled", "otlpProtocol", "inferenceModels"];
    let shown: Vec<String> = names
        .iter()
        .flat_map(|name| [about(&template, name), about(&texts, name)])
        .collect();
    insta::assert_snapshot!("template", shown.join("\n\n"));
}
