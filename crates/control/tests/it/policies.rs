//! Putting a policy in force: from which version, and who may change what of it.

use std::sync::Arc;

use control::policies::rehearse::{Here, rehearse};
use control::policies::{self, Applied, Examine};
use control::{Actor, ControlError, Right, Role};
use domain::{PersonId, Policy};
use tokio::sync::Semaphore;

use crate::scim::Place;

#[derive(Debug)]
pub(crate) struct Anything;

impl Examine for Anything {
    fn mistakes(&self, _: &Policy) -> Vec<String> {
        Vec::new()
    }
}

fn of(role: Role) -> Actor {
    Actor::person(PersonId::from_parts(3, 3), role.as_str(), [role].into())
}

async fn put(
    place: &Place,
    role: Role,
    text: &str,
    expected: Option<u64>,
) -> Result<Applied, ControlError> {
    let actor = of(role);
    let operation = place.control.operation(&actor);
    policies::apply(&operation, text, "a test", expected, &Anything).await
}

const GRANT: &str =
    "[[grant]]\nname = \"staff\"\nwho = { groups = [\"staff\"] }\nmodels = [\"claude-*\"]\n";
const BUDGET: &str =
    "[[budget]]\nname = \"all\"\nfor = \"member\"\nperiod = \"daily\"\namount_usd = \"9000\"\n";

#[tokio::test]
async fn a_text_that_is_in_force_is_still_held_to_the_version_it_was_read_at() {
    let place = Place::new(31).await;
    let one = put(&place, Role::Admin, GRANT, Some(0)).await;
    assert_eq!(one.unwrap(), Applied::Version(1));
    let again = put(&place, Role::Admin, GRANT, Some(1)).await;
    assert_eq!(again.unwrap(), Applied::Unchanged(1));
    let late = put(&place, Role::Admin, GRANT, Some(0)).await;
    assert!(
        matches!(late, Err(ControlError::Conflict { current: 1 })),
        "{late:?}"
    );
    let unnamed = put(&place, Role::Admin, GRANT, None).await;
    assert_eq!(unnamed.unwrap(), Applied::Unchanged(1));
}

#[tokio::test]
async fn whoever_sets_no_spend_limits_changes_no_budget_of_the_policy() {
    let place = Place::new(32).await;
    let with_budget = format!("{GRANT}\n{BUDGET}");
    let tried = put(&place, Role::Technician, &with_budget, None).await;
    assert!(
        matches!(tried, Err(ControlError::Forbidden(Right::BudgetsWrite))),
        "{tried:?}"
    );
    let mine = put(&place, Role::Technician, GRANT, None).await;
    assert_eq!(mine.unwrap(), Applied::Version(1));
    let theirs = put(&place, Role::Admin, &with_budget, None).await;
    assert_eq!(theirs.unwrap(), Applied::Version(2));
    for text in [GRANT.to_owned(), with_budget.replace("9000", "9001")] {
        let tried = put(&place, Role::Technician, &text, None).await;
        assert!(matches!(tried, Err(ControlError::Forbidden(_))), "{text}");
    }
    let beside = format!("# a word\n{with_budget}");
    let mine = put(&place, Role::Technician, &beside, None).await;
    assert_eq!(mine.unwrap(), Applied::Version(3));
}

#[tokio::test]
async fn a_draft_waits_for_no_turn_and_gives_back_its_own() {
    let place = Place::new(36).await;
    let actor = of(Role::Admin);
    let operation = place.control.operation(&actor);
    let turns = Arc::new(Semaphore::new(1));
    let here = Here {
        examine: &Anything,
        issuers_for_people: 1,
        models: &[],
        turns: &turns,
    };
    let other = turns.try_acquire().unwrap();
    let busy = rehearse(&operation, GRANT, here).await;
    assert!(matches!(busy, Err(ControlError::Busy(_))), "{busy:?}");
    drop(other);
    for _ in 0..2 {
        rehearse(&operation, GRANT, here).await.unwrap();
    }
}
