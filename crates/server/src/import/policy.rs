//! `managed`, `access_control` and who may sign in: our policy. The reference gateway gives a person the first policy that matches
//! and the catch-all below it; ours adds grants up. Where adding up would allow more, it is written stricter, held back or named.

use domain::model::glob;
use toml::{Table, Value as Toml};

use super::issuer::{Admitted, NOBODY};
use super::models::Models;
use super::notes::Notes;
use super::reader::Map;
use super::settings::{self, Settings};
use super::{Written, server};

/// One entry of `managed.policies`.
struct Entry {
    path: String,
    line: u64,
    /// None: everyone.
    groups: Option<Vec<String>>,
    by_domain: bool,
    code: Option<Settings>,
    desktop: Option<Table>,
}

impl Entry {
    fn is_for_everyone(&self) -> bool {
        self.groups.is_none() && !self.by_domain
    }

    fn models(&self) -> Option<&Vec<String>> {
        self.code.as_ref().and_then(|code| code.models.as_ref())
    }

    fn denied(&self) -> &[String] {
        self.code.as_ref().map_or(&[], |code| &code.denied)
    }
}

/// Reads what is left of the file that is about people.
pub(super) fn read(
    root: &mut Map,
    admitted: &Admitted,
    models: &Models,
    rules: &mut Written,
    notes: &mut Notes,
) {
    networks(root, rules, notes);
    let mut layered = false;
    let entries = root
        .section("managed", notes, |managed, notes| {
            layered = managed
                .text("policy_mode", notes)
                .is_some_and(|mode| mode.value == "layered");
            managed.each("policies", notes, |map, _, notes| entry(map, notes))
        })
        .unwrap_or_default();
    let (everyone, some): (Vec<_>, Vec<_>) = entries.into_iter().partition(Entry::is_for_everyone);
    for extra in everyone.iter().skip(1) {
        notes.lost(
            &extra.path,
            extra.line,
            "is a second policy for everyone; only the first counts here",
        );
    }
    let base = everyone.first();
    overlap(&some, layered, notes);
    grants(base, &some, layered, admitted, models, rules, notes);
    deliver(base, &some, layered, rules, notes);
}

/// `access_control.allow_cidrs`.
fn networks(root: &mut Map, rules: &mut Written, notes: &mut Notes) {
    let found = root.section("access_control", notes, |map, notes| {
        let is_bounded = map.has("allow_cidrs");
        match server::networks(map, "allow_cidrs", notes) {
            Some((0, _)) => None,
            Some((_, networks)) => Some(networks),
            None => is_bounded.then(Vec::new),
        }
    });
    if let Some(Some(mut networks)) = found {
        if networks.is_empty() {
            // A bound that could not be read must not become no bound.
            networks.push("127.0.0.1/32".into());
        }
        let mut require = named("networks of access_control");
        require.insert("networks".to_owned(), networks.into());
        rules.add("require", require);
    }
}

fn entry(map: &mut Map, notes: &mut Notes) -> Entry {
    let (path, line) = (map.path.clone(), map.line);
    let is_matched = map.has("match");
    let found = map.section("match", notes, |found, notes| {
        let domain = found.take("email_domain");
        if let Some(node) = &domain {
            notes.lost(&found.at("email_domain"), node.line, "people are never chosen by e-mail address, so this policy was left out; put these people into a group and name it");
        }
        let is_grouped = found.has("groups");
        let groups = found.texts("groups", notes).map(|groups| groups.value);
        // Groups that could not be read are nobody, not everyone; so is a condition that is not known.
        let is_bounded = is_grouped || !found.left().is_empty();
        (groups.or_else(|| is_bounded.then(Vec::new)), domain.is_some())
    });
    let (groups, by_domain) = found.unwrap_or_else(|| (is_matched.then(Vec::new), false));
    let mut code = None;
    for key in ["code", "cli", "settings"] {
        if let Some(node) = map.take(key) {
            code = Some(settings::read(&node, &map.at(key), notes));
        }
    }
    let desktop = map
        .take("desktop")
        .map(|node| settings::read(&node, &map.at("desktop"), notes).document);
    Entry {
        path,
        line,
        groups,
        by_domain,
        code,
        desktop,
    }
}

