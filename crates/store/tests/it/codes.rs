//! Authorization codes, assertions and programs that register themselves: what each is bound to, what a second use does, and how many
//! there may be.

use domain::{PersonId, SessionId, limits};
use store::sessions::{Exchange, Holder};
use store::{
    Asserted, AssertionTaken, AuthorizationCode, Began, Bound, OauthClient, Redeem, Redeemed,
    Rotation,
};

use crate::bed::{Bed, at, number, on_both_engines};

const TASKS: &str = "https://ai.example/mcp/tasks";
const MAIL: &str = "https://ai.example/mcp/mail";
const CB: &str = "http://localhost:1/cb";

fn bound(began_by: Began) -> Bound {
    Bound {
        client_id: "claude".to_owned(),
        resource: TASKS.to_owned(),
        scope: "mcp".to_owned(),
        began_by,
    }
}

async fn code(bed: &Bed, name: &str, person: PersonId) -> SessionId {
    let session = SessionId::from_parts(4, number().into());
    let code = AuthorizationCode {
        code_hash: name.to_owned(),
        bound: bound(Began::Code),
        client_name: "Claude".to_owned(),
        redirect_uri: CB.to_owned(),
        challenge: "right".to_owned(),
        person,
        session,
        created: at(1),
        expires: at(60_000),
    };
    let kept = bed.store.insert_authorization_code(bed.org, &code).await;
    kept.unwrap();
    session
}

fn redeem<'a>(bed: &Bed, code_hash: &'a str, refresh_hash: &'a str) -> Redeem<'a> {
    Redeem {
        org: bed.org,
        code_hash,
        client_id: "claude",
        redirect_uri: Some(CB),
        challenge: "right",
        resource: Some(TASKS),
        at: at(10),
        refresh_hash,
        refresh_expires: at(3_600_000),
    }
}

async fn take(bed: &Bed, redeem: Redeem<'_>) -> Redeemed {
    bed.store.redeem_code(redeem).await.unwrap()
}

fn begun(redeemed: Redeemed) -> Holder {
    match redeemed {
        Redeemed::Begun(holder) => *holder,
        other => panic!("{other:?}"),
    }
}

fn refresh<'a>(bed: &Bed, old_hash: &'a str, new_hash: &'a str) -> Exchange<'a> {
    Exchange {
        org: bed.org,
        old_hash,
        new_hash,
        at: at(20),
        grace_ms: 0,
        expires: at(3_600_000),
        client_id: Some("claude"),
        resource: None,
    }
}

fn client(name: &str, created: i64) -> OauthClient {
    OauthClient {
        client_id: format!("dwc_{name}"),
        name: name.to_owned(),
        redirect_uris: vec![CB.to_owned()],
        created: at(created),
        used_at: None,
    }
}

fn asserted<'a>(bed: &Bed, person: PersonId, jti: &'a str, bound: &'a Bound) -> Asserted<'a> {
    Asserted {
        org: bed.org,
        person,
        issuer: "okta",
        jti_hash: jti,
        expires: at(300_000),
        made: at(1),
        bound,
        client_name: "Claude",
        session: SessionId::from_parts(4, number().into()),
        at: at(10),
    }
}

