//! Changing what stands in a policy's text beside its entries: `[acceptable_use]` and `[administration]`. As [`super::edit`] with an entry,
//! everything else stays as it is written, and a text that says anything but what was meant is not given out. Writes nothing into the
//! store. Called by the console's forms.

use domain::policy::{AcceptableUse, Administration, Document};
use serde::Serialize;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table};

use super::edit::{CannotEdit, document, headed, lay};

/// The text with this demand; without one for none.
pub fn acceptable_use(text: &str, wanted: Option<&AcceptableUse>) -> Result<String, CannotEdit> {
    let mut meant = document(text)?;
    let old = table_of(meant.acceptable_use.as_ref())?;
    meant.acceptable_use = wanted.cloned();
    let mut parsed = parsed(text)?;
    let root = parsed.as_table_mut();
    match (table_of(wanted)?, root.get_mut("acceptable_use")) {
        (None, _) => {
            root.remove("acceptable_use");
        }
        (Some(new), None) => {
            let table = at_the_end(&new);
            root.insert("acceptable_use", Item::Table(table));
        }
        (Some(new), Some(there)) => {
            let there = there.as_table_like_mut().ok_or(CannotEdit::Pieces)?;
            lay(there, &old.unwrap_or_default(), &new);
        }
    }
    checked(&parsed, &meant)
}

/// The text with these roles and spend limits stated, and no others; with nothing about them for none. What stays keeps its place and its
/// remarks; what comes stands at the end.
pub fn administration(text: &str, wanted: Option<&Administration>) -> Result<String, CannotEdit> {
    let mut meant = document(text)?;
    meant.administration = wanted.cloned();
    let mut parsed = parsed(text)?;
    let root = parsed.as_table_mut();
    let Some(wanted) = wanted else {
        root.remove("administration");
        return checked(&parsed, &meant);
    };
    let there = root
        .entry("administration")
        .or_insert_with(|| Item::Table(at_the_end(&toml::Table::new())));
    let there = there.as_table_mut().ok_or(CannotEdit::Pieces)?;
    stand(there, "role", &wanted.role)?;
    stand(there, "spend_limit", &wanted.spend_limit)?;
    if there.is_empty() {
        // A heading is all that says that nothing may stand.
        there.set_implicit(false);
    }
    checked(&parsed, &meant)
}

/// Makes a list hold these and nothing else.
fn stand<T: Serialize>(table: &mut Table, key: &str, wanted: &[T]) -> Result<(), CannotEdit> {
    let mut missing = Vec::new();
    for one in wanted {
        missing.extend(table_of(Some(one))?);
    }
    if !table.contains_key(key) {
        table.insert(key, Item::ArrayOfTables(ArrayOfTables::new()));
    }
    let list = table.get_mut(key).and_then(Item::as_array_of_tables_mut);
    let list = list.ok_or(CannotEdit::Pieces)?;
    list.retain(|there| {
        let there: Option<toml::Table> = toml::from_str(&there.to_string()).ok();
        let known = missing.iter().position(|one| Some(one) == there.as_ref());
        known.map(|place| missing.swap_remove(place)).is_some()
    });
    // Those that are left, in the order in which they were given.
    for one in wanted {
        let one = table_of(Some(one))?.unwrap_or_default();
        if let Some(place) = missing.iter().position(|left| *left == one) {
            missing.swap_remove(place);
            list.push(at_the_end(&one));
        }
    }
    if list.is_empty() {
        table.remove(key);
    }
    Ok(())
}

fn parsed(text: &str) -> Result<DocumentMut, CannotEdit> {
    text.parse().map_err(|_| CannotEdit::Unreadable)
}

fn table_of<T: Serialize>(value: Option<&T>) -> Result<Option<toml::Table>, CannotEdit> {
    let table = value.map(toml::Table::try_from).transpose();
    table.map_err(|error| CannotEdit::Unwritable(error.to_string()))
}

fn at_the_end(table: &toml::Table) -> Table {
    let mut table = headed(table);
    table.decor_mut().set_prefix("\n");
    table
}

/// Gives a text out only when it says what was meant. Which of two roles stands first says nothing.
fn checked(parsed: &DocumentMut, meant: &Document) -> Result<String, CannotEdit> {
    let text = parsed.to_string();
    let read: Document = toml::from_str(&text).map_err(|_| CannotEdit::Pieces)?;
    if sorted(read) == sorted(meant.clone()) {
        Ok(text)
    } else {
        Err(CannotEdit::Pieces)
    }
}

fn sorted(mut document: Document) -> Document {
    if let Some(stated) = &mut document.administration {
        stated.role.sort();
        stated.spend_limit.sort();
    }
    document
}

