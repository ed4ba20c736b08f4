//! One ring: its files with sizes and fingerprints, how to install them, and a file to save. Every file is made anew from the policy in
//! force; nothing is kept.

use artefacts::{Artefact, File, Ring, formats};
use askama::Template;
use axum::response::Response;
use control::artefacts::{self as rings, Wanted, Way};
use control::{ControlError, text};
use domain::ReasonCode;
use serde::Deserialize;

use crate::pages::answer;
use crate::pages::asked::{self, Asked};
use crate::pages::parts::{self, Copyable, Notice};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Lines, Said};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;
use crate::saved;

/// Which ring, and which of its files.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Which {
    group: Option<String>,
    sign_in: Option<String>,
    issuer: Option<String>,
    file: Option<String>,
}

impl Which {
    /// A ring as people first look at it.
    pub fn of(group: Option<&str>) -> Self {
        Self {
            group: group.map(str::to_owned),
            ..Self::default()
        }
    }

    /// The address of a page of it.
    pub fn address(&self, path: &str) -> String {
        let pairs = [
            ("group", &self.group),
            ("sign_in", &self.sign_in),
            ("issuer", &self.issuer),
            ("file", &self.file),
        ];
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in pairs {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                query.append_pair(name, value);
            }
        }
        let query = query.finish();
        if query.is_empty() {
            path.to_owned()
        } else {
            format!("{path}?{query}")
        }
    }

    fn wanted(&self) -> Result<Wanted, Wrong> {
        let named = |field, given: Option<&String>| -> Result<Option<String>, Wrong> {
            let given = given.filter(|text| !text.is_empty());
            let given = given.map(|group| text::name(field, group)).transpose();
            given.map_err(|unusable| Wrong::from(ControlError::from(unusable)))
        };
        let way = match asked::given(self.sign_in.as_ref()) {
            "" => Way::Gateway,
            word => word.parse().map_err(|_| {
                let detail = "The address names a way of signing in that there is not.";
                Wrong::new(ReasonCode::ParameterInvalid, detail)
            })?,
        };
        Ok(Wanted {
            group: named("group", self.group.as_ref())?,
            way,
            issuer: named("issuer", self.issuer.as_ref())?,
            client_id: None,
        })
    }
}

/// A file as a row.
#[derive(Debug, Clone)]
struct Row {
    to: String,
    name: Said,
    what: &'static str,
    place: &'static str,
    system: &'static str,
    size: String,
    fingerprint: Copyable,
}

/// Files that belong together.
#[derive(Debug, Clone)]
struct Section {
    id: &'static str,
    word: &'static str,
    rows: Vec<Row>,
}

/// Install notes, shown whole.
#[derive(Debug, Clone)]
struct Note {
    id: String,
    word: &'static str,
    text: Lines,
    to: String,
}

/// A choice of a form: its value, its word, whether it is chosen.
type Choice = (String, Said, bool);

#[derive(Template)]
#[template(path = "client_ring.html")]
struct Page {
    shell: Shell,
    name: Said,
    group: String,
    ways: Vec<Choice>,
    issuers: Vec<Choice>,
    /// Why there are no files, a sentence each.
    refused: Vec<Said>,
    remarks: Vec<Said>,
    sections: Vec<Section>,
    notes: Vec<Note>,
    models: Vec<Said>,
    gateway: Said,
    version: u64,
}

/// `GET /console/clients/ring`.
pub async fn read(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let wanted = which.wanted()?;
    let installation = &visitor.console().installation;
    let name = Said::from(wanted.group.as_deref().unwrap_or("Everyone"));
    let made = match rings::ring(&visitor.operation(), installation, &wanted).await {
        Ok(ring) => Ok(ring),
        Err(ControlError::Unwritable(why)) => Err(why.iter().map(Said::from).collect()),
        // A way of signing in that this installation is not ready for is the form's to say, beside the files that there are not.
        Err(ControlError::Invalid(unusable)) if unusable.field != "group" => {
            Err(vec![Said::from(unusable.to_string())])
        }
        Err(other) => return Err(other.into()),
    };
    let shell = Shell::new(&visitor, Place::Clients, name.plain()).within(name.plain());
    let issuers = issuers(&visitor, &wanted);
    let page = Page {
        group: wanted.group.clone().unwrap_or_default(),
        ways: Way::ALL
            .iter()
            .map(|way| {
                let is_chosen = *way == wanted.way;
                (way.as_str().to_owned(), Said::from(way.what()), is_chosen)
            })
            .collect(),
        issuers,
        refused: made.as_ref().err().cloned().unwrap_or_default(),
        remarks: Vec::new(),
        sections: Vec::new(),
        notes: Vec::new(),
        models: Vec::new(),
        gateway: Said::from(&installation.public_url),
        version: 0,
        shell,
        name,
    };
    Ok(answer(&match made {
        Ok(ring) => page.of(&ring, &which),
        Err(_) => page,
    }))
}

