//! A rule whose detector is misspelt looks on and is off: the program refuses to put it in force, and names it where it is.

use std::sync::Arc;

use control::policies::Examine;
use control::{Actor, ControlError, policies};
use server::demo::world::Stage;
use server::policy_command::Here;
use server::system::{SystemClock, SystemIds};
use server::wiring;

use crate::run::said;

const RIGHT: &str = include_str!("../../src/demo/policy.toml");
const TOLD: &str = "[[inspect]] \"no secrets\" looks for `secrets.*`, which no detector is called; is `secret.*` meant?";

fn misspelt() -> String {
    RIGHT.replace("\"secret.*\"", "\"secrets.*\"")
}

/// An older version, which did not look.
#[derive(Debug)]
struct Careless;

impl Examine for Careless {
    fn mistakes(&self, _: &domain::Policy) -> Vec<String> {
        Vec::new()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_and_apply_refuse_a_detector_that_is_not_there_and_leave_the_policy_as_it_is() {
    let stage = Stage::set(0).await.unwrap();
    let file = stage.dir.path().join("policy.toml");
    std::fs::write(&file, misspelt()).unwrap();
    let file = file.display().to_string();
    for arguments in [
        &["policy", "plan", &file][..],
        &[
            "policy",
            "apply",
            &file,
            "--reason",
            "a slip",
            "--expected",
            "1",
        ],
    ] {
        let (code, text) = said(&stage.config_file(), arguments).await;
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(TOLD), "{text}");
    }
    let (_, text) = said(&stage.config_file(), &["policy", "export"]).await;
    assert!(!text.contains("secrets.*"), "{text}");
}

/// Whoever calls gets the same sentence, because it is `apply` itself that refuses: no face of it can forget to.
#[tokio::test(flavor = "multi_thread")]
async fn applying_refuses_by_itself_what_would_not_do_here_what_it_says() {
    let stage = Stage::set(0).await.unwrap();
    let control = wiring::admin(&stage.config, Arc::new(SystemClock), Arc::new(SystemIds))
        .await
        .unwrap();
    let actor = Actor::command_line("a face that does not look");
    let operation = control.operation(&actor);
    let alone = Here::of(&stage.config);
    let among_two = Here {
        issuers_for_people: 2,
        ..alone.clone()
    };
    for (here, text, told) in [
        (alone, misspelt(), TOLD),
        (
            among_two,
            RIGHT.to_owned(),
            "2 issuers vouch for people, and a name at one may be somebody else's at another",
        ),
    ] {
        let planned = policies::plan(&operation, &text, &here).await;
        let applied = policies::apply(&operation, &text, "a slip", Some(1), &here).await;
        for refused in [planned.map(drop), applied.map(drop)] {
            let error = refused.unwrap_err();
            assert!(matches!(error, ControlError::Meaningless(_)), "{error}");
            let mistakes = error.mistakes().join("; ");
            assert!(mistakes.contains(told), "{mistakes}");
        }
    }
    let latest = policies::latest(&operation).await.unwrap().unwrap();
    assert_eq!((latest.version, &*latest.text), (1, RIGHT));
    control.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_fails_a_policy_in_force_whose_detector_is_not_there() {
    let stage = Stage::set(0).await.unwrap();
    let control = wiring::admin(&stage.config, Arc::new(SystemClock), Arc::new(SystemIds))
        .await
        .unwrap();
    let actor = Actor::command_line("an older version");
    let operation = control.operation(&actor);
    policies::apply(&operation, &misspelt(), "a slip", Some(1), &Careless)
        .await
        .unwrap();
    control.store.close().await;
    let (code, text) = said(&stage.config_file(), &["doctor"]).await;
    assert_eq!(code, Some(1), "{text}");
    let line = text.lines().find(|line| line.contains("policy")).unwrap();
    assert!(line.starts_with("FAIL") && text.contains(TOLD), "{text}");
}
