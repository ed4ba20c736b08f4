//! Groups that a company's directory provisions: find them, and see who is in them. A group that tokens alone name has no page of its
//! own, because nothing but its people's tokens says that it exists: it stands with those people. Nothing is changed here; who is in
//! a group is the directory's to say.

use std::collections::{BTreeMap, BTreeSet};

use domain::policy::{Approver, Document, Who};
use domain::vouching::groups_words;
use domain::{DirectoryGroupId, DirectoryUserId, PersonId};
pub use store::{GroupName, GroupSeen, MemberSeen};

use crate::access::Right;
use crate::roles::{self, Holder, RoleBinding};
use crate::{ControlError, Operation};

/// Groups after one of them, those alone in whose name a text stands, and whether there are more.
pub async fn list(
    operation: &Operation<'_>,
    part: &str,
    after: Option<DirectoryGroupId>,
    limit: u32,
) -> Result<(Vec<GroupSeen>, bool), ControlError> {
    operation.require(Right::GroupsRead)?;
    let store = operation.store;
    Ok(store.groups_page(operation.org, part, after, limit).await?)
}

/// The group of this id.
pub async fn read(
    operation: &Operation<'_>,
    group: DirectoryGroupId,
) -> Result<GroupSeen, ControlError> {
    operation.require(Right::GroupsRead)?;
    let found = operation.store.group_seen(operation.org, group).await?;
    found.ok_or(ControlError::NoSuch("group"))
}

/// Members of a group after one of them, and whether there are more. One whom the directory names and has not provisioned yet is
/// nobody, and not listed.
pub async fn members(
    operation: &Operation<'_>,
    group: DirectoryGroupId,
    after: Option<DirectoryUserId>,
    limit: u32,
) -> Result<(Vec<MemberSeen>, bool), ControlError> {
    let group = read(operation, group).await?;
    let (store, org) = (operation.store, operation.org);
    Ok(store.group_people(org, &group, after, limit).await?)
}

/// The groups that a person is in, as the directory says now; an empty list for one whom it does not provision.
pub async fn of_person(
    operation: &Operation<'_>,
    person: PersonId,
) -> Result<Vec<GroupName>, ControlError> {
    operation.require(Right::GroupsRead)?;
    let (store, org) = (operation.store, operation.org);
    Ok(store.groups_of_person(org, person).await?)
}

/// An entry of the policy in force that names a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mention {
    /// Which list it stands in: `grant`.
    pub list: &'static str,
    /// The entry's name; none of the demand to accept the acceptable-use policy, which has none.
    pub entry: Option<String>,
}

/// What the policy in force says about groups.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mentions {
    /// Its version; 0 before the first.
    pub version: u64,
    /// The entries that name a group, by the name they use.
    pub by_name: BTreeMap<String, BTreeSet<Mention>>,
    /// The names of these that a group of some directory has; the others can only come with people's sign-ins, or are misspelt.
    pub provisioned: BTreeSet<String>,
}

impl Mentions {
    /// The entries that name a group by either of its names.
    pub fn of(&self, group: &GroupSeen) -> BTreeSet<Mention> {
        let names = [Some(&group.display_name), group.external_id.as_ref()];
        let entries = names
            .into_iter()
            .flatten()
            .filter_map(|name| self.by_name.get(name));
        entries.flatten().cloned().collect()
    }

    /// The names that no directory has, with the entries that use them.
    pub fn elsewhere(&self) -> impl Iterator<Item = (&String, &BTreeSet<Mention>)> {
        let is_elsewhere = |(name, _): &(&String, _)| !self.provisioned.contains(*name);
        self.by_name.iter().filter(is_elsewhere)
    }
}

/// What the policy in force says about groups.
pub async fn mentions(operation: &Operation<'_>) -> Result<Mentions, ControlError> {
    operation.require(Right::GroupsRead)?;
    operation.require(Right::PolicyRead)?;
    let policy = operation.policy().await?;
    let by_name = named_in(policy.document());
    let names = by_name.keys().cloned().collect();
    let (store, org) = (operation.store, operation.org);
    Ok(Mentions {
        version: policy.version,
        provisioned: store.provisioned_names(org, &names).await?,
        by_name,
    })
}

