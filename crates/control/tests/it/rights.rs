//! docs/api.md explains every right as the table in the code has it: who has it, and whether a personal token may carry it.

use control::access::{Right, may_be_scope};
use control::{Actor, Role, tokens};
use domain::{PersonId, ReasonCode};

use crate::scim::Place;

fn mark(yes: bool) -> &'static str {
    if yes { "yes" } else { "–" }
}

fn row(right: Right) -> String {
    let of = |role| mark(right.roles().contains(&role));
    let marks: Vec<&str> = Role::ALL.iter().map(|role| of(*role)).collect();
    let token = mark(may_be_scope(right));
    let (word, what) = (right.as_str(), right.what());
    format!("| `{word}` | {} | {token} | {what} |", marks.join(" | "))
}

#[test]
fn the_page_says_of_every_right_who_has_it_and_whether_a_token_may_carry_it() {
    let page = include_str!("../../../../docs/api.md");
    let rows: Vec<String> = Right::ALL.iter().copied().map(row).collect();
    let written: Vec<&str> = page
        .lines()
        .skip_while(|line| !line.starts_with("| right |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert_eq!(written, rows, "docs/api.md: the table of rights");
}

#[tokio::test]
async fn every_scope_that_cannot_be_given_is_named_at_once() {
    let place = Place::new(35).await;
    let auditor = Actor::person(PersonId::from_parts(1, 1), "ada", [Role::Auditor].into());
    let operation = place.control.operation(&auditor);
    let words = [
        "people.read",
        "people.write",
        "roles.write",
        "own.write",
        "root\u{202e}`",
    ];
    let words = words.map(str::to_owned);
    let refused = tokens::scopes(&operation, &words).unwrap_err();
    assert_eq!(refused.code(), ReasonCode::ParameterInvalid);
    assert_eq!(
        refused.detail(),
        "`scopes` cannot all be given; no such right: root\u{fffd}\u{fffd}; given to no token: own.write, roles.write; \
         beyond your own rights: people.write"
    );
    let given = tokens::scopes(&operation, &words[..1]).unwrap();
    assert_eq!(given, [Right::PeopleRead].into());
}
