//! What somebody may use and why, as rows: one for each model, with the grants that say yes or every reason against it. Used by a
//! person's page and by one's own.

use control::may_use::{Answer, MayUse};
use control::people::Person;
use domain::{Reason, ReasonCode};

use super::parts::{State, Tone, state};
use super::show::Said;

/// One model.
#[derive(Debug, Clone)]
pub struct ModelLine {
    /// Its id.
    pub model: String,
    /// Yes, no, or only from somewhere.
    pub state: State,
    /// Why.
    pub because: Said,
    /// Whether the rules say no, from wherever it is asked.
    pub is_refused: bool,
    /// Where one asks for it; none where nobody is meant to.
    pub ask: Option<String>,
}

/// A row for each model.
pub fn model_lines(may: &MayUse) -> Vec<ModelLine> {
    may.answers.iter().map(model_line).collect()
}

/// A row for each model, for a person: while they may not come in, no rule gives them anything, and what it would give is said after that.
pub fn model_lines_for(may: &MayUse, person: &Person) -> Vec<ModelLine> {
    let mut lines = model_lines(may);
    let says = match (person.shut_out_at, person.left_at) {
        (None, None) => return lines,
        (Some(_), _) => "No, shut out",
        (None, Some(_)) => "No, they left",
    };
    for line in &mut lines {
        line.because = Said::from(format!(
            "{} by the rules, if they may come in again: {}",
            line.state.word(),
            line.because.plain()
        ));
        line.state = state(Tone::Stop, says);
    }
    lines
}

fn model_line(answer: &Answer) -> ModelLine {
    let (state, because) = match &answer.decided {
        Ok(permit) => {
            let grants: Vec<String> = permit
                .granted_by
                .iter()
                .map(|name| format!("“{name}”"))
                .collect();
            (
                state(Tone::Allow, "Yes"),
                format!("granted by {}", grants.join(", ")),
            )
        }
        Err(refusal) => {
            let reasons: Vec<String> = refusal.reasons().map(against).collect();
            let depends = answer.depends();
            let word = if depends {
                state(Tone::Ask, "It depends")
            } else {
                state(Tone::Stop, "No")
            };
            (word, reasons.join(" "))
        }
    };
    ModelLine {
        model: answer.model.clone(),
        state,
        because: Said::from(because),
        is_refused: answer.decided.is_err() && !answer.depends(),
        ask: None,
    }
}

/// A reason in words that hold for whoever reads: a page about somebody must not say "you".
fn against(reason: &Reason) -> String {
    match (reason.code, &reason.rule) {
        (ReasonCode::ModelNotAllowed, Some(rule)) => format!("denied by “{rule}”"),
        (ReasonCode::ModelNotAllowed, None) => "no rule grants it".to_owned(),
        _ => reason.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Refusal;
    use domain::policy::Permit;
    use domain::{OrgId, PersonId, Timestamp};

    /// Somebody whom an administrator shut out, whose directory says that they left, or neither.
    fn person(is_shut_out: bool, has_left: bool) -> Person {
        let at = Timestamp::from_unix_ms(1_000);
        Person {
            id: PersonId::from_parts(0, 1),
            org: OrgId::from_parts(0, 1),
            issuer: "idp".to_owned(),
            stable_id: "one".to_owned(),
            email: None,
            name: None,
            groups: std::collections::BTreeSet::new(),
            stated: at,
            not_before: at,
            shut_out_at: is_shut_out.then_some(at),
            left_at: has_left.then_some(at),
        }
    }

    #[test]
    fn whoever_may_not_come_in_may_use_nothing_whatever_the_rules_grant() {
        let may = MayUse {
            version: 1,
            answers: vec![Answer {
                model: "m".to_owned(),
                decided: Ok(Permit {
                    policy_version: 1,
                    granted_by: vec!["staff".to_owned()],
                    regions: None,
                }),
            }],
        };
        for (is_shut_out, has_left, expected) in [
            (false, false, "Yes"),
            (true, false, "No, shut out"),
            (false, true, "No, they left"),
            (true, true, "No, shut out"),
        ] {
            let lines = model_lines_for(&may, &person(is_shut_out, has_left));
            assert_eq!(lines[0].state.word(), expected);
            assert!(lines[0].because.plain().contains("granted by “staff”"));
        }
    }

    #[test]
    fn a_yes_names_its_grants_and_a_no_its_reasons() {
        let yes = Permit {
            policy_version: 1,
            granted_by: vec!["staff".to_owned()],
            regions: None,
        };
        let line = |decided| {
            model_line(&Answer {
                model: "m".to_owned(),
                decided,
            })
        };
        assert_eq!(line(Ok(yes)).because.plain(), "granted by “staff”");
        let no = line(Err(Refusal::plain(ReasonCode::ModelNotAllowed)));
        assert_eq!(
            (no.state.word(), no.because.plain()),
            ("No", "no rule grants it")
        );
        let depends = line(Err(Refusal::plain(ReasonCode::NetworkNotAllowed)));
        assert_eq!(depends.state.word(), "It depends");
    }
}