#[cfg(test)]
mod tests {
    use domain::policy::{StatedRole, StatedSpendLimit};
    use domain::window::Period;
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "# the house's rules\n\n[[grant]] # first\nname = \"a\"\nmodels = [ \"x\",  \"y\" ]\n\n# who must agree\n[acceptable_use]\nrequired = true # since May\ngroups = [\"staff\"]\n\n[administration]\n\n# the yearly audit\n[[administration.role]]\nrole = \"auditor\"\ngroup = \"audit\"\nissuer = \"company\"\n\n[[administration.role]]\nrole = \"admin\"\ngroup = \"it\"\nissuer = \"company\"\n\n[[administration.spend_limit]]\nperiod = \"monthly\"\namount_cents = \"6000\"\n\n[[limit]]\nname = \"b\"\nconcurrent_requests = 4\n# the end\n";

    fn role(role: &str, group: &str) -> StatedRole {
        StatedRole {
            role: role.to_owned(),
            group: group.to_owned(),
            issuer: "company".to_owned(),
        }
    }

    fn limit(group: Option<&str>, cents: Option<&str>) -> StatedSpendLimit {
        StatedSpendLimit {
            group: group.map(str::to_owned),
            period: Period::Monthly,
            amount_cents: cents.map(str::to_owned),
        }
    }

    #[test]
    fn a_demand_is_changed_and_every_other_line_stays() {
        let wanted = AcceptableUse {
            required: true,
            groups: ["staff", "guests"].map(str::to_owned).into(),
        };
        let changed = acceptable_use(TEXT, Some(&wanted)).unwrap();
        let expected = TEXT.replace("[\"staff\"]", "[\"guests\", \"staff\"]");
        assert_eq!(changed, expected);
        let gone = acceptable_use(TEXT, None).unwrap();
        assert!(!gone.contains("acceptable_use") && gone.contains("[ \"x\",  \"y\" ]"));
        let first = acceptable_use("", Some(&wanted)).unwrap();
        assert_eq!(document(&first).unwrap().acceptable_use, Some(wanted));
    }

    #[test]
    fn what_is_stated_is_whole_and_what_stays_keeps_its_remark() {
        let wanted = Administration {
            role: vec![role("auditor", "audit"), role("approver", "leads of it")],
            spend_limit: vec![limit(Some("eng"), None)],
        };
        let changed = administration(TEXT, Some(&wanted)).unwrap();
        assert!(
            changed.contains("# the yearly audit\n[[administration.role]]"),
            "{changed}"
        );
        assert!(!changed.contains("\"it\"") && !changed.contains("6000"));
        assert!(changed.ends_with("# the end\n") && changed.starts_with("# the house's rules\n"));
        let nothing = administration(TEXT, Some(&Administration::default())).unwrap();
        assert!(nothing.contains("[administration]\n"), "{nothing}");
        let none = administration(TEXT, None).unwrap();
        assert!(!none.contains("administration") && none.contains("# the end"));
        let first = administration("[[grant]]\nname = \"a\"\nmodels = [\"x\"]\n", Some(&wanted));
        let read = document(&first.unwrap()).unwrap();
        assert_eq!(read.administration, Some(wanted));
    }

    #[test]
    fn what_is_written_otherwise_is_left_to_be_changed_as_text() {
        let inline = "administration = { role = [] }\n";
        let wanted = Administration::default();
        for text in [
            inline,
            "[administration]\nrole = [{ role = \"admin\", group = \"g\", issuer = \"i\" }]\n",
        ] {
            let found = administration(text, Some(&wanted));
            assert_eq!(found, Err(CannotEdit::Pieces), "{text}");
        }
        assert_eq!(administration("[grant", None), Err(CannotEdit::Unreadable));
    }

    proptest! {
        #[test]
        fn whatever_is_stated_reads_back_as_it_was_meant(
            roles in prop::collection::vec(("[a-z]{1,8}", ".{1,12}"), 0..4),
            limits in prop::collection::vec((prop::option::of(".{1,12}"), prop::option::of("[0-9]{1,6}")), 0..4),
        ) {
            let wanted = Administration {
                role: roles.iter().map(|(word, group)| role(word, group)).collect(),
                spend_limit: limits.iter().map(|(group, cents)| limit(group.as_deref(), cents.as_deref())).collect(),
            };
            for text in [TEXT, ""] {
                let changed = administration(text, Some(&wanted)).unwrap();
                let again = administration(&changed, Some(&wanted)).unwrap();
                prop_assert_eq!(&again, &changed, "twice is once");
            }
        }
    }
}
