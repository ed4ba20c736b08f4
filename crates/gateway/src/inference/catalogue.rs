//! The models we know by name, as data with their source. A model that stands nowhere in it can still be allowed by policy and
//! served; it is only not listed.

use domain::ModelId;
use serde::{Deserialize, Serialize};

/// The list that ships with this version.
pub const SHIPPED: &str = include_str!("../../data/models.toml");

/// One model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Its id.
    pub id: ModelId,
    /// Its name for people.
    pub display_name: String,
    /// The longest input, in tokens.
    pub max_input_tokens: u64,
    /// When it came out, `YYYY-MM-DDT00:00:00Z`.
    pub created_at: String,
    /// For a name of the company's own: which family Claude Desktop should take it for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anthropic_family_tier: Option<String>,
}

/// Every model, newest first.
#[derive(Debug, Clone)]
pub struct Catalogue {
    models: Vec<Model>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    model: Vec<Model>,
}

impl Catalogue {
    /// The shipped list with the company's own models before it.
    pub fn new(own: Vec<Model>) -> Self {
        let list: List = toml::from_str(SHIPPED).expect("a test reads the shipped list");
        let shipped: Vec<_> = list
            .model
            .into_iter()
            .filter(|model| own.iter().all(|o| o.id != model.id))
            .collect();
        Self {
            models: own.into_iter().chain(shipped).collect(),
        }
    }

    /// Every model, in the order of listing.
    pub fn models(&self) -> &[Model] {
        &self.models
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_list_can_be_read_and_every_model_is_priced() {
        let prices = domain::price::PriceBook::shipped();
        let day = domain::Timestamp::from_unix_s(1_795_226_912);
        for model in Catalogue::new(vec![]).models() {
            let usage = domain::Usage {
                input_tokens: 1,
                ..Default::default()
            };
            assert!(
                !prices.cost(model.id.as_str(), &usage, day).unpriced,
                "{}",
                model.id
            );
        }
    }

    #[test]
    fn a_model_of_the_companys_own_stands_before_the_shipped_one() {
        let own = Model {
            id: ModelId::new("claude-opus-5-5").unwrap(),
            display_name: "Our Opus".into(),
            max_input_tokens: 1,
            created_at: "2026-01-01T00:00:00Z".into(),
            anthropic_family_tier: None,
        };
        let catalogue = Catalogue::new(vec![own]);
        let named: Vec<_> = catalogue
            .models()
            .iter()
            .filter(|m| m.id.as_str() == "claude-opus-5-5")
            .collect();
        assert_eq!(named.len(), 1);
        assert_eq!(named[0].display_name, "Our Opus");
    }
}
