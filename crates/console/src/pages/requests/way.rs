//! What a connector or an action that somebody asks for still lacks, each with the page where it is put right, for whoever may go there.

use actions::catalogue::Catalogue;
use control::Right;
use control::access_requests::AccessRequest;
use control::connectors::{Lack, Way, in_catalogue};
use control::policies::places::Section;
use domain::AskedKind;
use domain::access_request::at_connector;
use domain::connectors::DefinitionKind;
use domain::policy::reach::Determined;

use crate::pages::connectors;
use crate::pages::parts::Link;
use crate::pages::policy::entry::{change_of, draft_for};
use crate::pages::show::Said;
use crate::pages::visit::Visitor;

/// How far somebody is from what they ask for.
#[derive(Debug, Clone)]
pub(super) struct Reach {
    /// The connector that is meant, with its page.
    pub connector: Option<Link>,
    /// What the catalogue says of one that the policy has not.
    pub known: Option<Said>,
    /// What is missing.
    pub lacks: Vec<LackLine>,
}

/// Something that is missing.
#[derive(Debug, Clone)]
pub(super) struct LackLine {
    /// What.
    pub says: &'static str,
    /// What blocks it, where something does.
    pub by: Option<Said>,
    /// Where it is put right: the words of the link, and the page.
    pub link: Option<(&'static str, String)>,
}

impl Reach {
    /// As it is for whoever looks.
    pub(super) fn of(visitor: &Visitor, request: &AccessRequest, way: &Way) -> Self {
        let name = way.connector.as_ref().map_or("", |(name, _)| name);
        let may_write = visitor.actor().may(Right::PolicyWrite);
        let line = |lack: &Lack| LackLine {
            says: lack.says(),
            by: match lack {
                Lack::Release(by) => Some(Said::from(blocked_by(by))),
                _ => None,
            },
            link: to(lack, name, request).filter(|_| may_write),
        };
        Self {
            connector: way.connector.as_ref().map(|(name, title)| Link {
                to: connectors::path(name),
                word: Said::from(title),
            }),
            known: (way.connector.is_none() && request.kind == AskedKind::Connector)
                .then(|| Said::from(known(&request.thing))),
            lacks: way.lacks.iter().map(line).collect(),
        }
    }
}

/// What the shipped catalogue says of what they wrote.
fn known(thing: &str) -> String {
    let catalogue = Catalogue::shipped();
    in_catalogue(&catalogue, thing).map_or_else(
        || {
            "The shipped catalogue does not know it either: once it is in the policy, it needs a review before anybody reaches it."
                .to_owned()
        },
        |entry| {
            format!(
                "The shipped catalogue knows it as {}, at {}; it needs no review.",
                entry.title,
                entry.url()
            )
        },
    )
}

fn blocked_by(by: &[Determined]) -> String {
    let said = by.iter().map(|one| match one {
        Determined::Entry(name) | Determined::Argument { entry: name, .. } => format!("“{name}”"),
        Determined::Ceiling { data, .. } => format!("the ceiling for {data}"),
        Determined::Default => "nothing permits it".to_owned(),
    });
    said.collect::<Vec<_>>().join(", ")
}

/// Where it is put right.
fn to(lack: &Lack, connector: &str, request: &AccessRequest) -> Option<(&'static str, String)> {
    let page = connectors::path(connector);
    Some(match lack {
        Lack::Connector if request.kind == AskedKind::Connector => {
            ("Draft it", draft_for(Section::Connector, request.id))
        }
        // The connector of an action went: there is nothing to add an action to.
        Lack::Connector => return None,
        Lack::Review => ("Review it", format!("{page}/review")),
        Lack::Yes => ("Review it anew", format!("{page}/review")),
        Lack::Entry => ("Change its entry", change_of(Section::Connector, connector)),
        Lack::Listing => ("See what it lists", page),
        Lack::Definition => {
            let (_, action) = at_connector(&request.thing)?;
            let to = connectors::path_of(connector, "definition", DefinitionKind::Tool, action);
            ("Read what it says", to)
        }
        Lack::Permission => ("Draft an entry", draft_for(Section::Action, request.id)),
        Lack::Release(by) => by
            .iter()
            .find_map(|one| match one {
                Determined::Entry(entry) | Determined::Argument { entry, .. } => {
                    Some(("Change that entry", change_of(Section::Action, entry)))
                }
                Determined::Ceiling { .. } | Determined::Default => None,
            })
            .unwrap_or(("See the connector", page)),
    })
}
