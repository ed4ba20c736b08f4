//! The demo's sample data: a ledger that is really chained and signed, refusals that the rules made, somebody who costs far more than the
//! others, and a gateway that goes on from it.

use std::collections::BTreeSet;
use std::time::Duration;

use control::tasks::{self, Standing, Wanted};
use control::{Actor, approvals, connectors, evidence, policies, rollout, service_keys};
use domain::window::DAY_MS;
use domain::{Clock as _, limits};
use ledger::PublicKey;
use ledger::verify::{Trust, verify_folder};
use server::demo::world::{Stage, World};
use server::system::SystemClock;

/// Refusals that the weeks hold on whatever day they are made.
const REASONS: [&str; 9] = [
    "acceptable_use_required",
    "budget_spent",
    "client_too_old",
    "content_blocked",
    "credential_malformed",
    "model_not_allowed",
    "not_granted",
    "person_revoked",
    "token_rate",
];

#[tokio::test]
async fn the_sample_data_is_a_ledger_that_holds_and_a_gateway_goes_on_from_it() {
    let (stage, made) = Stage::set_with_past(0).await.unwrap();
    let folder = &stage.config.ledger.dir;
    let key = std::fs::read_to_string(folder.join("ledger.pub")).unwrap();
    let mut trust = Trust::none();
    trust.add_key(key.trim().parse::<PublicKey>().unwrap());
    let report = verify_folder(folder, trust).unwrap();
    assert!(report.is_clean(), "{report}");
    assert!(made.calls > 2_000 && made.refused > 50, "{made:?}");

    let world = World::on(stage).await.unwrap();
    let wired = &world.running.wired;
    let (store, org, now) = (&wired.store, wired.org, SystemClock.now());
    let range = (now.plus_ms(-30 * DAY_MS), now.plus_ms(DAY_MS));

    let people = store.people_count(org).await.unwrap();
    assert_eq!(people.all, made.people as u64);
    assert!(people.may_come_in < people.all, "somebody left");
    let refused = store.refusals(org, range.0, range.1).await.unwrap();
    let refused: BTreeSet<_> = refused.iter().map(|sum| &*sum.code).collect();
    for reason in REASONS {
        assert!(refused.contains(reason), "no {reason} among {refused:?}");
    }
    assert!(
        !refused.contains("store_unavailable") && !refused.contains("internal"),
        "{refused:?}"
    );

    let used = store.usage_by_person(org, range.0, range.1, 100);
    let used = used.await.unwrap();
    let used: Vec<_> = used
        .iter()
        .filter(|sum| sum.of.starts_with("per_"))
        .collect();
    let all: i64 = used.iter().map(|sum| sum.cost.nanos()).sum();
    let average = all / i64::try_from(used.len()).unwrap();
    assert!(used.len() > 35, "{} people used something", used.len());
    assert!(used[0].cost.nanos() > 5 * average, "nobody stands out");
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test]
async fn the_sample_data_has_rules_with_reasons_and_tasks_that_are_done_open_and_late() {
    let (stage, _) = Stage::set_with_past(0).await.unwrap();
    let world = World::on(stage).await.unwrap();
    let control = world.running.wired.control();
    let actor = Actor::command_line("test");
    let operation = control.operation(&actor);
    let now = SystemClock.now();

    let versions = policies::versions(&operation, None, 50).await.unwrap();
    assert_eq!(versions.len(), 8);
    assert!(versions.iter().all(|version| !version.reason.is_empty()));
    assert!(versions.is_sorted_by(|newer, older| newer.created > older.created));
    let page = limits::STORE_PAGE_MAX;
    let wanted = Wanted::default();
    let tasks = tasks::list(&operation, &wanted, None, page).await.unwrap();
    let standing: Vec<_> = tasks
        .iter()
        .map(|task| tasks::standing(task, now))
        .collect();
    let has = |wanted: fn(&Standing) -> bool| standing.iter().any(wanted);
    assert!(has(|one| *one == Standing::Done), "{standing:?}");
    assert!(has(|one| *one == Standing::Open), "{standing:?}");
    assert!(
        has(|one| matches!(one, Standing::Overdue { .. })),
        "{standing:?}"
    );
    let keys = service_keys::list(&operation).await.unwrap();
    let opens = keys.iter().filter(|key| service_keys::opens(key, now));
    assert_eq!((keys.len(), opens.count()), (3, 2));

    for kind in rollout::KINDS {
        let newest = evidence::newest(&operation, kind).await.unwrap().unwrap();
        assert!(evidence::holds(&operation, &newest), "{kind}: {newest:?}");
    }
    let connectors = connectors::list(&operation).await.unwrap();
    let crm = connectors.iter().find(|one| one.connector.name == "crm");
    let counts = &crm.unwrap().counts;
    assert_eq!((counts.changed, counts.approved, counts.new), (2, 5, 4));
    assert!(counts.suspicious > 0, "{counts:?}");
    let (approvals, _) = approvals::list(&operation, false, None, page)
        .await
        .unwrap();
    let states: BTreeSet<_> = approvals.iter().map(|one| one.state.as_str()).collect();
    // what was approved yesterday and not used is over by now
    assert_eq!(states, ["consumed", "denied", "expired", "pending"].into());
    world.stop(Duration::from_secs(2)).await.unwrap();
}
