//! Apple's property lists, as XML, and the configuration profile around a preference domain. Used by every format for macOS.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::ring::Ring;
use crate::xml::Escaped;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n";

/// A property list of a dictionary with native types.
pub(crate) fn list(dictionary: &Map<String, Value>) -> String {
    let mut out = HEAD.to_owned();
    write_dictionary(dictionary, 0, &mut out);
    out.push_str("</plist>\n");
    out
}

/// A configuration profile that enforces a preference domain. Its ids follow from organisation, ring and domain, so that a newer one
/// replaces it.
pub(crate) fn profile(
    ring: &Ring,
    domain: &str,
    title: &str,
    preferences: &Map<String, Value>,
) -> String {
    let identifier = format!("org.doorward.{domain}.{}", ring.slug());
    let mut content = Map::new();
    content.insert(
        domain.to_owned(),
        json!({"Forced": [{"mcx_preference_settings": preferences}]}),
    );
    let payload = json!({
        "PayloadContent": content,
        "PayloadDisplayName": title,
        "PayloadIdentifier": format!("{identifier}.preferences"),
        "PayloadType": "com.apple.ManagedClient.preferences",
        "PayloadUUID": ring.uuid(&format!("{domain} preferences")),
        "PayloadVersion": 1,
    });
    let described = ring.described();
    let whole = json!({
        "PayloadContent": [payload],
        "PayloadDescription": format!("{title} through {}, for {}, from policy version {}.", described.gateway_url, ring.name(), described.policy_version),
        "PayloadDisplayName": format!("{title} ({})", ring.name()),
        "PayloadIdentifier": identifier,
        "PayloadOrganization": described.org,
        "PayloadRemovalDisallowed": true,
        "PayloadScope": "System",
        "PayloadType": "Configuration",
        "PayloadUUID": ring.uuid(domain),
        "PayloadVersion": 1,
    });
    whole.as_object().map_or_else(String::new, list)
}

fn write_dictionary(members: &Map<String, Value>, depth: usize, out: &mut String) {
    let indent = "\t".repeat(depth);
    if members.is_empty() {
        let _ = writeln!(out, "{indent}<dict/>");
        return;
    }
    let _ = writeln!(out, "{indent}<dict>");
    for (name, value) in members {
        let _ = writeln!(out, "{indent}\t<key>{}</key>", Escaped(name));
        write_value(value, depth + 1, out);
    }
    let _ = writeln!(out, "{indent}</dict>");
}

fn write_value(value: &Value, depth: usize, out: &mut String) {
    let indent = "\t".repeat(depth);
    let _ = match value {
        // None gets this far: settings hold no null, and profiles of ours have none.
        Value::Null => Ok(()),
        Value::Bool(true) => writeln!(out, "{indent}<true/>"),
        Value::Bool(false) => writeln!(out, "{indent}<false/>"),
        Value::Number(number) if number.is_f64() => writeln!(out, "{indent}<real>{number}</real>"),
        Value::Number(number) => writeln!(out, "{indent}<integer>{number}</integer>"),
        Value::String(text) => writeln!(out, "{indent}<string>{}</string>", Escaped(text)),
        Value::Array(items) if items.is_empty() => writeln!(out, "{indent}<array/>"),
        Value::Array(items) => {
            let _ = writeln!(out, "{indent}<array>");
            for item in items {
                write_value(item, depth + 1, out);
            }
            writeln!(out, "{indent}</array>")
        }
        Value::Object(members) => {
            write_dictionary(members, depth, out);
            Ok(())
        }
    };
}
