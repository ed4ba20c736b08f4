//! What becomes otherwise for somebody when a policy follows another.

use super::*;
use domain::connectors::ActionClass;
use domain::{Caller, Credential, OrgId, PersonId, ServiceId};

const MODELS: [&str; 2] = ["claude-opus-5-5", "claude-sonnet-5-5"];

fn caller(subject: Subject, stable_id: &str, groups: &[&str]) -> Caller {
    Caller {
        org: OrgId::from_parts(0, 0),
        subject,
        stable_id: stable_id.into(),
        issuer: "company".into(),
        email: None,
        name: None,
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
        session: None,
        credential: Credential::Session,
    }
}

fn known(number: u128, name: &str, groups: &[&str]) -> Known {
    let subject = Subject::Person(PersonId::from_parts(1, number));
    Known {
        caller: caller(subject, name, groups),
        name: name.to_owned(),
    }
}

/// Ada and Grace of research, Edsger of nothing, and a service.
fn everyone() -> Everyone {
    let robot = Subject::Service(ServiceId::from_parts(1, 9));
    Everyone {
        people: vec![
            known(1, "Ada", &["research", "staff"]),
            known(2, "Grace", &["research"]),
            known(3, "Edsger", &["staff"]),
        ],
        services: Some(vec![Known {
            caller: caller(robot, "nightly", &[]),
            name: "nightly".to_owned(),
        }]),
        is_cut: false,
    }
}

/// What the connector `crm` lists.
fn listed() -> Vec<Listed> {
    let actions = [
        ("get_member", ActionClass::Read),
        ("delete_contact", ActionClass::Destructive),
        ("merge", ActionClass::Destructive),
    ];
    let listed = actions.map(|(action, class)| Listed {
        connector: "crm".to_owned(),
        action: action.to_owned(),
        class,
    });
    listed.into()
}

fn policy(text: &str) -> Policy {
    Policy::parse(1, text).unwrap()
}

fn blast(before: &str, after: &str) -> Blast {
    let models = MODELS.map(str::to_owned);
    effects(
        &policy(before),
        &policy(after),
        &everyone(),
        &models,
        &listed(),
    )
}

/// Each effect as `people/services: who`.
fn told(blast: &Blast) -> Vec<(Effect, String)> {
    let line = |touched: &Touched| {
        let names = touched.people.first.iter().chain(&touched.services.first);
        let names: Vec<&str> = names.map(|(_, name)| name.as_str()).collect();
        let (people, services) = (touched.people.count, touched.services.count);
        format!("{people}/{services}: {}", names.join(" "))
    };
    blast
        .touched
        .iter()
        .map(|touched| (touched.effect.clone(), line(touched)))
        .collect()
}

const ALL: &str = "[[grant]]\nname = \"all\"\nmodels = [\"claude-sonnet-*\"]\n";
const MAKERS: &str = "[[grant]]\nname = \"makers\"\nwho = { groups = [\"research\"] }\nmodels = [\"claude-opus-*\"]\n";

fn budget(whose: &str, amount: &str, rest: &str) -> String {
    format!(
        "[[budget]]\nname = \"b\"\nfor = \"{whose}\"\namount_usd = \"{amount}\"\nperiod = \"monthly\"\n{rest}\n"
    )
}

const fn dollars(whole: i64) -> Cap {
    Cap {
        amount: Usd::from_cents(whole * 100),
        is_hard: true,
    }
}

fn check(before: &str, after: &str, expected: &[(Effect, &str)]) {
    let found = told(&blast(before, after));
    let expected: Vec<(Effect, String)> = expected
        .iter()
        .map(|(effect, who)| (effect.clone(), (*who).to_owned()))
        .collect();
    assert_eq!(found, expected, "from {before:?} to {after:?}");
}

#[test]
fn who_loses_or_gains_a_model_is_decided_for_each() {
    let (opus, sonnet) = (vec![MODELS[0].to_owned()], vec![MODELS[1].to_owned()]);
    let both = format!("{ALL}{MAKERS}");
    let by_name = "[[grant]]\nname = \"g\"\nwho = { people = [\"Grace\"] }\ndeny_models = [\"claude-opus-*\"]\n";
    check(&both, &both, &[]);
    check(&both, &format!("# a word\n{both}"), &[]);
    check(&both, &both.replace("makers", "else"), &[]);
    let makers = "2/0: Ada Grace";
    check(&both, ALL, &[(Effect::Loses(opus.clone()), makers)]);
    check(ALL, &both, &[(Effect::Gains(opus.clone()), makers)]);
    let denied = format!("{both}{by_name}");
    check(&both, &denied, &[(Effect::Loses(opus), "1/0: Grace")]);
    let everyone = "3/1: Ada Grace Edsger nightly";
    check("", ALL, &[(Effect::Gains(sonnet), everyone)]);
}

