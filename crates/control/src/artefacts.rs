//! The files that Claude's clients receive: which rollout rings there are, and what a ring is made of by the policy in force and this
//! installation. What a file looks like is `artefacts`' to say; nothing is changed here, and no file holds a secret.

use std::collections::BTreeMap;

use artefacts::formats;
use artefacts::lint::Finding;
use artefacts::{Described, File, Model, Provider, Refused, Ring, SignIn};
use domain::policy::{ActionStates, Document, Who};
use domain::{Caller, Credential, OrgId, PersonId, Policy, Subject};

use crate::access::Right;
use crate::installation::{Installation, IssuerFact};
use crate::text::{self, Unusable};
use crate::{ControlError, Operation, connectors};

/// A ring: whom files are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingSeen {
    /// The group; none for everyone.
    pub group: Option<String>,
    /// The policy's entries that name it, each once, in the policy's order.
    pub entries: Vec<String>,
}

/// Every ring, everyone first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rings {
    /// The policy version that names them; 0 before the first.
    pub version: u64,
    /// The rings.
    pub rings: Vec<RingSeen>,
}

/// How people of a ring sign in to Claude Desktop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    /// At the gateway, which leads on to the company's identity provider.
    #[default]
    Gateway,
    /// In the app at the identity provider, since Claude Desktop 2.7032.0.
    Oidc,
    /// The same in the older spelling, since 1.6889.0.
    OidcCompatible,
}

impl Way {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::Gateway, Self::Oidc, Self::OidcCompatible];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Oidc => "oidc",
            Self::OidcCompatible => "oidc-compatible",
        }
    }

    /// What it means, for people.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Gateway => "At the gateway: nothing to register, and changes arrive live",
            Self::Oidc => "In the app, Claude Desktop 2.7032.0 and newer",
            Self::OidcCompatible => "In the app, Claude Desktop 1.6889.0 and newer",
        }
    }
}

impl std::str::FromStr for Way {
    type Err = domain::words::UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|way| way.as_str() == text);
        known.ok_or(domain::words::UnknownWord("way of signing in"))
    }
}

/// Which ring's files are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// The group; none for everyone.
    pub group: Option<String>,
    /// How its people sign in to Claude Desktop.
    pub way: Way,
    /// The issuer that vouches for them, by its configured name; where left out, the first that vouches for people.
    pub issuer: Option<String>,
    /// The application that Claude Desktop signs in with, where it is another than the gateway's own.
    pub client_id: Option<String>,
}

/// The groups that the policy in force names, and everyone.
pub async fn rings(operation: &Operation<'_>) -> Result<Rings, ControlError> {
    operation.require(Right::PolicyRead)?;
    let policy = connectors::reviewed_policy(operation).await?;
    Ok(Rings {
        version: policy.version,
        rings: named(&policy),
    })
}

/// A ring with everything that goes into its files, by the policy in force.
pub async fn ring(
    operation: &Operation<'_>,
    installation: &Installation,
    wanted: &Wanted,
) -> Result<Ring, ControlError> {
    operation.require(Right::PolicyRead)?;
    let policy = connectors::reviewed_policy(operation).await?;
    of_policy(policy, operation.org, installation, wanted)
}

/// One file of a ring, by its name.
pub async fn file(
    operation: &Operation<'_>,
    installation: &Installation,
    wanted: &Wanted,
    name: &str,
) -> Result<File, ControlError> {
    let ring = ring(operation, installation, wanted).await?;
    let mut files = formats::all(&ring).into_iter();
    let file = files.find(|file| file.name == name);
    file.ok_or(ControlError::NoSuch("file of this ring"))
}

/// A ring by a policy that is at hand. Reads nothing.
pub fn of_policy(
    policy: Policy,
    org: OrgId,
    installation: &Installation,
    wanted: &Wanted,
) -> Result<Ring, ControlError> {
    let is_there = |ring: &RingSeen| ring.group == wanted.group;
    if !named(&policy).iter().any(is_there) {
        // A misspelt group would get everyone's files under its name.
        return Err(ControlError::NoSuch("ring"));
    }
    let issuer = issuer(installation, wanted.issuer.as_deref())?;
    let policy = policy.among_issuers(people_issuers(installation).count());
    let caller = member(org, issuer, wanted.group.as_deref());
    let rules = policy.for_caller(&caller);
    let models = installation.models.iter();
    let url = &installation.public_url;
    let own = policy.desktop_settings(&caller);
    // A file on a device is not asked for again: where actions stand is told by what is served.
    let desktop = rules.with_connectors_for_desktop(own, url, &ActionStates::new());
    let code = policy.code_settings(&caller, &rules, url);
    let described = Described {
        group: wanted.group.clone(),
        org: installation.org_name.clone(),
        seed: org.to_string(),
        gateway_url: installation.public_url.clone(),
        policy_version: policy.version,
        models: models
            .filter(|model| model.is_served && rules.grants_model(&model.id))
            .map(|model| Model {
                id: model.id.clone(),
                is_long: model.is_long,
            })
            .collect(),
        sign_in: sign_in(wanted, issuer)?,
        desktop: desktop.unwrap_or_default(),
        code: code.unwrap_or_default(),
    };
    Ring::new(described).map_err(|Refused(why)| ControlError::Unwritable(why))
}

