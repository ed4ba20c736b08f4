//! What stands in the policy beside its entries, as a form each: whether the acceptable-use policy must be accepted, and the roles and
//! spend limits that are stated whole. As with an entry, the form changes that part of the text alone and leads to the preview; nothing is
//! saved here, and what a form cannot carry is left to be changed as text.

use std::collections::BTreeSet;

use askama::Template;
use axum::response::Response;
use control::access::{Right, Role};
use control::policies::{self, beside, edit, edit::CannotEdit};
use control::stated;
use domain::policy::{AcceptableUse, Administration, Document, StatedRole, StatedSpendLimit};
use domain::window::Period;
use domain::{ReasonCode, Usd};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::draft::{self, Beside, Draft};
use super::entry::draft_of;
use super::form::{Fields, Kind, Reader, Spec, Wrongs, lines, spec};
use super::input::Input;
use crate::pages::asked::{self, Asked, LongForm};
use crate::pages::parts::{self, Notice};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::Said;
use crate::pages::spending::cap;
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// A part of the policy that is no list of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `[acceptable_use]`.
    AcceptableUse,
    /// `[administration]`.
    Administration,
}

impl Part {
    /// Both.
    pub const ALL: [Self; 2] = [Self::AcceptableUse, Self::Administration];

    /// Its word in the text, and in addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AcceptableUse => "acceptable_use",
            Self::Administration => "administration",
        }
    }

    /// What it is called.
    pub const fn word(self) -> &'static str {
        match self {
            Self::AcceptableUse => "acceptable use",
            Self::Administration => "roles and spend limits",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::AcceptableUse => "Change the demand",
            Self::Administration => "Change what is stated",
        }
    }

    const fn says(self) -> &'static str {
        match self {
            Self::AcceptableUse => {
                "Whether people must accept the acceptable-use policy before they use Claude. Services are exempt: they have nobody to accept it."
            }
            Self::Administration => {
                "Roles of groups and spend limits of groups and of everyone, stated whole: what stands and is not stated here goes with the next version. What single people hold is never stated."
            }
        }
    }

    /// The part of this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.as_str() == word)
    }
}

/// Which part.
#[derive(Debug, Deserialize)]
pub struct Which {
    part: Option<String>,
}

#[derive(Template)]
#[template(path = "policy_beside.html")]
struct Page {
    shell: Shell,
    title: String,
    says: &'static str,
    part: &'static str,
    inputs: Vec<Input>,
    raw: String,
    expected: u64,
    reason: String,
    notice: Option<Notice>,
}

fn specs(part: Part) -> Vec<Spec> {
    match part {
        Part::AcceptableUse => vec![
            spec(
                "required",
                "It must be accepted before the first use",
                "",
                Kind::Tick,
            ),
            spec(
                "groups",
                "Only by members of any of these groups",
                "one a line; left empty, by everyone",
                Kind::List,
            ),
        ],
        Part::Administration => vec![
            spec("stated", "They are stated in the policy", "", Kind::Tick),
            spec(
                "roles",
                "Roles of groups",
                "one a line: the role, the issuer, the group: auditor entra internal-audit",
                Kind::List,
            ),
            spec(
                "limits",
                "Spend limits of each member",
                "one a line: the period, dollars or none, the group: monthly 60.00 engineering; without a group, of everyone",
                Kind::List,
            ),
        ],
    }
}

fn part_of(word: &str) -> Result<Part, Wrong> {
    Part::of(word).ok_or_else(Wrong::nothing_here)
}

/// `GET /console/policy/beside`: a part of the version in force.
pub async fn begin(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let part = part_of(asked::given(which.part.as_ref()))?;
    let latest = policies::latest(&visitor.operation()).await?;
    let draft = Draft {
        expected: latest.as_ref().map_or(0, |latest| latest.version),
        text: latest.map(|latest| latest.text).unwrap_or_default(),
        ..Draft::default()
    };
    opened(&visitor, part, &draft).await
}

/// A part of a draft.
pub(super) async fn opened(
    visitor: &Visitor,
    part: Part,
    draft: &Draft,
) -> Result<Response, Wrong> {
    let document = edit::document(&draft.text).map_err(|error| cannot(&error))?;
    let fields = match part {
        Part::AcceptableUse => of_acceptable_use(document.acceptable_use.as_ref()),
        Part::Administration => of_stated(visitor, &document).await?,
    };
    let fields = fields.ok_or_else(|| cannot(&CannotEdit::Pieces))?;
    Ok(page(visitor, part, draft, (&fields, &Wrongs::new(), None)))
}