#[test]
fn who_may_spend_or_do_otherwise_is_decided_for_each() {
    let monthly = |before, after| Effect::Budget {
        period: Period::Monthly,
        before,
        after,
    };
    let (everyone, staff) = ("3/1: Ada Grace Edsger nightly", "2/0: Ada Edsger");
    let dearer = monthly(Some(dollars(60)), Some(dollars(90)));
    let (less, more) = (budget("member", "60", ""), budget("member", "90", ""));
    check(&less, &more, &[(dearer, everyone)]);
    let makers = budget("member", "60", "who = { groups = [\"research\"] }");
    check(
        &makers,
        "",
        &[(monthly(Some(dollars(60)), None), "2/0: Ada Grace")],
    );
    let slow = Effect::Pace {
        before: Pace::default(),
        after: Pace {
            requests: Some(9),
            ..Pace::default()
        },
    };
    let limit =
        "[[limit]]\nname = \"l\"\nwho = { groups = [\"staff\"] }\nrequests_per_minute = 9\n";
    check("", limit, &[(slow, staff)]);
    let in_eu = Effect::Regions {
        before: None,
        after: Some(BTreeSet::from(["eu".to_owned()])),
    };
    let eu = "[[grant]]\nname = \"eu\"\nwho = { groups = [\"staff\"] }\nregions = [\"eu\"]\n";
    check("", eu, &[(in_eu, staff)]);
}

#[test]
fn what_is_demanded_looked_for_and_received_is_held_against_what_was() {
    let everyone = "3/1: Ada Grace Edsger nightly";
    let require = "[[require]]\nname = \"r\"\nclients = [\"sdk\"]\n";
    check("", require, &[(Effect::Demands, everyone)]);
    check("", "[[require]]\nname = \"r\"\n", &[]);
    let inspect = "[[inspect]]\nname = \"i\"\nwho = { groups = [\"research\"] }\ndetectors = [\"*\"]\naction = \"block\"\n";
    check("", inspect, &[(Effect::Inspection, "2/0: Ada Grace")]);
    let accept = "[acceptable_use]\nrequired = true\n";
    let people = "3/0: Ada Grace Edsger";
    check(
        "",
        accept,
        &[(Effect::AcceptableUse { demanded: true }, people)],
    );
    check(
        accept,
        "",
        &[(Effect::AcceptableUse { demanded: false }, people)],
    );
    let settings = "[[managed_settings]]\nname = \"m\"\nsettings = { model = \"x\" }\n[[desktop_settings]]\nname = \"d\"\nwho = { groups = [\"staff\"] }\nsettings = { a = 1 }\n";
    let received = [
        (Effect::ManagedSettings, everyone),
        (Effect::DesktopSettings, "2/0: Ada Edsger"),
    ];
    check("", settings, &received);
}

#[test]
fn models_that_the_same_people_lose_are_told_at_once_and_others_apart() {
    let both = "[[grant]]\nname = \"a\"\nwho = { groups = [\"research\"] }\nmodels = [\"*\"]\n";
    let models = MODELS.map(str::to_owned).to_vec();
    let whom = "2/0: Ada Grace".to_owned();
    assert_eq!(
        told(&blast(both, "")),
        [(Effect::Loses(models.clone()), whom.clone())]
    );
    let found = told(&blast(
        both,
        "[[grant]]\nname = \"a\"\nwho = { people = [\"Ada\"] }\nmodels = [\"claude-opus-*\"]\n",
    ));
    let apart = [
        (
            Effect::Loses(vec![models[0].clone()]),
            "1/0: Grace".to_owned(),
        ),
        (Effect::Loses(vec![models[1].clone()]), whom),
    ];
    assert_eq!(found, apart);
}

#[test]
fn a_group_is_named_with_how_many_of_it_and_how_many_are_in_it() {
    let found = blast(&format!("{ALL}{MAKERS}"), ALL);
    assert_eq!((found.people, found.services), (2, 0));
    assert_eq!((found.worse, found.better), (2, 0));
    let groups = &found.touched[0].people.groups;
    assert_eq!(
        *groups,
        [("research".to_owned(), 2, 2), ("staff".to_owned(), 1, 2),]
    );
}