on_both_engines! {
    async fn a_code_begins_one_session_bound_to_its_program_and_connector(bed) {
        let person = bed.person("tid/oid").await;
        let session = code(&bed, "a", person.id).await;
        let holder = begun(take(&bed, redeem(&bed, "a", "first")).await);
        assert_eq!((holder.session.id, &holder.session.client), (session, &"Claude".to_owned()));
        assert_eq!(holder.bound, Some(bound(Began::Code)));
        let next = bed.store.exchange_refresh(refresh(&bed, "first", "second")).await.unwrap();
        assert!(matches!(next, Rotation::Rotated(holder) if holder.bound == Some(bound(Began::Code))));
    }

    async fn a_code_that_comes_again_ends_the_session_it_began(bed) {
        let person = bed.person("tid/oid").await;
        let session = code(&bed, "a", person.id).await;
        begun(take(&bed, redeem(&bed, "a", "first")).await);
        // Whoever has it now need not know anything else of it.
        let thief = Redeem { client_id: "evil", challenge: "guessed", ..redeem(&bed, "a", "other") };
        assert_eq!(take(&bed, thief).await, Redeemed::Again(session));
        let ended = bed.store.session(bed.org, session).await.unwrap().unwrap();
        assert!(ended.ended_at.is_some());
        let next = bed.store.exchange_refresh(refresh(&bed, "first", "second")).await.unwrap();
        assert_eq!(next, Rotation::SessionEnded(session));
    }

    async fn a_code_presented_with_anything_else_is_spent(bed) {
        let person = bed.person("tid/oid").await.id;
        let good = redeem(&bed, "", "first");
        for (name, change, expected) in [
            ("client", Redeem { client_id: "evil", ..good }, Redeemed::Mismatch),
            ("redirect", Redeem { redirect_uri: Some("http://localhost:2/cb"), ..good }, Redeemed::Mismatch),
            ("verifier", Redeem { challenge: "guessed", ..good }, Redeemed::Mismatch),
            ("resource", Redeem { resource: Some(MAIL), ..good }, Redeemed::OtherResource),
            ("late", Redeem { at: at(60_000), ..good }, Redeemed::Expired),
        ] {
            let session = code(&bed, name, person).await;
            assert_eq!(take(&bed, Redeem { code_hash: name, ..change }).await, expected, "{name}");
            let again = Redeem { code_hash: name, ..good };
            assert_eq!(take(&bed, again).await, Redeemed::Again(session), "{name}");
        }
        assert_eq!(take(&bed, Redeem { code_hash: "nothing", ..good }).await, Redeemed::Unknown);
        assert_eq!(bed.count("SELECT COUNT(*) FROM sessions").await, 0);
    }

    async fn of_many_who_present_a_code_at_once_none_keeps_a_session(bed) {
        let person = bed.person("tid/oid").await;
        let session = code(&bed, "a", person.id).await;
        let tries = (0..8).map(|number| {
            let (store, org) = (bed.store.clone(), bed.org);
            tokio::spawn(async move {
                let hash = format!("refresh {number}");
                let redeem = Redeem { org, refresh_hash: &hash, ..redeem_of(org) };
                store.redeem_code(redeem).await.unwrap()
            })
        });
        let mut begun = 0;
        for one in tries.collect::<Vec<_>>() {
            begun += usize::from(matches!(one.await.unwrap(), Redeemed::Begun(_)));
        }
        assert_eq!(begun, 1);
        assert!(bed.store.session(bed.org, session).await.unwrap().unwrap().ended_at.is_some());
    }

    async fn whoever_was_shut_out_or_signed_out_since_gets_no_session(bed) {
        let person = bed.person("tid/oid").await.id;
        code(&bed, "a", person).await;
        assert!(bed.store.shut_out(bed.org, person, at(2), "left").await.unwrap());
        assert_eq!(take(&bed, redeem(&bed, "a", "first")).await, Redeemed::ShutOut);
    }

    async fn an_outage_in_the_middle_leaves_a_code_as_good_as_it_was(bed) {
        let person = bed.person("tid/oid").await.id;
        code(&bed, "a", person).await;
        for table in ["people", "sessions", "refresh_tokens", "session_bounds"] {
            bed.take_away(table).await;
            let error = bed.store.redeem_code(redeem(&bed, "a", "first")).await.unwrap_err();
            assert!(error.nothing_written(), "{table}: {error:?}");
            bed.bring_back(table).await;
        }
        begun(take(&bed, redeem(&bed, "a", "first")).await);
    }

    async fn a_refresh_token_is_exchanged_for_its_own_program_and_connector_alone(bed) {
        let person = bed.person("tid/oid").await;
        let session = code(&bed, "a", person.id).await;
        begun(take(&bed, redeem(&bed, "a", "first")).await);
        let good = refresh(&bed, "first", "second");
        for client_id in [None, Some("evil")] {
            let other = bed.store.exchange_refresh(Exchange { client_id, ..good }).await.unwrap();
            assert_eq!(other, Rotation::OtherClient(session));
        }
        let other = Exchange { resource: Some(MAIL), ..good };
        assert_eq!(bed.store.exchange_refresh(other).await.unwrap(), Rotation::OtherResource(session));
        let right = bed.store.exchange_refresh(Exchange { resource: Some(TASKS), ..good }).await.unwrap();
        assert!(matches!(right, Rotation::Rotated(_)));
    }

    async fn an_assertion_counts_once_and_one_session_carries_them_all(bed) {
        let person = bed.person("tid/oid").await.id;
        let bound = bound(Began::Assertion);
        let take = async |asserted| bed.store.take_assertion(asserted).await.unwrap();
        let AssertionTaken::In(first) = take(asserted(&bed, person, "1", &bound)).await else { panic!() };
        assert_eq!(take(asserted(&bed, person, "1", &bound)).await, AssertionTaken::Again);
        let AssertionTaken::In(second) = take(asserted(&bed, person, "2", &bound)).await else { panic!() };
        assert_eq!(first.session.id, second.session.id);
        let mail = Bound { resource: MAIL.to_owned(), ..bound.clone() };
        let AssertionTaken::In(third) = take(asserted(&bed, person, "3", &mail)).await else { panic!() };
        assert_ne!(first.session.id, third.session.id);
        assert!(bed.store.shut_out(bed.org, person, at(2), "left").await.unwrap());
        assert_eq!(take(asserted(&bed, person, "4", &bound)).await, AssertionTaken::ShutOut);
    }

    async fn a_flood_of_registrations_pushes_out_none_that_is_used(bed) {
        let insert = async |name: &str, created| bed.store.insert_oauth_client(bed.org, &client(name, created)).await;
        insert("used", 0).await.unwrap();
        bed.store.note_oauth_client_use(bed.org, "dwc_used", at(5)).await.unwrap();
        bed.fill_oauth_clients(limits::OAUTH_CLIENTS_MAX - 1).await;
        for number in 0..3 {
            insert(&format!("new{number}"), 100 + number).await.unwrap();
        }
        assert_eq!(bed.count("SELECT COUNT(*) FROM oauth_clients").await, limits::OAUTH_CLIENTS_MAX);
        let used = bed.store.oauth_client(bed.org, "dwc_used").await.unwrap().unwrap();
        assert_eq!((used.used_at, used.redirect_uris), (Some(at(5)), vec![CB.to_owned()]));
        assert!(bed.store.oauth_client(bed.org, "dwc_new2").await.unwrap().is_some());
        assert_eq!(bed.store.oauth_client(bed.other_org().await, "dwc_new2").await.unwrap(), None);
    }

    async fn what_is_over_is_forgotten_and_what_is_used_stays(bed) {
        let person = bed.person("tid/oid").await.id;
        code(&bed, "a", person).await;
        assert_eq!(bed.store.purge_authorization_codes(at(60_000)).await.unwrap(), 0);
        assert_eq!(bed.store.purge_authorization_codes(at(60_001)).await.unwrap(), 1);
        let bound = bound(Began::Assertion);
        bed.store.take_assertion(asserted(&bed, person, "1", &bound)).await.unwrap();
        assert_eq!(bed.store.purge_assertions(at(300_000)).await.unwrap(), 0);
        assert_eq!(bed.store.purge_assertions(at(300_001)).await.unwrap(), 1);
        for (name, created, used) in [("old", 0, None), ("new", 50, None), ("used", 0, Some(20)), ("long ago", 0, Some(5))] {
            bed.store.insert_oauth_client(bed.org, &client(name, created)).await.unwrap();
            if let Some(used) = used {
                bed.store.note_oauth_client_use(bed.org, &format!("dwc_{name}"), at(used)).await.unwrap();
            }
        }
        assert_eq!(bed.store.purge_oauth_clients(bed.org, (at(40), at(10))).await.unwrap(), 2);
        for (name, stays) in [("old", false), ("new", true), ("used", true), ("long ago", false)] {
            let found = bed.store.oauth_client(bed.org, &format!("dwc_{name}")).await.unwrap();
            assert_eq!(found.is_some(), stays, "{name}");
        }
    }
}

fn redeem_of(org: domain::OrgId) -> Redeem<'static> {
    Redeem {
        org,
        code_hash: "a",
        client_id: "claude",
        redirect_uri: None,
        challenge: "right",
        resource: None,
        at: at(10),
        refresh_hash: "",
        refresh_expires: at(3_600_000),
    }
}
