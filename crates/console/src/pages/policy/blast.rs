//! Who gains or loses what by a draft, as a page shows it: each effect with how many people out of how many, the first of them by name with
//! a link, and their groups. Says what `control` decided; decides nothing.

use control::policies::effects::{Blast, Cap, Effect, Pace, Shared, Touched, Turn, Whom};
use control::policies::programs::{Programs, Refused};
use control::policies::rehearse::Rehearsal;
use domain::Usd;
use domain::connectors::ActionState;

use super::words;
use crate::pages::parts::{Link, Source, State, Tone, state};
use crate::pages::show::{self, Said};

/// Lines of programs that are shown.
const PROGRAMS_MAX: usize = 10;
/// Effects that are shown; of more it says how many.
const LINES_MAX: usize = 60;

/// One effect.
#[derive(Debug, Clone)]
pub struct Line {
    /// How many, in the tone of what it means for them.
    pub count: State,
    /// What becomes otherwise, as a sentence that begins with out of how many.
    pub what: Said,
    /// The first of them.
    pub first: Vec<Link>,
    /// `and 3 more`.
    pub more: String,
    /// Of which groups.
    pub groups: Said,
}

/// Everything about a draft's effects.
#[derive(Debug, Clone)]
pub struct Effects {
    /// `3`.
    pub worse: String,
    /// `people of 41 lose something`.
    pub worse_says: String,
    /// How many gain something.
    pub better: String,
    /// The same in words.
    pub better_says: String,
    /// Each effect.
    pub lines: Vec<Line>,
    /// Effects that are not shown.
    pub left_out: usize,
    /// What is said of the programs of lately.
    pub programs_say: String,
    /// Programs that would be refused.
    pub programs: Vec<Line>,
    /// What it was worked out from.
    pub source: Source,
}

impl Effects {
    /// Of a rehearsal with so many models.
    pub fn of(rehearsal: &Rehearsal, models: usize) -> Self {
        let blast = &rehearsal.blast;
        let of = rehearsal.people;
        let mut lines: Vec<Line> = blast
            .touched
            .iter()
            .flat_map(|touched| of_touched(touched, rehearsal))
            .collect();
        lines.extend(blast.shared.iter().map(of_shared));
        let left_out = lines.len().saturating_sub(LINES_MAX);
        lines.truncate(LINES_MAX);
        let (programs_say, programs) = programs(rehearsal.programs.as_ref());
        Self {
            worse: show::count(blast.worse),
            worse_says: format!("of {} lose something", people(of)),
            better: show::count(blast.better),
            better_says: format!("of {} gain something", people(of)),
            lines,
            left_out,
            programs_say,
            programs,
            source: source(rehearsal, blast, models),
        }
    }
}

fn people(count: u64) -> String {
    show::counted(count, "person", "people")
}

fn services(count: u64) -> String {
    show::counted(count, "service", "services")
}

fn source(rehearsal: &Rehearsal, blast: &Blast, models: usize) -> Source {
    let changed = show::count(blast.people);
    let mut said = vec![
        format!(
            "decided by both for {} who may come in, {} and {}; something changes for {changed} of them",
            people(rehearsal.people),
            show::counted(models as u64, "configured model", "configured models"),
            show::counted(rehearsal.actions as u64, "listed action", "listed actions"),
        ),
        match rehearsal.services {
            Some(count) => format!(
                "{} of {} change",
                show::count(blast.services),
                services(count)
            ),
            None => "services are not shown to your role".to_owned(),
        },
        "people and groups as the store has them".to_owned(),
        "spend limits as they stand are laid over".to_owned(),
    ];
    if rehearsal.is_cut {
        said.push("there are more, for whom it was not decided".to_owned());
    }
    Source(said)
}

fn of_touched(touched: &Touched, rehearsal: &Rehearsal) -> Vec<Line> {
    let tone = match touched.effect.turn() {
        Turn::Worse => Tone::Stop,
        Turn::Better => Tone::Allow,
        Turn::Otherwise => Tone::Ask,
    };
    let line = |whom: &Whom, of: String, path: &str| {
        let is_one = whom.count == 1;
        Line {
            count: state(tone, show::count(whom.count)),
            what: Said::from(format!("of {of} {}", said(&touched.effect, is_one))),
            first: whom
                .first
                .iter()
                .map(|(id, name)| Link {
                    to: format!("{path}{id}"),
                    word: Said::from(name),
                })
                .collect(),
            more: match whom.count.saturating_sub(whom.first.len() as u64) {
                0 => String::new(),
                more => format!("and {} more", show::count(more)),
            },
            groups: Said::from(groups(whom)),
        }
    };
    let mut lines = Vec::new();
    if touched.people.count > 0 {
        let of = people(rehearsal.people);
        lines.push(line(&touched.people, of, "/console/people/"));
    }
    if touched.services.count > 0 {
        let of = services(rehearsal.services.unwrap_or_default());
        lines.push(line(&touched.services, of, "/console/services/"));
    }
    lines
}