impl Page {
    fn of(self, ring: &Ring, which: &Which) -> Self {
        let files = formats::all(ring);
        let described = ring.described();
        let section = |id, word, kinds: &[Artefact]| Section {
            id,
            word,
            rows: files
                .iter()
                .filter(|file| kinds.contains(&file.artefact))
                .map(|file| row(file, which))
                .collect(),
        };
        Self {
            remarks: ring.remarks().iter().map(Said::from).collect(),
            sections: vec![
                section("desktop", "Claude Desktop", &DESKTOP),
                section("code", "Claude Code", &CODE),
                section("both", "Both, for Windows", &BOTH),
            ],
            notes: files
                .iter()
                .filter(|file| file.artefact.is_note())
                .map(|file| note(file, which))
                .collect(),
            models: described
                .models
                .iter()
                .map(|model| Said::from(&model.id))
                .collect(),
            version: described.policy_version,
            ..self
        }
    }
}

const DESKTOP: [Artefact; 4] = [
    Artefact::DesktopMobileconfig,
    Artefact::DesktopJamf,
    Artefact::DesktopRegistry,
    Artefact::DesktopLinux,
];
const CODE: [Artefact; 6] = [
    Artefact::CodeFile,
    Artefact::CodeDropins,
    Artefact::CodeMcp,
    Artefact::CodeMobileconfig,
    Artefact::CodeJamf,
    Artefact::CodeRegistry,
];
const BOTH: [Artefact; 3] = [Artefact::Intune, Artefact::Admx, Artefact::Adml];

/// The issuers that may vouch for a ring; none to choose where there is one.
fn issuers(visitor: &Visitor, wanted: &Wanted) -> Vec<Choice> {
    let issuers = &visitor.console().installation.issuers;
    let people: Vec<_> = issuers.iter().filter(|issuer| issuer.people).collect();
    if people.len() < 2 {
        return Vec::new();
    }
    let chosen = wanted.issuer.as_deref().unwrap_or(&people[0].name);
    people
        .iter()
        .map(|issuer| {
            let name = issuer.name.clone();
            let is_chosen = name == chosen;
            (name, Said::from(&issuer.name), is_chosen)
        })
        .collect()
}

fn address(file: &File, which: &Which) -> String {
    Which {
        file: Some(file.name.clone()),
        ..which.clone()
    }
    .address("/console/clients/file")
}

fn row(file: &File, which: &Which) -> Row {
    Row {
        to: address(file, which),
        name: Said::from(&file.name),
        what: file.artefact.what(),
        place: file.artefact.place(),
        system: file.artefact.system().name(),
        size: show::counted(file.bytes.len() as u64, "byte", "bytes"),
        fingerprint: Copyable::short("SHA-256", file.fingerprint()),
    }
}

fn note(file: &File, which: &Which) -> Note {
    Note {
        id: file.artefact.word().to_owned(),
        word: file.artefact.what(),
        text: Lines(String::from_utf8_lossy(&file.bytes).into_owned()),
        to: address(file, which),
    }
}

/// `GET /console/clients/file`: a file of a ring, to save.
pub async fn file(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let wanted = which.wanted()?;
    let installation = &visitor.console().installation;
    let name = asked::given(which.file.as_ref());
    let file = rings::file(&visitor.operation(), installation, &wanted, name).await?;
    Ok(saved::file(&file.name, file.media_type, file.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_ring_carries_whatever_the_group_is_called() {
        let which = Which {
            sign_in: Some("oidc".to_owned()),
            ..Which::of(Some("a&b=c ü"))
        };
        assert_eq!(
            which.address("/x"),
            "/x?group=a%26b%3Dc+%C3%BC&sign_in=oidc"
        );
        assert_eq!(Which::of(None).address("/x"), "/x");
    }

    #[test]
    fn every_artefact_stands_in_one_section_or_is_a_note() {
        for artefact in Artefact::ALL {
            let sections = [&DESKTOP[..], &CODE[..], &BOTH[..]];
            let found = sections
                .iter()
                .filter(|section| section.contains(artefact))
                .count();
            assert_eq!(
                found + usize::from(artefact.is_note()),
                1,
                "{}",
                artefact.word()
            );
        }
    }
}