/// Goes on only for whoever may read the rules, and so may know what makes a settings file hold.
pub fn may_lint(operation: &Operation<'_>) -> Result<(), ControlError> {
    operation.require(Right::PolicyRead)
}

/// What in somebody's own managed settings does not hold. The text is neither kept nor recorded. It is looked through beside the requests:
/// a long one takes a while.
pub async fn lint(operation: &Operation<'_>, text: String) -> Result<Vec<Finding>, ControlError> {
    may_lint(operation)?;
    let looked = tokio::task::spawn_blocking(move || artefacts::lint::lint(&text));
    let broken = |_| ControlError::Busy("the file could not be looked through; look again");
    looked.await.map_err(broken)
}

fn people_issuers(installation: &Installation) -> impl Iterator<Item = &IssuerFact> {
    installation.issuers.iter().filter(|issuer| issuer.people)
}

/// The issuer of this name, or the first that vouches for people.
fn issuer<'i>(
    installation: &'i Installation,
    name: Option<&str>,
) -> Result<Option<&'i IssuerFact>, ControlError> {
    let Some(name) = name else {
        return Ok(people_issuers(installation).next());
    };
    let found = people_issuers(installation).find(|issuer| issuer.name == name);
    if found.is_some() {
        return Ok(found);
    }
    let names: Vec<&str> = people_issuers(installation)
        .map(|issuer| issuer.name.as_str())
        .collect();
    let why = match names.len() {
        0 => "names an issuer, and none vouches for people here".to_owned(),
        _ => format!("must be one of {}", names.join(", ")),
    };
    Err(Unusable::new("issuer", why).into())
}

fn sign_in(wanted: &Wanted, issuer: Option<&IssuerFact>) -> Result<SignIn, ControlError> {
    if wanted.way == Way::Gateway {
        return Ok(SignIn::Gateway);
    }
    let unusable = |field, why: &str| ControlError::from(Unusable::new(field, why));
    let issuer =
        issuer.ok_or_else(|| unusable("issuer", "is needed: none vouches for people here"))?;
    let own = issuer.client_id.as_ref();
    let client_id = match (&wanted.client_id, own) {
        (Some(given), _) => text::name("client_id", given)?,
        (None, Some(own)) => own.clone(),
        (None, None) => {
            return Err(unusable(
                "client_id",
                "is needed: this issuer is configured without one",
            ));
        }
    };
    // A file that signs people in with a token which we would refuse is worse than none.
    if !issuer.audiences.contains(&client_id) {
        return Err(unusable(
            "client_id",
            "is not among this issuer's audiences in doorward.toml, so that its tokens would be refused; add it there",
        ));
    }
    let provider = Provider {
        issuer: issuer.issuer.clone(),
        client_id,
    };
    Ok(match wanted.way {
        Way::OidcCompatible => SignIn::Compatible(provider),
        Way::Oidc | Way::Gateway => SignIn::Current(provider),
    })
}

/// Somebody of whom only the group and the issuer are known: rules about single people and services concern nobody here.
fn member(org: OrgId, issuer: Option<&IssuerFact>, group: Option<&str>) -> Caller {
    Caller {
        org,
        subject: Subject::Person(PersonId::from_parts(0, 0)),
        stable_id: "".into(),
        issuer: issuer.map_or("", |issuer| issuer.name.as_str()).into(),
        email: None,
        name: None,
        groups: group.into_iter().map(str::to_owned).collect(),
        session: None,
        credential: Credential::Session,
    }
}

/// Everyone, and the groups of every rule that says what somebody may use or receives.
pub fn named(policy: &Policy) -> Vec<RingSeen> {
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut everyone = Vec::new();
    for (name, who) in entries(policy.document()) {
        for group in &who.groups {
            let entries = groups.entry(group).or_default();
            if !entries.iter().any(|entry| entry == name) {
                entries.push(name.to_owned());
            }
        }
        if *who == Who::default() && !everyone.iter().any(|known| known == name) {
            everyone.push(name.to_owned());
        }
    }
    let groups = groups.into_iter().map(|(group, entries)| RingSeen {
        group: Some(group.to_owned()),
        entries,
    });
    let everyone = RingSeen {
        group: None,
        entries: everyone,
    };
    std::iter::once(everyone).chain(groups).collect()
}

fn entries(document: &Document) -> impl Iterator<Item = (&str, &Who)> {
    let grants = document.grant.iter().map(|it| (it.name.as_str(), &it.who));
    let code = document.managed_settings.iter();
    let desktop = document.desktop_settings.iter();
    // Where one permits something, its connector stands in the files.
    let actions = document.action.iter();
    grants
        .chain(code.map(|it| (it.name.as_str(), &it.who)))
        .chain(desktop.map(|it| (it.name.as_str(), &it.who)))
        .chain(actions.map(|it| (it.name.as_str(), &it.who)))
}
