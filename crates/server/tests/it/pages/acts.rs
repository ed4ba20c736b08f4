//! What pages do: shut out, let in, end sessions; only by a form of ours, with a reason, by whoever may, and told afterwards.

use control::Role;
use domain::{Clock as _, Timestamp};
use server::system::SystemClock;

use super::setting::Setting;
use crate::api::setting::{person, things_of};

#[tokio::test]
async fn somebody_is_shut_out_and_let_in_again() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let ada = person(&setting.here, "ada").await;
    let theirs = setting.browser(ada, SystemClock.now()).await;
    let page = format!("/console/people/{ada}");
    let (out, back) = (format!("{page}/shut-out"), format!("{page}/let-in"));
    assert!(owner.get(&page).await.addresses().contains(&out));
    let asked = owner.get(&out).await;
    asked.is_well_made("shut out");
    assert!(
        asked.html().text.contains("Shut out ada@example.org ?"),
        "{}",
        asked.html().text
    );

    let wrong = owner.post(&out, &[("reason", "")]).await;
    assert_eq!(wrong.status, 422);
    wrong.is_well_made("shut out without a reason");
    assert!(setting.stored(ada).await.shut_out_at.is_none());

    let done = owner.post(&out, &[("reason", "left the company")]).await;
    assert_eq!(
        (done.status.as_u16(), done.header("location")),
        (303, &*format!("{page}?done=shut-out"))
    );
    assert!(setting.stored(ada).await.shut_out_at.is_some());
    let told = owner.get(done.header("location")).await;
    assert!(
        told.html().text.contains("is shut out"),
        "{}",
        told.html().text
    );
    assert_eq!(
        theirs.get("/me").await.status,
        303,
        "their browser is signed out"
    );

    let done = owner.post(&back, &[("reason", "came back")]).await;
    assert_eq!(done.status, 303);
    assert!(setting.stored(ada).await.shut_out_at.is_none());
    setting.end().await;
}

#[tokio::test]
async fn nothing_is_done_by_a_form_that_is_not_ours_or_by_whoever_may_not() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let ada = person(&setting.here, "ada").await;
    let act = format!("/console/people/{ada}/shut-out");
    let why = [("reason", "a test")];
    let theirs = owner.send(&act, &why, "https://evil.example", "x").await;
    assert_eq!(theirs.status, 400);
    theirs.is_well_made("another site's form");
    let base = setting.world.base.clone();
    assert_eq!(owner.send(&act, &why, &base, "x").await.status, 400);
    let stale = setting
        .browser(owner.person, Timestamp::from_unix_ms(0))
        .await;
    assert_eq!(stale.post(&act, &why).await.status, 403);
    for role in [Role::Auditor, Role::Approver, Role::Member] {
        let visitor = setting.visitor(role).await;
        assert_eq!(visitor.post(&act, &why).await.status, 403, "{role}");
        assert_eq!(visitor.get(&act).await.status, 403, "{role}");
        assert_eq!(
            visitor
                .post("/console/sessions/everyone/end", &why)
                .await
                .status,
            403,
            "{role}"
        );
    }
    assert!(setting.stored(ada).await.shut_out_at.is_none());
    setting.end().await;
}

#[tokio::test]
async fn a_session_ends_by_its_page_and_all_of_a_person_by_theirs() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let ada = person(&setting.here, "ada").await;
    let things = things_of(&setting.here, ada).await;
    let browser = setting.browser(ada, SystemClock.now()).await;
    let end = format!("/console/sessions/{}/end", things.session);
    assert!(
        owner
            .get("/console/sessions")
            .await
            .addresses()
            .contains(&end)
    );
    owner.get(&end).await.is_well_made("end a session");
    assert_eq!(owner.post(&end, &[("reason", "a test")]).await.status, 303);
    assert!(
        !owner
            .get("/console/sessions")
            .await
            .addresses()
            .contains(&end)
    );
    assert_eq!(
        browser.get("/me").await.status,
        200,
        "the other session stays"
    );
    let all = format!("/console/people/{ada}/end-sessions");
    assert_eq!(owner.post(&all, &[("reason", "a test")]).await.status, 303);
    assert_eq!(browser.get("/me").await.status, 303);
    assert!(
        setting.stored(ada).await.shut_out_at.is_none(),
        "they may come back"
    );
    assert_eq!(
        owner.get("/me").await.status,
        200,
        "nobody else is signed out"
    );
    setting.end().await;
}

#[tokio::test]
async fn everyones_sessions_end_at_once_and_ones_own_with_them() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let member = setting.visitor(Role::Member).await;
    let done = owner
        .post("/console/sessions/everyone/end", &[("reason", "a test")])
        .await;
    assert_eq!(done.status, 303);
    for visitor in [&owner, &member] {
        let page = visitor.get("/me").await;
        assert!(page.header("location").starts_with("/console/sign-in"));
    }
    setting.end().await;
}

#[tokio::test]
async fn people_end_their_own_other_sessions_and_nobody_elses() {
    let setting = Setting::set().await;
    let member = setting.visitor(Role::Member).await;
    let other = setting.browser(member.person, SystemClock.now()).await;
    let stranger = setting.visitor(Role::Member).await;
    let end = format!("/me/sessions/{}/end", other.session);
    assert_eq!(stranger.post(&end, &[]).await.status, 404);
    assert_eq!(other.get("/me").await.status, 200);
    let done = member.post(&end, &[]).await;
    assert_eq!(
        (done.status.as_u16(), done.header("location")),
        (303, "/me?done=ended")
    );
    assert_eq!(other.get("/me").await.status, 303);
    assert_eq!(member.get("/me").await.status, 200);
    setting.end().await;
}

#[tokio::test]
async fn people_end_all_their_other_sessions_at_once_and_stay_where_they_are() {
    let setting = Setting::set().await;
    let member = setting.visitor(Role::Member).await;
    let others = [
        setting.browser(member.person, SystemClock.now()).await,
        setting.browser(member.person, SystemClock.now()).await,
    ];
    let stranger = setting.visitor(Role::Member).await;
    let foreign = member
        .send("/me/sessions/end-others", &[], "https://evil.example", "x")
        .await;
    assert_eq!(foreign.status, 400);
    assert_eq!(others[0].get("/me").await.status, 200);
    let done = member.post("/me/sessions/end-others", &[]).await;
    assert_eq!(done.header("location"), "/me?done=ended");
    for other in &others {
        assert_eq!(other.get("/me").await.status, 303);
    }
    assert_eq!(member.get("/me").await.status, 200);
    assert_eq!(stranger.get("/me").await.status, 200);
    setting.end().await;
}