/// Says where people in several groups get other settings, or more models, than from the first policy alone.
fn overlap(some: &[Entry], layered: bool, notes: &mut Notes) {
    for (index, later) in some.iter().enumerate().skip(1) {
        let text = if layered {
            "whoever is in groups of several policies may use what any of them allows; look at the grants"
        } else {
            "whoever is in groups of several policies gets their settings merged, the first on top; in the reference gateway the first alone counts. Keep the groups apart"
        };
        if !later.by_domain && some[..index].iter().any(|earlier| !earlier.by_domain) {
            notes.lost(&later.path, later.line, text);
        }
    }
}

/// What an entry must do without, as others grant it and grants add up.
struct Beyond {
    /// Can be denied without touching what the entry allows.
    denied: Vec<String>,
    /// Cannot.
    kept: bool,
}

fn beyond<'m>(own: &[String], others: impl Iterator<Item = &'m String>) -> Beyond {
    let mut found = Beyond {
        denied: Vec::new(),
        kept: false,
    };
    for piece in others.filter(|piece| !covers(own, piece)) {
        if own.iter().any(|pattern| meet(pattern, piece)) {
            found.kept = true;
        } else if !found.denied.contains(piece) {
            found.denied.push(piece.clone());
        }
    }
    found
}

fn grants(
    base: Option<&Entry>,
    some: &[Entry],
    layered: bool,
    admitted: &Admitted,
    models: &Models,
    rules: &mut Written,
    notes: &mut Notes,
) {
    let all = models.all();
    let base_models = base.and_then(Entry::models).unwrap_or(&all);
    let mut base_is_too_much = false;
    for (index, entry) in some.iter().enumerate() {
        let own = entry.models().unwrap_or(base_models);
        let of_base = beyond(own, base_models.iter());
        let later = some[index + 1..]
            .iter()
            .filter(|later| !later.by_domain && !layered);
        let of_later = beyond(
            own,
            later.flat_map(|later| later.models().unwrap_or(base_models)),
        );
        if of_base.kept || (entry.by_domain && !of_base.denied.is_empty()) {
            base_is_too_much = true;
            notes.lost(&entry.path, entry.line, "allows less than what everyone else may use, and Doorward's grants add up; the grant for everyone is held back: name the groups it is for, without these people");
        }
        if of_later.kept || (entry.by_domain && !of_later.denied.is_empty()) {
            notes.lost(&entry.path, entry.line, "allows less than a later policy, and Doorward's grants add up: whoever is in the groups of both gets more than from this one. Keep the groups apart");
        }
        if !entry.by_domain {
            let mut denied = entry.denied().to_vec();
            denied.extend(of_base.denied);
            denied.extend(
                of_later
                    .denied
                    .into_iter()
                    .filter(|piece| !base_models.contains(piece)),
            );
            grant(index, entry, own, &denied, admitted, rules, notes);
        }
    }
    base_grant(base, base_models, base_is_too_much, admitted, rules, notes);
}

fn grant(
    index: usize,
    entry: &Entry,
    own: &[String],
    denied: &[String],
    admitted: &Admitted,
    rules: &mut Written,
    notes: &mut Notes,
) {
    if own.is_empty() && denied.is_empty() {
        return;
    }
    let groups = entry.groups.clone().unwrap_or_default();
    let mut grant = named(&name_of(index, &groups));
    grant.insert("who".to_owned(), who(&groups));
    insert(&mut grant, "models", own);
    insert(&mut grant, "deny_models", denied);
    if admitted.groups.is_empty() || groups.iter().all(|group| admitted.groups.contains(group)) {
        rules.add("grant", grant);
    } else {
        notes.lost(&entry.path, entry.line, "its groups had to be in oidc.allowed_groups as well, which Doorward cannot ask for; the grant is held back: take the # away when these groups may all sign in");
        rules.hold_back(
            "grant",
            grant,
            "its people had to be in oidc.allowed_groups as well.",
        );
        // What it forbids holds in any case.
        deny_alone(index, &groups, denied, rules);
    }
}

fn deny_alone(index: usize, groups: &[String], denied: &[String], rules: &mut Written) {
    if denied.is_empty() {
        return;
    }
    let mut grant = named(&format!("{} (what it forbids)", name_of(index, groups)));
    grant.insert("who".to_owned(), who(groups));
    insert(&mut grant, "deny_models", denied);
    rules.add("grant", grant);
}