/// Every group that a policy names, and where.
fn named_in(document: &Document) -> BTreeMap<String, BTreeSet<Mention>> {
    let mut found: BTreeMap<String, BTreeSet<Mention>> = BTreeMap::new();
    let mut note = |list, entry: Option<&String>, groups: &BTreeSet<String>| {
        for group in groups {
            let entry = entry.cloned();
            let mentions = found.entry(group.clone()).or_default();
            mentions.insert(Mention { list, entry });
        }
    };
    let mut of = |list, entry, who: &Who| note(list, Some(entry), &who.groups);
    document
        .grant
        .iter()
        .for_each(|one| of("grant", &one.name, &one.who));
    document
        .require
        .iter()
        .for_each(|one| of("require", &one.name, &one.who));
    document
        .limit
        .iter()
        .for_each(|one| of("limit", &one.name, &one.who));
    document
        .budget
        .iter()
        .for_each(|one| of("budget", &one.name, &one.who));
    document
        .inspect
        .iter()
        .for_each(|one| of("inspect", &one.name, &one.who));
    document
        .managed_settings
        .iter()
        .for_each(|one| of("managed_settings", &one.name, &one.who));
    document
        .desktop_settings
        .iter()
        .for_each(|one| of("desktop_settings", &one.name, &one.who));
    document
        .connector
        .iter()
        .for_each(|one| of("connector", &one.name, &one.who));
    document
        .action
        .iter()
        .for_each(|one| of("action", &one.name, &one.who));
    for action in &document.action {
        if let Approver::Groups(groups) = &action.approver {
            note("action", Some(&action.name), groups);
        }
    }
    if let Some(demand) = &document.acceptable_use {
        note("acceptable_use", None, &demand.groups);
    }
    found
}

/// The roles that everyone in a group holds through it.
pub async fn roles_of(
    operation: &Operation<'_>,
    group: &GroupSeen,
) -> Result<Vec<RoleBinding>, ControlError> {
    operation.require(Right::GroupsRead)?;
    let (bindings, _) = roles::list(operation).await?;
    // A stable id of the tenant, of whomever: only its tenant counts.
    let tenant = group.source.tenant.as_deref();
    let stable_id = tenant.map_or_else(String::new, |tenant| format!("{tenant}/"));
    let words = groups_words(&group.source.issuer, &stable_id);
    let is_theirs = |binding: &RoleBinding| match &binding.holder {
        Holder::Person(_) => false,
        Holder::Group {
            issuer,
            group: name,
        } => {
            words.contains(issuer)
                && (*name == group.display_name || Some(name) == group.external_id.as_ref())
        }
    };
    Ok(bindings.into_iter().filter(is_theirs).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_of_a_policy_that_names_a_group_is_found() {
        let who = "who = { groups = [\"eng\"] }";
        let text = format!(
            "[[grant]]\nname = \"a\"\n{who}\nmodels = [\"*\"]\n[[require]]\nname = \"b\"\n{who}\nclients = [\"claude_code\"]\n\
             [[limit]]\nname = \"c\"\n{who}\nrequests_per_minute = 5\n\
             [[budget]]\nname = \"d\"\n{who}\nfor = \"member\"\namount_usd = \"5\"\nperiod = \"daily\"\n\
             [[inspect]]\nname = \"e\"\n{who}\ndetectors = [\"*\"]\naction = \"observe\"\n\
             [[managed_settings]]\nname = \"f\"\n{who}\nsettings = {{ model = \"opus\" }}\n\
             [[desktop_settings]]\nname = \"g\"\n{who}\nsettings = {{}}\n\
             [[connector]]\nname = \"h\"\n{who}\nurl = \"https://h/\"\n\
             [[action]]\nname = \"i\"\n{who}\nconnector = \"h\"\nactions = [\"*\"]\nstate = \"ask\"\napprover = [\"leads\"]\n\
             [acceptable_use]\nrequired = true\ngroups = [\"eng\", \"all\"]\n"
        );
        let document: Document = toml::from_str(&text).unwrap();
        let found = named_in(&document);
        let lists: BTreeSet<&str> = found["eng"].iter().map(|mention| mention.list).collect();
        let all = [
            "grant",
            "require",
            "limit",
            "budget",
            "inspect",
            "managed_settings",
            "desktop_settings",
            "connector",
            "action",
            "acceptable_use",
        ];
        assert_eq!(lists, BTreeSet::from(all));
        assert_eq!((found["all"].len(), found["leads"].len()), (1, 1));
    }

    #[test]
    fn a_name_that_no_directory_has_is_told_apart() {
        let mentions = Mentions {
            version: 1,
            by_name: [("eng", "a"), ("enng", "b")]
                .map(|(name, entry)| {
                    let mention = Mention {
                        list: "grant",
                        entry: Some(entry.to_owned()),
                    };
                    (name.to_owned(), BTreeSet::from([mention]))
                })
                .into(),
            provisioned: BTreeSet::from(["eng".to_owned()]),
        };
        let names: Vec<&String> = mentions.elsewhere().map(|(name, _)| name).collect();
        assert_eq!(names, ["enng"]);
    }
}
