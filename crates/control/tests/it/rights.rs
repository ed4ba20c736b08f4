//! docs/api.md explains every right as the table in the code has it: who has it, and whether a personal token may carry it.

use control::Role;
use control::access::{Right, may_be_scope};

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