fn cannot(error: &CannotEdit) -> Wrong {
    let detail = format!("A form cannot carry this: {error}.");
    Wrong::new(ReasonCode::ParameterInvalid, detail)
        .leading_to("Change it as text", "/console/policy/edit")
}

fn of_acceptable_use(rule: Option<&AcceptableUse>) -> Option<Fields> {
    let Some(rule) = rule else {
        return Some(Fields::new());
    };
    let mut fields = Fields::from([("groups".to_owned(), lines(&rule.groups))]);
    if rule.required {
        fields.insert("required".to_owned(), "on".to_owned());
    }
    let read = acceptable_use(&mut Reader::of(&fields));
    (read == *rule).then_some(fields)
}

/// What is stated; where nothing is, what stands, so that stating it changes nothing by itself.
async fn of_stated(visitor: &Visitor, document: &Document) -> Result<Option<Fields>, Wrong> {
    if let Some(stated) = &document.administration {
        let mut fields = of_administration(stated);
        if let Some(fields) = &mut fields {
            fields.insert("stated".to_owned(), "on".to_owned());
        }
        return Ok(fields);
    }
    let may = |right| visitor.actor().may(right);
    if !may(Right::RolesRead) || !may(Right::BudgetsRead) {
        return Ok(Some(Fields::new()));
    }
    let stands = stated::standing(&visitor.operation()).await?;
    Ok(of_administration(&stands))
}

fn of_administration(stated: &Administration) -> Option<Fields> {
    let role = |role: &StatedRole| format!("{} {} {}", role.role, role.issuer, role.group);
    let limit = |limit: &StatedSpendLimit| {
        let amount = match &limit.amount_cents {
            None => "none".to_owned(),
            Some(cents) => Usd::of_cents_text(cents)?.to_string(),
        };
        let group = limit.group.as_deref().unwrap_or_default();
        let line = format!("{} {amount} {group}", limit.period.as_str());
        Some(line.trim_end().to_owned())
    };
    let limits: Vec<String> = stated
        .spend_limit
        .iter()
        .map(limit)
        .collect::<Option<_>>()?;
    let fields = Fields::from([
        ("roles".to_owned(), lines(stated.role.iter().map(role))),
        ("limits".to_owned(), lines(limits)),
    ]);
    let mut read = Reader::of(&fields);
    let is_carried = administration(&mut read) == *stated && read.wrongs().is_empty();
    is_carried.then_some(fields)
}

fn acceptable_use(read: &mut Reader<'_>) -> AcceptableUse {
    AcceptableUse {
        required: read.is_ticked("required"),
        groups: read.list("groups").into_iter().collect(),
    }
}

fn administration(read: &mut Reader<'_>) -> Administration {
    let mut stated = Administration::default();
    for line in read.list("roles") {
        match role_of(&line) {
            Ok(role) => stated.role.push(role),
            Err(what) => read.wrong("roles", format!("“{line}” {what}")),
        }
    }
    let mut places = BTreeSet::new();
    for line in read.list("limits") {
        match limit_of(&line) {
            Ok(limit) if !places.insert((limit.group.clone(), limit.period)) => {
                read.wrong(
                    "limits",
                    format!("“{line}” states what another line states"),
                );
            }
            Ok(limit) => stated.spend_limit.push(limit),
            Err(what) => read.wrong("limits", format!("“{line}” {what}")),
        }
    }
    stated
}

/// `auditor entra internal audit`: neither a role nor an issuer has a blank in it.
fn role_of(line: &str) -> Result<StatedRole, &'static str> {
    let mut words = line.splitn(3, ' ');
    let (Some(role), Some(issuer), Some(group)) = (words.next(), words.next(), words.next()) else {
        return Err("must be a role, an issuer and a group, with blanks between them");
    };
    match role.parse::<Role>() {
        Ok(Role::Member) => Err("names a role that everyone has"),
        Err(_) => Err("names no role: owner, admin, approver, auditor, technician"),
        Ok(_) => Ok(StatedRole {
            role: role.to_owned(),
            issuer: issuer.to_owned(),
            group: group.trim().to_owned(),
        }),
    }
}

/// `monthly 60.00 engineering`, or `daily none`.
fn limit_of(line: &str) -> Result<StatedSpendLimit, String> {
    let mut words = line.splitn(3, ' ');
    let period = words.next().unwrap_or_default();
    let known = Period::ALL.into_iter().find(|one| one.as_str() == period);
    let period = known.ok_or("must begin with daily, weekly or monthly")?;
    let group = |text: &str| Some(text.trim().to_owned()).filter(|group| !group.is_empty());
    Ok(StatedSpendLimit {
        period,
        amount_cents: cap(words.next().unwrap_or_default())?,
        group: words.next().and_then(group),
    })
}

