//! What a request for access asks for, as the fields of a new entry that gives it to that one person and nobody anything else. Whoever
//! writes the policy reads and changes them; nothing is saved here.

use actions::catalogue::Catalogue;
use control::access_requests::AccessRequest;
use control::connectors::{Way, in_catalogue};
use control::policies::places::Section;
use domain::access_request::at_connector;
use domain::{AskedKind, limits};

use super::form::Fields;

/// The fields that a request fills in an entry of this list; none where such an entry gives nothing of it.
pub(super) fn fields(
    section: Section,
    request: &AccessRequest,
    way: Option<&Way>,
) -> Option<Fields> {
    let mut given = match (section, request.kind) {
        (Section::Grant, AskedKind::Model) => of_model(request),
        (Section::Connector, AskedKind::Connector) => of_connector(&request.thing),
        (Section::Action, AskedKind::Connector | AskedKind::Action) => of_action(request, way?),
        _ => return None,
    };
    given.push(("people", request.person.to_string()));
    let owned = |(name, value): (&str, String)| (name.to_owned(), value);
    Some(given.into_iter().map(owned).collect())
}

fn of_model(request: &AccessRequest) -> Vec<(&'static str, String)> {
    let model = &request.thing;
    vec![
        ("name", format!("{model} for {}", request.label)),
        ("models", model.clone()),
    ]
}

/// As the catalogue knows it; or else what they wrote, as an address or as a title.
fn of_connector(thing: &str) -> Vec<(&'static str, String)> {
    let catalogue = Catalogue::shipped();
    if let Some(known) = in_catalogue(&catalogue, thing) {
        let title = known.title.clone();
        return vec![
            ("name", name_of(&title)),
            ("title", title),
            ("url", known.url().to_owned()),
        ];
    }
    match thing.split_once("://") {
        Some((_, rest)) => {
            let host = rest.split(['/', ':']).next().unwrap_or_default();
            let host = host.strip_prefix("mcp.").unwrap_or(host);
            vec![("name", name_of(host)), ("url", thing.to_owned())]
        }
        None => vec![("name", name_of(thing)), ("title", thing.to_owned())],
    }
}

/// What of a text can be the name of a connector; nothing where it has no letter to begin with.
fn name_of(text: &str) -> String {
    let mut name = String::new();
    for letter in text.to_lowercase().chars() {
        if letter.is_ascii_lowercase() || (letter.is_ascii_digit() && !name.is_empty()) {
            name.push(letter);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(limits::CONNECTOR_NAME_BYTES_MAX);
    name.trim_end_matches('-').to_owned()
}

/// That action; or of a connector what only reads.
fn of_action(request: &AccessRequest, way: &Way) -> Vec<(&'static str, String)> {
    let connector = way.connector.as_ref().map_or("", |(name, _)| name);
    let mut given = vec![("connector", connector.to_owned())];
    match at_connector(&request.thing) {
        Some((_, action)) if request.kind == AskedKind::Action => given.extend([
            (
                "name",
                format!("{connector}: {action} for {}", request.label),
            ),
            ("actions", action.to_owned()),
        ]),
        _ => given.extend([
            (
                "name",
                format!("{connector}: reading for {}", request.label),
            ),
            ("class_read", "on".to_owned()),
        ]),
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connector_that_is_asked_for_is_named_by_what_is_known_of_it() {
        for (thing, name, url) in [
            ("Notion", "notion", "https://mcp.notion.com/mcp"),
            (
                "com.google/drive",
                "google-drive",
                "https://drivemcp.googleapis.com/mcp/v1",
            ),
            (
                "https://mcp.notion.com/mcp/",
                "notion",
                "https://mcp.notion.com/mcp",
            ),
            (
                "https://mcp.tasks.example:8443/v1",
                "tasks-example",
                "https://mcp.tasks.example:8443/v1",
            ),
            ("Our time sheets", "our-time-sheets", ""),
            ("2 good 2 be true", "good-2-be-true", ""),
            ("Ω", "", ""),
        ] {
            let fields = of_connector(thing);
            let of = |wanted: &str| {
                let found = fields.iter().find(|(field, _)| *field == wanted);
                found.map_or("", |(_, value)| value)
            };
            assert_eq!((of("name"), of("url")), (name, url), "{thing}");
            let is_name = domain::ConnectorName::new(of("name")).is_ok();
            assert_eq!(is_name, !name.is_empty(), "{thing}");
        }
        let long = name_of(&"word ".repeat(20));
        assert!(domain::ConnectorName::new(&long).is_ok(), "{long}");
    }
}
