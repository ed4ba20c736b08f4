//! The acceptable-use policy over the API: several write, one publishes, everybody says their own yes, and nobody says another's.

use std::sync::Arc;

use control::Right;
use http::Method;
use serde_json::{Value, json};
use testkit::Answer;

use super::agreed::draft;
use super::setting::{Setting, machine, person, token};

const DRAFT: &str = "/api/v1/acceptable-use/draft";
const ACCEPT: &str = "/api/v1/me/acceptable-use/accept";

async fn save(setting: &Setting, who: &str, etag: &str, body: &Value) -> Answer {
    let request = setting.client(who).request(Method::PUT, DRAFT);
    let request = request.header("if-match", etag).json(body);
    request.send().await.unwrap()
}

async fn publish(setting: &Setting, who: &str, etag: &str) -> Answer {
    let path = "/api/v1/acceptable-use/publish";
    let request = setting.client(who).request(Method::POST, path);
    let request = request
        .header("if-match", etag)
        .json(&json!({"reason": "a test"}));
    request.send().await.unwrap()
}

async fn etag(setting: &Setting) -> String {
    let stands = setting.client("owner").get(DRAFT).await.unwrap();
    stands.header("etag").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_written_looked_at_and_published_and_says_what_is_recorded() {
    let setting = Setting::set().await;
    let admin = setting.client("admin");
    let template = admin
        .get("/api/v1/acceptable-use/template")
        .await
        .unwrap()
        .json();
    let unfilled = template["mistakes"].to_string();
    assert!(
        unfilled.contains("`{{contact}}` is still to be filled in"),
        "{unfilled}"
    );
    assert_eq!(template["variables"].as_array().unwrap().len(), 3);

    let mut body = json!({
        "text": template["text"], "values": {"organisation": "Northwind", "contact": "the IT desk"}
    });
    let saved = save(&setting, "admin", &etag(&setting).await, &body).await;
    assert_eq!(saved.status, 200, "{}", saved.text());
    let unfilled = saved.json()["mistakes"].to_string();
    assert!(
        unfilled.contains("{{reach}}") && !unfilled.contains("{{contact}}"),
        "{unfilled}"
    );
    let early = publish(&setting, "admin", saved.header("etag").unwrap()).await;
    assert_eq!(early.status, 400);
    assert!(early.json()["mistakes"].to_string().contains("{{reach}}"));

    body["values"]["reach"] = json!("it@northwind.example");
    let preview = admin.post("/api/v1/acceptable-use/preview", &body);
    let preview = preview.await.unwrap().json();
    assert_eq!(preview["mistakes"], json!([]));
    let paragraph = preview["monitoring"].as_str().unwrap();
    let whole = preview["text"].as_str().unwrap();
    assert!(whole.contains(paragraph.trim()) && paragraph.contains("leaves a record"));

    let saved = save(&setting, "admin", saved.header("etag").unwrap(), &body).await;
    let published = publish(&setting, "admin", saved.header("etag").unwrap()).await;
    assert_eq!(published.status, 201, "{}", published.text());
    assert_eq!(published.json()["version"], 2);
    let stands = admin.get("/api/v1/acceptable-use").await.unwrap().json();
    assert_eq!(
        (&stands["text"], &stands["outdated"]),
        (&json!(whole), &json!(false))
    );
    let changes = admin.get("/api/v1/acceptable-use/versions/2?since=1");
    let changes = changes.await.unwrap().json()["changes"].to_string();
    assert!(changes.contains("-Of first."), "{changes}");
    let again = publish(&setting, "admin", &etag(&setting).await).await;
    assert_eq!(
        (again.status, &again.json()["changed"]),
        (200, &json!(false))
    );
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_whose_paragraph_is_no_longer_true_says_so_and_why() {
    let setting = Setting::set().await;
    let owner = setting.client("owner");
    let policy = owner.get("/api/v1/policy").await.unwrap();
    let text = policy.json()["text"].as_str().unwrap().replace(
        "detectors = [\"secret.*\"]\naction = \"block\"",
        "detectors = [\"secret.*\"]\naction = \"observe\"",
    );
    let applied = owner
        .request(Method::PUT, "/api/v1/policy")
        .header("if-match", policy.header("etag").unwrap())
        .json(&json!({"text": text, "reason": "look only"}));
    assert_eq!(applied.send().await.unwrap().status, 200);
    let stands = owner.get("/api/v1/acceptable-use").await.unwrap().json();
    assert_eq!(stands["outdated"], true);
    let because = stands["outdated_because"].as_str().unwrap();
    assert!(
        because.contains("\n-") && because.contains("\n+"),
        "{because}"
    );
    let member = setting.client("member");
    let own = member.get("/api/v1/me/acceptable-use").await.unwrap();
    let own = own.json();
    assert!(own["recorded_now"].is_string(), "people are told as well");
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_save_the_draft_the_second_gets_the_difference_and_nothing_is_lost() {
    let setting = Setting::set().await;
    let tag = etag(&setting).await;
    let (ours, theirs) = (json!({"text": "ours\n"}), json!({"text": "theirs\n"}));
    let (one, two) = tokio::join!(
        save(&setting, "owner", &tag, &ours),
        save(&setting, "admin", &tag, &theirs)
    );
    let (won, lost) = if one.status == 200 {
        (one, two)
    } else {
        (two, one)
    };
    assert_eq!((won.status, lost.status), (200, 412), "{}", lost.text());
    let conflict = &lost.json()["conflict"];
    assert_eq!(conflict["etag"].as_str(), won.header("etag"));
    assert!(conflict["diff"].as_str().unwrap().contains("ours"));
    // Who publishes what they did not read is refused as well, also when it is the version beside it that changed.
    assert_eq!(publish(&setting, "admin", &tag).await.status, 412);
    let ready = format!("\"{}\"", draft(&setting.here, "ready").await);
    assert_eq!(publish(&setting, "owner", &ready).await.status, 201);
    assert_eq!(publish(&setting, "admin", &ready).await.status, 412);
    let blind = setting
        .client("owner")
        .request(Method::PUT, DRAFT)
        .json(&ours);
    assert_eq!(blind.send().await.unwrap().status, 428);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_is_ones_own_for_the_version_that_was_read_and_counted_with_its_denominator() {
    let setting = Setting::set().await;
    let member = setting.client("member");
    let own = member
        .get("/api/v1/me/acceptable-use")
        .await
        .unwrap()
        .json();
    assert_eq!(
        (&own["version"], &own["counts"]),
        (&json!(1), &json!(false))
    );
    for (body, status) in [
        (json!({"version": 2}), 412),
        (json!({"version": 0}), 412),
        (json!({"version": "1"}), 400),
        (json!({"version": -1}), 400),
        (json!({}), 400),
        (
            json!({"version": 1, "person": setting.people["owner"].to_string()}),
            400,
        ),
    ] {
        let answer = member.post(ACCEPT, &body).await.unwrap();
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    for _ in 0..2 {
        let accepted = member.post(ACCEPT, &json!({"version": 1})).await.unwrap();
        assert_eq!(accepted.status, 200, "{}", accepted.text());
        assert_eq!(accepted.json()["counts"], true);
        assert_eq!(accepted.json()["accepted"]["way"], "api");
    }
    let owner = setting.client("owner");
    let report = owner
        .get("/api/v1/acceptable-use/report")
        .await
        .unwrap()
        .json();
    assert_eq!(
        (&report["accepted"], &report["people"]),
        (&json!(1), &json!(6))
    );
    assert_eq!(report["missing"], 5);
    let list = async |query: &str| {
        let path = format!("/api/v1/acceptable-use/acceptances?{query}");
        owner.get(&path).await.unwrap().json()
    };
    let yes = list("accepted=true").await;
    assert_eq!(yes["items"].as_array().unwrap().len(), 1);
    assert_eq!(yes["items"][0]["email"], "member@example.org");
    let (mut seen, mut query) = (0, "accepted=false&limit=2".to_owned());
    loop {
        let page = list(&query).await;
        seen += page["items"].as_array().unwrap().len();
        let Some(next) = page["next"].as_str() else {
            break;
        };
        query = format!("accepted=false&limit=2&after={next}");
    }
    assert_eq!(seen, 5, "nobody twice and nobody missed");
    let kept = setting
        .here
        .store
        .acceptances_of(setting.here.org, setting.people["member"], 9);
    let kept = kept.await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].address.as_deref(), Some("127.0.0.1"));
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_says_yes_for_its_owner_and_names_are_for_those_who_may_see_people() {
    let setting = Setting::set().await;
    let admin = setting.people["admin"];
    let (_, secret) = token(
        &setting.here,
        admin,
        &[Right::AcceptableUseRead, Right::OwnRead],
    )
    .await;
    let script = testkit::Actor::with_bearer(&setting.world.base, &secret);
    let status = async |path: &str| script.get(path).await.unwrap().status;
    assert_eq!(status("/api/v1/me/acceptable-use").await, 200);
    assert_eq!(status("/api/v1/acceptable-use/report").await, 200);
    assert_eq!(status("/api/v1/acceptable-use/acceptances").await, 403);
    let yes = script.post(ACCEPT, &json!({"version": 1})).await.unwrap();
    assert_eq!(yes.json()["code"], "scope_missing");
    assert_eq!(yes.status, 403);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_texts_and_values_are_refused_and_markup_stays_text() {
    let setting = Setting::set().await;
    let tag = etag(&setting).await;
    let value = |value: &str| json!({"text": "{{contact}}", "values": {"contact": value}});
    for body in [
        json!({"text": ""}),
        json!({"text": "a\u{1b}[2J"}),
        json!({"text": "a\u{202e}b"}),
        json!({"text": "x".repeat(65 * 1024)}),
        json!({"text": "a", "language": "\"><b>"}),
        json!({"text": "a", "values": {"monitoring": "Nothing is recorded."}}),
        json!({"text": "a", "values": {"A\u{1b}": "x"}}),
        json!({"text": "a", "org": "org_0"}),
        value("a\nb"),
        value("{{reach}}"),
        value(&"x".repeat(201)),
        value(""),
    ] {
        let answer = save(&setting, "owner", &tag, &body).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(!answer.text().contains("\\u001b"), "{}", answer.text());
    }
    let large = save(
        &setting,
        "owner",
        &tag,
        &json!({"text": "x".repeat(1 << 20)}),
    )
    .await;
    assert_eq!(large.status, 413);
    let markup = json!({"text": "<script>alert(1)</script> =cmd|'/c calc'!A1\n{{monitoring}}"});
    let saved = save(&setting, "owner", &tag, &markup).await;
    assert_eq!(saved.status, 200, "{}", saved.text());
    assert_eq!(saved.json()["text"], markup["text"]);
    for (path, status) in [
        ("/api/v1/acceptable-use/versions/0", 404),
        ("/api/v1/acceptable-use/versions/9?since=1", 404),
        ("/api/v1/acceptable-use/versions/1?since=9", 404),
        ("/api/v1/acceptable-use/acceptances?accepted=maybe", 400),
        ("/api/v1/acceptable-use/acceptances?after=tsk_1", 400),
    ] {
        let answer = setting.client("owner").get(path).await.unwrap();
        assert_eq!(answer.status, status, "{path}");
    }
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_twice_with_one_key_publishes_once() {
    let setting = Setting::set().await;
    let ready = format!("\"{}\"", draft(&setting.here, "once").await);
    let send = || {
        let path = "/api/v1/acceptable-use/publish";
        let request = setting.client("owner").request(Method::POST, path);
        let request = request
            .header("if-match", &ready)
            .header("idempotency-key", "p-1");
        request.json(&json!({"reason": "a test"})).send()
    };
    let (first, again) = (send().await.unwrap(), send().await.unwrap());
    assert_eq!((first.status, again.status), (201, 201), "{}", again.text());
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let owner = setting.client("owner");
    let versions = owner.get("/api/v1/acceptable-use/versions").await.unwrap();
    let versions = versions.json();
    assert_eq!(versions["items"].as_array().unwrap().len(), 2);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_said_many_times_at_once_is_one_record_and_one_row() {
    let setting = Setting::set().await;
    let setting = Arc::new(setting);
    let mut saying = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let setting = Arc::clone(&setting);
        saying.spawn(async move {
            let (member, yes) = (setting.client("member"), json!({"version": 1}));
            member.post(ACCEPT, &yes).await.unwrap().status
        });
    }
    let statuses = saying.join_all().await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let folder = std::fs::read_dir(&setting.world.config.ledger.dir).unwrap();
    let files = folder.filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok());
    let yeses = files.map(|file| file.matches(r#""noun":"acceptance""#).count());
    assert_eq!(yeses.sum::<usize>(), 1);
    let Ok(setting) = Arc::try_unwrap(setting) else {
        panic!("somebody still holds it")
    };
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_come_in_is_not_asked() {
    let setting = Setting::set().await;
    let gone = person(&setting.here, "gone").await;
    let machine = machine();
    let operation = setting.here.operation(&machine);
    control::people::revoke(&operation, gone, "left")
        .await
        .unwrap();
    let owner = setting.client("owner");
    let listed = owner
        .get("/api/v1/acceptable-use/acceptances")
        .await
        .unwrap();
    assert!(!listed.text().contains(&gone.to_string()));
    let report = owner
        .get("/api/v1/acceptable-use/report")
        .await
        .unwrap()
        .json();
    assert_eq!(report["people"], 6);
    setting.stop().await;
}