/// `POST /console/policy/beside`: what the changed part would change, or the form with what is wrong.
pub async fn change(
    visitor: Visitor,
    headers: HeaderMap,
    LongForm(mut fields): LongForm<Fields>,
) -> Result<Response, Wrong> {
    draft::require(&visitor, &headers)?;
    let draft = draft_of(&mut fields).read();
    let part = part_of(&fields.remove("part").unwrap_or_default())?;
    let mut read = Reader::of(&fields);
    let made = match part {
        Part::AcceptableUse => {
            let wanted = acceptable_use(&mut read);
            let says_nothing = !wanted.required && wanted.groups.is_empty();
            beside::acceptable_use(&draft.text, Some(&wanted).filter(|_| !says_nothing))
        }
        Part::Administration => {
            let wanted = read.is_ticked("stated").then(|| administration(&mut read));
            beside::administration(&draft.text, wanted.as_ref())
        }
    };
    let wrongs = read.wrongs();
    if !wrongs.is_empty() {
        return Ok(page(&visitor, part, &draft, (&fields, wrongs, None)));
    }
    match made {
        Ok(text) => draft::shown(&visitor, Draft { text, ..draft }, Beside::default()).await,
        Err(error) => {
            let notice = Notice::stop(format!("It was not changed: {error}."));
            let said = (&fields, &Wrongs::new(), Some(notice));
            Ok(page(&visitor, part, &draft, said))
        }
    }
}

fn page(
    visitor: &Visitor,
    part: Part,
    draft: &Draft,
    (fields, wrongs, notice): (&Fields, &Wrongs, Option<Notice>),
) -> Response {
    let title = part.title().to_owned();
    let status = if wrongs.is_empty() && notice.is_none() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let page = Page {
        shell: Shell::new(visitor, Place::Policy, &title).within(&title),
        says: part.says(),
        part: part.as_str(),
        inputs: specs(part)
            .into_iter()
            .map(|spec| Input::of(spec, fields, wrongs))
            .collect(),
        raw: draft::raw(&draft.text),
        expected: draft.expected,
        reason: Said::from(&draft.reason).plain().to_owned(),
        notice,
        title,
    };
    web::page::respond(status, &page, HeaderMap::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(roles: &str, limits: &str, expected: Result<(), (&str, &str)>) {
        let fields = Fields::from([
            ("roles".to_owned(), roles.to_owned()),
            ("limits".to_owned(), limits.to_owned()),
        ]);
        let mut read = Reader::of(&fields);
        let stated = administration(&mut read);
        match expected {
            Ok(()) => {
                assert_eq!(read.wrongs(), &Wrongs::new());
                assert_eq!(of_administration(&stated), Some(fields));
            }
            Err((field, words)) => {
                let wrong = read.wrongs().get(field).cloned().unwrap_or_default();
                assert!(wrong.contains(words), "{roles:?} {limits:?}: {wrong}");
            }
        }
    }

    #[test]
    fn what_is_stated_stands_a_line_each_and_reads_back() {
        check("", "", Ok(()));
        check(
            "auditor entra internal audit\nadmin entra/4f2a it",
            "monthly 60.5 the board\ndaily none\nweekly 0 eng",
            Ok(()),
        );
        check(
            "auditor entra",
            "",
            Err(("roles", "a role, an issuer and a group")),
        );
        check("root entra it", "", Err(("roles", "names no role")));
        check("member entra it", "", Err(("roles", "everyone has")));
        check("admin entra i\u{202e}t", "", Err(("roles", "nobody sees")));
        check("", "yearly 5", Err(("limits", "must begin with")));
        check("", "daily much", Err(("limits", "must be dollars")));
        check("", "daily", Err(("limits", "must be dollars")));
        check("", "daily 5 a\ndaily 6 a", Err(("limits", "another line")));
    }

    #[test]
    fn what_no_line_can_carry_is_left_to_the_text() {
        let role = |issuer: &str, group: &str| Administration {
            role: vec![StatedRole {
                role: "admin".to_owned(),
                issuer: issuer.to_owned(),
                group: group.to_owned(),
            }],
            spend_limit: Vec::new(),
        };
        assert!(of_administration(&role("entra", "a b")).is_some());
        for (issuer, group) in [("my issuer", "a"), ("entra", "a\nb"), ("entra", " a")] {
            assert_eq!(
                of_administration(&role(issuer, group)),
                None,
                "{issuer} {group}"
            );
        }
        let demand = AcceptableUse {
            required: true,
            groups: ["a\nb".to_owned()].into(),
        };
        assert_eq!(of_acceptable_use(Some(&demand)), None);
    }
}
