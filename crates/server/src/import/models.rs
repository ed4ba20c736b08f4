//! `models` and `auto_include_builtin_models`: names of models, and what each provider calls them.

use std::collections::BTreeMap;

use gateway::inference::catalogue::{Catalogue, Model};

use super::Written;
use super::notes::Notes;
use super::reader::{Map, plain};
use super::yaml::Value;

/// What `models` says.
#[derive(Debug, Default)]
pub(super) struct Models {
    /// Ids in their order.
    pub(super) ids: Vec<String>,
    /// Whether models that are not listed may be used too.
    pub(super) others: bool,
    /// Upstream, then model, then what the upstream calls it.
    pub(super) names: BTreeMap<String, BTreeMap<String, String>>,
}

impl Models {
    /// The patterns of all models that may be used at all.
    pub(super) fn all(&self) -> Vec<String> {
        if self.others || self.ids.is_empty() {
            vec!["*".to_owned()]
        } else {
            self.ids.clone()
        }
    }
}

/// Reads both keys; writes `[[model]]` where a known model has a name of the company's own.
pub(super) fn read(root: &mut Map, config: &mut Written, notes: &mut Notes) -> Models {
    let mut models = Models {
        others: root
            .flag("auto_include_builtin_models", notes)
            .is_none_or(|found| found.value),
        ..Models::default()
    };
    let shipped = Catalogue::new(Vec::new());
    let labels = root.each("models", notes, |map, _, notes| {
        let id = map.text("id", notes);
        let label = map.text("label", notes);
        let Some(id) = id else {
            notes.lost(&map.path, map.line, "has no usable id; write one");
            map.named();
            return None;
        };
        upstream_names(map, &id.value, &mut models.names, notes);
        models.ids.push(id.value.clone());
        let known = shipped.models().iter().find(|model| model.id.as_str() == id.value);
        match (known, label) {
            (Some(known), Some(label)) => Some(Model {
                display_name: label.value,
                ..known.clone()
            }),
            (None, label) => {
                let (path, line) = label.map_or((id.path, id.line), |label| (label.path, label.line));
                notes.lost(&path, line, "the model is none that Doorward knows, so it can be used and is not listed; write a [[model]] with its display_name, max_input_tokens and created_at");
                None
            }
            (Some(_), None) => None,
        }
    });
    for model in labels.into_iter().flatten() {
        if let Ok(table) = toml::Table::try_from(&model) {
            config.add("model", table);
        }
    }
    models
}

fn upstream_names(
    map: &mut Map,
    id: &str,
    names: &mut BTreeMap<String, BTreeMap<String, String>>,
    notes: &mut Notes,
) {
    let path = map.at("upstream_model");
    let Some(node) = map.take("upstream_model") else {
        return;
    };
    let Value::Map(entries) = node.value else {
        notes.lost(&path, node.line, "is not a mapping of upstreams; mend it");
        return;
    };
    for (upstream, name) in entries {
        match name.value {
            Value::Text(text) if plain(&text, &path, name.line, notes) => {
                names
                    .entry(upstream)
                    .or_default()
                    .insert(id.to_owned(), text);
            }
            Value::Text(_) => {}
            _ => notes.lost(
                &path,
                name.line,
                "names a model with something that is no text; mend it",
            ),
        }
    }
}
