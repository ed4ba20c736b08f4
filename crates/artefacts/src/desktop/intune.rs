//! Claude Desktop's and Claude Code's policy for Intune: a custom configuration for Windows, as Microsoft Graph takes it, that first brings
//! the template ([`super::admx`]) to the device and then sets each value by its address below it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::admx;
use crate::ring::Ring;
use crate::xml::Escaped;

/// The template's name in every address.
const APP: &str = "Claude";
const SET: &str = "./Device/Vendor/MSFT/Policy/Config";
const INSTALL: &str = "./Device/Vendor/MSFT/Policy/ConfigOperations/ADMXInstall";

/// The configuration, for `POST /deviceManagement/deviceConfigurations`.
pub fn write(ring: &Ring) -> Vec<u8> {
    let described = ring.described();
    let template = String::from_utf8_lossy(&admx::template()).into_owned();
    let install = format!("{INSTALL}/{APP}/Policy/{APP}");
    let mut settings = vec![setting("The template", &install, &template)];
    for (name, value) in super::texts(ring) {
        if is_offered(&name) {
            let at = format!("{SET}/{APP}~Policy~{}/{name}", admx::CATEGORY);
            settings.push(setting(&name, &at, &enabled(&name, &value)));
        }
    }
    let code = Value::Object(ring.code().entries().clone()).to_string();
    let at = format!(
        "{SET}/{APP}~Policy~{}/{}",
        admx::CODE_CATEGORY,
        admx::CODE_POLICY
    );
    settings.push(setting(
        "Claude Code's managed settings",
        &at,
        &enabled(admx::CODE_POLICY, &code),
    ));
    crate::json_file(&json!({
        "@odata.type": "#microsoft.graph.windows10CustomConfiguration",
        "displayName": format!("Claude ({})", ring.name()),
        "description": format!("Claude Desktop and Claude Code through {}, from policy version {}.", described.gateway_url, described.policy_version),
        "omaSettings": settings,
    }))
}

/// A key that the template does not have cannot be set through it.
fn is_offered(name: &str) -> bool {
    admx::offered().any(|key| key.name == name)
}

fn setting(name: &str, address: &str, value: &str) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.omaSettingString",
        "displayName": name,
        "omaUri": address,
        "value": value,
    })
}

/// How a policy that is on says the value of its one element.
fn enabled(element: &str, value: &str) -> String {
    let mut out = String::from("<enabled/>");
    let _ = write!(
        out,
        "<data id=\"{}\" value=\"{}\"/>",
        Escaped(element),
        // Between quotes a reader turns a line end into a blank unless it is written as a number.
        Escaped(value)
            .to_string()
            .replace('\n', "&#10;")
            .replace('\t', "&#9;")
    );
    out
}
