//! `upstreams`: the providers. One that Doorward does not speak to is named with all its keys; one that was for some groups only is
//! held back, so that it does not serve everyone.

use gateway::upstream::UpstreamConfig;
use toml::Table;

use super::Written;
use super::models::Models;
use super::notes::{Kind, Notes};
use super::reader::{Map, Taken};

/// Reads every provider; writes `[[upstream]]`.
pub(super) fn read(root: &mut Map, models: &Models, config: &mut Written, notes: &mut Notes) {
    let line = root.line;
    let found = root.each("upstreams", notes, |map, index, notes| {
        let provider = map.text("provider", notes)?;
        match &*provider.value {
            "anthropic" | "foundry" => Some(one(map, index, &provider, models, notes)),
            "bedrock" | "mantle" | "anthropicAws" | "anthropicGoogleCloud" | "vertex" => {
                let keys = map.left().join(", ");
                let what = format!("Doorward does not speak to this kind of provider yet, so it was left out with its {keys}; use anthropic or foundry, or keep the reference gateway for it");
                notes.lost(&provider.path, provider.line, &what);
                map.named();
                None
            }
            _ => {
                notes.say(Kind::Unknown, &provider.path, provider.line, "neither the reference gateway nor Doorward knows such a provider; the entry was left out");
                map.named();
                None
            }
        }
    });
    let mut any = false;
    let mut taken: Vec<String> = Vec::new();
    for (mut table, mut why) in found.into_iter().flatten() {
        let name = table
            .get("name")
            .and_then(toml::Value::as_str)
            .unwrap_or_default()
            .to_owned();
        if taken.contains(&name) {
            why = why.or(Some("another one has this name"));
        }
        taken.push(name);
        if let Some(why) = why {
            config.hold_back("upstream", table, why);
        } else {
            any = true;
            config.add("upstream", std::mem::take(&mut table));
        }
    }
    for upstream in models.names.keys().filter(|name| !taken.contains(name)) {
        notes.lost("models", line, &format!("an upstream_model names {}, which was not carried; its names for models were left out", shown(upstream)));
    }
    if !any {
        notes.lost("upstreams", line, "no provider could be carried as it is; an upstream without a real address is written in its place, and nothing is answered until you write your own");
        config.add("upstream", placeholder());
    }
}

fn shown(name: &str) -> String {
    super::reader::below("", name)
}

/// An entry, and why it is held back when it is.
type Found = (Table, Option<&'static str>);

fn one(
    map: &mut Map,
    index: usize,
    provider: &Taken<String>,
    models: &Models,
    notes: &mut Notes,
) -> Found {
    let mut table = Table::new();
    let name = map
        .text("name", notes)
        .map_or_else(|| provider.value.clone(), |name| name.value);
    table.insert("name".to_owned(), name.clone().into());
    table.insert("provider".to_owned(), provider.value.clone().into());
    let is_foundry = provider.value == "foundry";
    for key in ["base_url", "resource"] {
        if (key == "base_url" || is_foundry)
            && let Some(found) = map.text(key, notes)
        {
            table.insert(key.to_owned(), found.value.into());
        }
    }
    let mut why = None;
    let is_bounded = map.has("models");
    if let Some(found) = map.texts("models", notes) {
        if found.value.is_empty() {
            why = Some("its models could not be carried.");
        }
        let patterns: Vec<_> = found.value.into_iter().map(toml::Value::from).collect();
        table.insert("models".to_owned(), patterns.into());
    } else if is_bounded {
        why = Some("its models could not be carried.");
    }
    if let Some(names) = models.names.get(&name) {
        let names: Table = names
            .iter()
            .map(|(id, name)| (id.clone(), name.clone().into()))
            .collect();
        table.insert("model_map".to_owned(), names.into());
    }
    if let Some(flag) = map.flag("forward_user_identity", notes)
        && flag.value
    {
        notes.lost(
            &flag.path,
            flag.line,
            super::keys::not_carried(&flag.path).unwrap_or_default(),
        );
    }
    if map.left().iter().any(|key| key == "groups") {
        why = Some(
            "it was for some groups only, and without them it would serve everyone. Give it a region and grant that to the groups.",
        );
    }
    if let Some(auth) = auth(map, index, is_foundry, notes) {
        table.insert("auth".to_owned(), auth.into());
    } else {
        notes.lost(&map.at("auth"), map.line, "there is no way to prove oneself to the provider that Doorward has too; write issuer-independent auth such as { api_key = \"${NAME}\" } into the [[upstream]] that is held back");
        why = Some("it needs `auth`.");
    }
    if why.is_none() && !is_good(&table) {
        notes.lost(&map.path, map.line, "its address is missing or is http to another machine; mend the [[upstream]] that is held back");
        why = Some("its address must be https, or on this machine.");
    }
    (table, why)
}

fn is_good(table: &Table) -> bool {
    table
        .clone()
        .try_into::<UpstreamConfig>()
        .is_ok_and(|upstream| upstream.base().is_ok())
}

fn auth(map: &mut Map, index: usize, is_foundry: bool, notes: &mut Notes) -> Option<Table> {
    let variable = format!("DOORWARD_UPSTREAM_{index}");
    map.section("auth", notes, |auth, notes| {
        let mut table = Table::new();
        if let Some(key) = auth.secret("api_key", &variable, notes) {
            table.insert("api_key".to_owned(), key.value.into());
        } else if !is_foundry && let Some(token) = auth.secret("oauth_token", &variable, notes) {
            table.insert("bearer".to_owned(), token.value.into());
        } else if is_foundry
            && let Some(flag) = auth.flag("use_azure_ad", notes)
            && flag.value
        {
            notes.remark(&flag.path, flag.line, "is carried as the machine's own identity; on Kubernetes write workload_identity instead");
            table.insert("managed_identity".to_owned(), Table::new().into());
        }
        let left = auth.left();
        if !left.is_empty() {
            let what = format!("of it were left out: {}; Doorward proves itself with a key, a bearer token, or an identity of Entra", left.join(", "));
            notes.lost(&auth.path, auth.line, &what);
            auth.named();
        }
        (!table.is_empty()).then_some(table)
    })
    .flatten()
}

fn placeholder() -> Table {
    let mut auth = Table::new();
    auth.insert("api_key".to_owned(), "${DOORWARD_UPSTREAM}".into());
    let mut table = Table::new();
    table.insert("name".to_owned(), "change-me".into());
    table.insert("provider".to_owned(), "anthropic".into());
    table.insert("base_url".to_owned(), "https://change-me.invalid".into());
    table.insert("auth".to_owned(), auth.into());
    table
}
