//! What people agree to and what is to be done for them, for the setting.

use control::acceptable_use::{self, NewDraft};
use control::members::{Expected, Given};
use control::tasks::Wanted;
use control::{Control, members, tasks};
use domain::Clock as _;
use domain::acceptable_use::Variables;
use domain::task::TaskKind;
use server::system::SystemClock;

use super::setting::machine;

/// The number of the acceptable-use policy in force; one that nobody has when there is none.
pub(super) async fn use_version(control: &Control) -> String {
    let published = control.store.published_use(control.org).await.unwrap();
    let version = published.map_or(99, |published| published.version);
    version.to_string()
}

/// Saves a draft that is ready to be published, and returns its `ETag`.
pub(super) async fn draft(control: &Control, words: &str) -> String {
    let machine = machine();
    let operation = control.operation(&machine);
    let stands = acceptable_use::draft::read(&operation, "").await.unwrap();
    let new = NewDraft {
        text: format!("# Use\nOf {words}.\n{{{{monitoring}}}}\n"),
        values: Variables::new(),
        language: "en".to_owned(),
    };
    let saved = acceptable_use::save(&operation, stands.tag, new).await;
    saved.unwrap().tag.to_string()
}

/// Something to be done for somebody who leaves.
pub(super) async fn task(control: &Control, who: &str) -> String {
    let machine = machine();
    let operation = control.operation(&machine);
    let at = SystemClock.now();
    tasks::tell_leaver(&operation, who, at, "a test")
        .await
        .unwrap();
    let wanted = Wanted {
        about: Some(who.to_owned()),
        kind: Some(TaskKind::RemoveFromWorkspace),
        ..Wanted::default()
    };
    let found = tasks::list(&operation, &wanted, None, 1).await.unwrap();
    found[0].id.to_string()
}

/// A member list of nobody, held against the directory.
pub(crate) async fn list_checked(control: &Control) {
    let machine = machine();
    let operation = control.operation(&machine);
    let people = members::everyone(&operation).await.unwrap();
    let compared = members::compare(&[], &people, &Expected::default());
    let given = Given {
        source: "first.csv",
        hash: "00",
        look_only: true,
    };
    members::check(&operation, &[], &compared, given)
        .await
        .unwrap();
}