fn base_grant(
    base: Option<&Entry>,
    base_models: &[String],
    is_too_much: bool,
    admitted: &Admitted,
    rules: &mut Written,
    notes: &mut Notes,
) {
    let mut grant = named("everyone who may sign in");
    if !admitted.groups.is_empty() {
        grant.insert("who".to_owned(), who(&admitted.groups));
    }
    insert(&mut grant, "models", base_models);
    let denied = base.map_or(&[][..], Entry::denied);
    insert(&mut grant, "deny_models", denied);
    if base_models.is_empty() && denied.is_empty() {
        return;
    }
    if is_too_much {
        rules.hold_back(
            "grant",
            grant,
            "it would give more to people whose policy gives them less. Name groups in `who`.",
        );
    } else if admitted.groups.is_empty() && admitted.by_domain {
        rules.hold_back("grant", grant, "oidc.allowed_email_domains bounded it. Name groups in `who`, or take the # away when the identity provider admits only your people.");
        notes.lost("managed", base.map_or(1, |base| base.line), "the grant for everyone is held back, as nothing else bounds who may sign in; see oidc.allowed_email_domains");
    } else {
        rules.add("grant", grant);
    }
}

/// Settings: what is for everyone first, then the policies with the first of them last, so that it wins.
fn deliver(
    base: Option<&Entry>,
    some: &[Entry],
    layered: bool,
    rules: &mut Written,
    notes: &mut Notes,
) {
    let mut order: Vec<(usize, &Entry)> = some
        .iter()
        .enumerate()
        .filter(|(_, entry)| !entry.by_domain)
        .collect();
    if !layered {
        order.reverse();
    }
    let base = base.map(|base| ("everyone".to_owned(), None, base));
    let rest = order.into_iter().map(|(index, entry)| {
        let groups = entry.groups.clone().unwrap_or_default();
        (name_of(index, &groups), Some(groups), entry)
    });
    for (name, groups, entry) in base.into_iter().chain(rest) {
        let code = entry.code.as_ref().map(|code| &code.document);
        for (section, document) in [
            ("managed_settings", code),
            ("desktop_settings", entry.desktop.as_ref()),
        ] {
            let Some(document) = document else { continue };
            let mut delivered = named(&name);
            if let Some(groups) = &groups {
                delivered.insert("who".to_owned(), who(groups));
            }
            delivered.insert("settings".to_owned(), document.clone().into());
            rules.add(section, delivered);
        }
        if groups.as_ref().is_some_and(Vec::is_empty) {
            notes.remark(
                &entry.path,
                entry.line,
                "names no group, so it concerns nobody",
            );
        }
    }
}

/// Whether every model of `piece` is in one of `patterns`.
fn covers(patterns: &[String], piece: &str) -> bool {
    patterns.iter().any(|pattern| glob(pattern, piece))
}

/// Whether two patterns may have a model in common.
fn meet(a: &str, b: &str) -> bool {
    if glob(a, b) || glob(b, a) {
        return true;
    }
    let head = |text: &str| text.split('*').next().unwrap_or_default().to_owned();
    let (both, heads) = (a.contains('*') && b.contains('*'), (head(a), head(b)));
    both && (heads.0.starts_with(&heads.1) || heads.1.starts_with(&heads.0))
}

fn named(name: &str) -> Table {
    let mut table = Table::new();
    table.insert("name".to_owned(), name.into());
    table
}

fn name_of(index: usize, groups: &[String]) -> String {
    let groups: String = groups
        .join(", ")
        .chars()
        .filter(|c| !c.is_control())
        .take(20)
        .collect();
    format!("policy {}: {groups}", index + 1)
}

/// A selector. Groups that are none must select nobody, and an empty list would be everyone.
fn who(groups: &[String]) -> Toml {
    let mut table = Table::new();
    let groups = if groups.is_empty() {
        &[NOBODY.to_owned()][..]
    } else {
        groups
    };
    insert(&mut table, "groups", groups);
    table.into()
}

fn insert(table: &mut Table, key: &str, texts: &[String]) {
    if !texts.is_empty() {
        let texts: Vec<_> = texts.iter().cloned().map(Toml::from).collect();
        table.insert(key.to_owned(), texts.into());
    }
}
