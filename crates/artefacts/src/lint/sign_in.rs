//! Where people sign in, and with which models. For [`super::lint`].

use serde_json::{Map, Value, json};

use super::{Finding, Weight, is, items, paste};

pub(super) fn findings(document: &Map<String, Value>) -> Vec<Finding> {
    [
        gateway_unnamed,
        gateway_unused,
        gateway_open,
        two_credentials,
        not_enforced,
    ]
    .into_iter()
    .filter_map(|rule| rule(document))
    .collect()
}

fn text<'d>(document: &'d Map<String, Value>, name: &str) -> Option<&'d str> {
    document.get(name).and_then(Value::as_str)
}

fn gateway_unnamed(document: &Map<String, Value>) -> Option<Finding> {
    let is_gateway = text(document, "forceLoginMethod") == Some("gateway");
    (is_gateway && text(document, "forceLoginGatewayUrl").is_none()).then(|| Finding {
        rule: "gateway-unnamed",
        weight: Weight::Wrong,
        at: "forceLoginGatewayUrl".to_owned(),
        why: "People must sign in at a gateway and nothing says which, so that each of them types one.".to_owned(),
        remedy: "Add \"forceLoginGatewayUrl\": with the address of your gateway.".to_owned(),
        paste: None,
    })
}

fn gateway_unused(document: &Map<String, Value>) -> Option<Finding> {
    let is_gateway = text(document, "forceLoginMethod") == Some("gateway");
    (document.contains_key("forceLoginGatewayUrl") && !is_gateway).then(|| Finding {
        rule: "gateway-unused",
        weight: Weight::Wrong,
        at: "forceLoginMethod".to_owned(),
        why: "The gateway's address counts only when people must sign in there.".to_owned(),
        remedy: "State the method as well.".to_owned(),
        paste: paste(document, &[(&["forceLoginMethod"], json!("gateway"))]),
    })
}

fn gateway_open(document: &Map<String, Value>) -> Option<Finding> {
    let url = url::Url::parse(text(document, "forceLoginGatewayUrl")?).ok()?;
    let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    (url.scheme() == "http" && !is_here).then(|| Finding {
        rule: "gateway-not-https",
        weight: Weight::Wrong,
        at: "forceLoginGatewayUrl".to_owned(),
        why: "Claude Code signs in over http on the same machine alone.".to_owned(),
        remedy: "Give the https address.".to_owned(),
        paste: None,
    })
}

/// A helper's credential and a forced sign-in exclude each other; a helper alone sends its token in two headers.
fn two_credentials(document: &Map<String, Value>) -> Option<Finding> {
    let is_forced =
        document.contains_key("forceLoginMethod") || document.contains_key("forceLoginOrgUUID");
    (is_forced && document.contains_key("apiKeyHelper")).then(|| Finding {
        rule: "two-credentials",
        weight: Weight::Wrong,
        at: "apiKeyHelper".to_owned(),
        why: "A forced sign-in cannot be combined with a helper's key: Claude Code refuses the key, and whoever has only that cannot work. A \
              helper's token is sent twice besides, as Authorization and as x-api-key."
            .to_owned(),
        remedy: "Keep the sign-in, and take the helper out.".to_owned(),
        paste: None,
    })
}

fn not_enforced(document: &Map<String, Value>) -> Option<Finding> {
    let path = ["enforceAvailableModels"];
    let has_list = !items(document, &["availableModels"]).is_empty();
    (has_list && !is(document, &path, true)).then(|| Finding {
        rule: "models-not-enforced",
        weight: Weight::Wrong,
        at: path.join("."),
        why: "The list bounds what people choose, not the model that Claude Code begins with; a gateway that keeps to the list refuses every \
              request of whoever never chose."
            .to_owned(),
        remedy: "Let the default follow the list too.".to_owned(),
        paste: paste(document, &[(&path, json!(true))]),
    })
}
