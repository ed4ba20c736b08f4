//! What somebody may use and why, as rows: one for each model, with the grants that say yes or every reason against it. Used by a
//! person's page and by one's own.

use control::may_use::{Answer, MayUse};
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