/// `In research 2 of 4, staff 1 of 30.`
fn groups(whom: &Whom) -> String {
    if whom.groups.is_empty() {
        return String::new();
    }
    let said: Vec<String> = whom
        .groups
        .iter()
        .map(|(name, count, size)| format!("{name} {count} of {size}"))
        .collect();
    format!("In {}.", said.join(", "))
}

/// What becomes otherwise, after the number of those for whom it does.
fn said(effect: &Effect, is_one: bool) -> String {
    let verb = |one: &str, many: &str| {
        if is_one {
            one.to_owned()
        } else {
            many.to_owned()
        }
    };
    match effect {
        Effect::Loses(models) => format!("{} {}", verb("loses", "lose"), words::listed(models)),
        Effect::Gains(models) => format!("{} {}", verb("gains", "gain"), words::listed(models)),
        Effect::Budget {
            period,
            before,
            after,
        } => format!(
            "may spend {} instead of {} {}",
            cap(*after),
            cap(*before),
            words::period(*period)
        ),
        Effect::Pace { before, after } => format!(
            "{} held to {} instead of {}",
            verb("is", "are"),
            pace(after),
            pace(before)
        ),
        Effect::Regions { before, after } => format!(
            "{} data in {} instead of {}",
            verb("keeps", "keep"),
            regions(after.as_ref()),
            regions(before.as_ref())
        ),
        Effect::Demands => format!(
            "{} other demands on programs, networks or issuers",
            verb("meets", "meet")
        ),
        Effect::Inspection => format!("{} looked through for other things", verb("is", "are")),
        Effect::AcceptableUse { demanded: true } => {
            "must accept the acceptable-use policy".to_owned()
        }
        Effect::AcceptableUse { demanded: false } => {
            "need not accept the acceptable-use policy any more".to_owned()
        }
        Effect::ManagedSettings => of_settings(&verb("receives", "receive"), "Claude Code"),
        Effect::DesktopSettings => of_settings(&verb("receives", "receive"), "Claude Desktop"),
        Effect::LosesConnectors(names) => connectors(&verb("loses", "lose"), names),
        Effect::GainsConnectors(names) => connectors(&verb("gains", "gain"), names),
        Effect::Actions {
            connector,
            before,
            after,
            actions: names,
        } => actions(
            &verb("needs", "need"),
            (*before, *after),
            &format!("{} of {connector}", words::listed(names)),
        ),
        Effect::AtConnectors => format!(
            "{} under other rules at connectors: on arguments, approvers, addresses or what is not listed",
            verb("is", "are")
        ),
    }
}

fn of_settings(receives: &str, program: &str) -> String {
    format!("{receives} other settings of {program}")
}

fn connectors(verb: &str, names: &[String]) -> String {
    let what = if names.len() == 1 {
        "the connector"
    } else {
        "the connectors"
    };
    format!("{verb} {what} {}", words::listed(names))
}

fn actions(needs: &str, turn: (ActionState, ActionState), which: &str) -> String {
    use ActionState::{Allow, Ask, Blocked};
    let so_far = match turn.0 {
        Allow => "allowed so far",
        Ask => "after an approval so far",
        Blocked => "blocked so far",
    };
    match turn.1 {
        Blocked => format!("may not use {which} any more ({so_far})"),
        Ask if turn.0 == Allow => format!("{needs} an approval for {which} ({so_far})"),
        Ask => format!("may use {which} after an approval ({so_far})"),
        Allow => format!("may use {which} ({so_far})"),
    }
}

fn cap(cap: Option<Cap>) -> String {
    match cap {
        None => "without a cap of their own".to_owned(),
        Some(Cap { amount, is_hard }) if is_hard || amount == Usd::ZERO => show::usd(amount),
        Some(Cap { amount, .. }) => format!("{} (only a warning)", show::usd(amount)),
    }
}

fn pace(pace: &Pace) -> String {
    let minute = |number: Option<u64>, what: &str| {
        number.map(|number| format!("{} {what} a minute", show::count(number)))
    };
    let said: Vec<String> = [
        minute(pace.requests, "requests"),
        minute(pace.input_tokens, "input tokens"),
        minute(pace.output_tokens, "output tokens"),
        pace.at_once
            .map(|number| format!("{} requests at a time", show::count(number))),
    ]
    .into_iter()
    .flatten()
    .collect();
    if said.is_empty() {
        "no limit".to_owned()
    } else {
        said.join(", ")
    }
}

fn regions(regions: Option<&std::collections::BTreeSet<String>>) -> String {
    match regions {
        None => "any region".to_owned(),
        Some(regions) if regions.is_empty() => {
            "no region at all, so nothing is answered".to_owned()
        }
        Some(regions) => words::listed(regions),
    }
}