#[test]
fn a_budget_that_several_share_is_told_by_its_name_and_not_for_each_of_them() {
    let found = blast(&budget("org", "900", ""), &budget("org", "800", ""));
    assert!(found.touched.is_empty());
    assert_eq!(found.shared.len(), 1);
    assert_eq!(found.shared[0].before, Some(dollars(900)));
    assert_eq!(found.shared[0].after, Some(dollars(800)));
    let gone = blast(&budget("org", "900", ""), "");
    assert_eq!(gone.shared[0].after, None);
}

#[test]
fn a_budget_turns_worse_when_it_shrinks_or_begins_to_refuse() {
    let turn = |before, after| {
        Effect::Budget {
            period: Period::Daily,
            before,
            after,
        }
        .turn()
    };
    let soft = Cap {
        is_hard: false,
        ..dollars(5)
    };
    assert_eq!(turn(None, Some(dollars(1))), Turn::Worse);
    assert_eq!(turn(Some(dollars(1)), None), Turn::Better);
    assert_eq!(turn(Some(dollars(2)), Some(dollars(1))), Turn::Worse);
    assert_eq!(turn(Some(dollars(1)), Some(dollars(2))), Turn::Better);
    assert_eq!(turn(Some(soft), Some(dollars(5))), Turn::Worse);
    assert_eq!(turn(Some(dollars(5)), Some(soft)), Turn::Better);
}

const CRM: &str = "[[connector]]\nname = \"crm\"\nurl = \"https://crm.example/mcp\"\n";

fn action(name: &str, who: &str, actions: &str, rest: &str) -> String {
    format!(
        "[[action]]\nname = \"{name}\"\nwho = {{ {who} }}\nconnector = \"*\"\nactions = [{actions}]\n{rest}\n"
    )
}

#[test]
fn which_actions_turn_and_which_way_is_told_and_what_no_state_shows_apart() {
    use ActionState::{Allow, Ask, Blocked};
    let acts = |before, after, actions: &[&str]| Effect::Actions {
        connector: "crm".to_owned(),
        before,
        after,
        actions: actions.iter().map(|&one| one.to_owned()).collect(),
    };
    let (all, makers) = ("3/1: Ada Grace Edsger nightly", "2/0: Ada Grace");
    let research = "groups = [\"research\"]";
    let allow = "state = \"allow\"";
    let open = format!("{CRM}{}", action("open", "", "\"*\"", allow));
    let more = |rest: &str| format!("{open}{rest}");
    let blocked = more(&action("no", research, "\"merge\"", "state = \"blocked\""));
    let asked = more(&action(
        "ask",
        "",
        "\"merge\", \"delete_*\"",
        "state = \"ask\"",
    ));
    check(&open, &open.replace("open", "else"), &[]);
    check(
        &open,
        &blocked,
        &[(acts(Allow, Blocked, &["merge"]), makers)],
    );
    check(
        &blocked,
        &open,
        &[(acts(Blocked, Allow, &["merge"]), makers)],
    );
    let both = ["delete_contact", "merge"];
    check(&open, &asked, &[(acts(Allow, Ask, &both), all)]);
    // Of two that turn for different people, each with theirs.
    check(
        &blocked,
        &asked,
        &[
            (acts(Allow, Ask, &["delete_contact"]), makers),
            (acts(Allow, Ask, &both), "1/1: Edsger nightly"),
            (acts(Blocked, Ask, &["merge"]), makers),
        ],
    );
    let second = asked.replace("state = \"ask\"", "state = \"ask\"\napprover = \"second\"");
    let elsewhere = open.replace("crm.example", "elsewhere.example");
    let narrowed = more(
        &(action("only", research, "\"get_*\"", allow)
            + "argument = [{ at = \"/id\", is = \"present\", then = \"blocked\" }]\n"),
    );
    let unlisted = more(&action("x", research, "\"unlisted\"", "state = \"ask\""));
    for (before, after, whom) in [
        (&asked, &second, all),
        (&open, &elsewhere, all),
        (&open, &narrowed, makers),
        (&open, &unlisted, makers),
    ] {
        check(before, after, &[(Effect::AtConnectors, whom)]);
    }
    let with_both = [(acts(Allow, Ask, &both), all), (Effect::AtConnectors, all)];
    check(&open, &second, &with_both);
    assert_eq!(acts(Allow, Ask, &both).turn(), Turn::Worse);
    assert_eq!(acts(Blocked, Ask, &both).turn(), Turn::Better);
}