fn of_shared(shared: &Shared) -> Line {
    let word = words::period(shared.period);
    let (tone, what) = match (shared.before, shared.after) {
        (None, after) => (
            Tone::Stop,
            format!("comes: {} {word} for several together", cap(after)),
        ),
        (before, None) => (
            Tone::Allow,
            format!("goes: it was {} {word} for several together", cap(before)),
        ),
        (before, after) => (
            Tone::Ask,
            format!(
                "becomes {} instead of {} {word}, for several together",
                cap(after),
                cap(before)
            ),
        ),
    };
    Line {
        count: state(tone, "1"),
        what: Said::from(format!("budget, “{}”, {what}", shared.name)),
        first: Vec::new(),
        more: String::new(),
        groups: Said::default(),
    }
}

/// What is said of the programs of the last days, and those that would be refused.
fn programs(found: Option<&Programs>) -> (String, Vec<Line>) {
    let Some(found) = found else {
        let says = "Which programs of lately it would refuse is in the ledger, which your role does not read.";
        return (says.to_owned(), Vec::new());
    };
    let lines = found.refused.iter().take(PROGRAMS_MAX).map(of_program);
    let far = found.cut_at.map_or_else(
        || "in the last 7 days".to_owned(),
        |at| {
            format!(
                "in the newest {} requests, back to {}",
                show::count(found.looked_at),
                show::When::full(at).text()
            )
        },
    );
    let refused = show::count(found.refused.len() as u64);
    let says = format!(
        "{refused} of {} that {} used {far} would be refused for what they are or where they are.",
        show::counted(found.seen, "program", "programs"),
        show::counted(found.callers, "caller", "callers"),
    );
    (says, lines.collect())
}

fn of_program(refused: &Refused) -> Line {
    let version = refused.client.version.map(|version| format!(" {version}"));
    let program = words::program(refused.client.kind);
    let reasons: Vec<&str> = refused.reasons.iter().map(String::as_str).collect();
    let of = if refused.by.starts_with("per_") {
        "people"
    } else {
        "services"
    };
    Line {
        count: state(Tone::Stop, "1"),
        what: Said::from(format!(
            "{program}{}: {}",
            version.unwrap_or_default(),
            reasons.join(" ")
        )),
        first: vec![Link {
            to: format!("/console/{of}/{}", refused.by),
            word: Said::from(&refused.name),
        }],
        more: String::new(),
        groups: Said::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::window::Period;

    #[test]
    fn an_effect_reads_on_from_its_number() {
        let check = |effect: &Effect, is_one, expected: &str| {
            assert_eq!(said(effect, is_one), expected);
        };
        check(
            &Effect::Loses(vec!["claude-opus".to_owned()]),
            false,
            "lose claude-opus",
        );
        check(
            &Effect::Gains(vec!["claude-opus".to_owned()]),
            true,
            "gains claude-opus",
        );
        let dollars = |whole: i64| {
            Some(Cap {
                amount: Usd::from_cents(whole * 100),
                is_hard: true,
            })
        };
        let budget = Effect::Budget {
            period: Period::Monthly,
            before: dollars(120),
            after: dollars(90),
        };
        check(
            &budget,
            false,
            "may spend $90.00 instead of $120.00 a month",
        );
        let slow = Pace {
            requests: Some(1_000),
            at_once: Some(2),
            ..Pace::default()
        };
        let pace = Effect::Pace {
            before: Pace::default(),
            after: slow,
        };
        check(
            &pace,
            true,
            "is held to 1,000 requests a minute, 2 requests at a time instead of no limit",
        );
        let nowhere = Effect::Regions {
            before: None,
            after: Some(std::collections::BTreeSet::new()),
        };
        check(
            &nowhere,
            true,
            "keeps data in no region at all, so nothing is answered instead of any region",
        );
    }

    #[test]
    fn an_action_that_turns_says_which_way() {
        use ActionState::{Allow, Ask, Blocked};

        for (before, after, expected) in [
            (
                Allow,
                Ask,
                "needs an approval for merge of crm (allowed so far)",
            ),
            (
                Ask,
                Blocked,
                "may not use merge of crm any more (after an approval so far)",
            ),
            (
                Blocked,
                Ask,
                "may use merge of crm after an approval (blocked so far)",
            ),
            (
                Ask,
                Allow,
                "may use merge of crm (after an approval so far)",
            ),
        ] {
            let (connector, actions) = ("crm".to_owned(), vec!["merge".to_owned()]);
            let turned = Effect::Actions {
                connector,
                before,
                after,
                actions,
            };
            assert_eq!(said(&turned, true), expected);
        }
    }

    #[test]
    fn what_the_ledger_says_is_told_with_how_far_it_was_looked() {
        let (says, lines) = programs(None);
        assert!(says.contains("your role does not read") && lines.is_empty());
        let found = Programs {
            seen: 14,
            callers: 9,
            looked_at: 300,
            ..Programs::default()
        };
        assert_eq!(
            programs(Some(&found)).0,
            "0 of 14 programs that 9 callers used in the last 7 days would be refused for what they are or where they are."
        );
    }
}
