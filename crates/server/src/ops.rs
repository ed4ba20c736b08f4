//! The operators' listener: metrics, health, readiness. On loopback, without sign-in. One organisation that is not ready does not
//! make the process so: whoever balances load would take the others' clients away with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use prometheus_client::registry::Registry;
use tokio::task::JoinSet;
use url::Url;

use crate::scrape;
use crate::sites::Sites;
use crate::wiring::Wired;

/// What it shows.
#[derive(Debug)]
pub struct Ops {
    /// Every organisation; at least one.
    pub orgs: Vec<Observed>,
    /// What their clients connect to.
    pub sites: Arc<Sites>,
    /// Whether the order to stop was given.
    pub draining: AtomicBool,
}

/// One organisation.
#[derive(Debug)]
pub struct Observed {
    /// Its parts.
    pub wired: Arc<Wired>,
    /// What is counted.
    pub registry: Registry,
}

/// Its endpoints.
pub fn routes(ops: Arc<Ops>) -> Router {
    let wired = ops.orgs.first().map(|org| Arc::clone(&org.wired));
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/readyz/{host}", get(ready_at))
        .with_state(ops);
    match wired {
        Some(wired) => wired.numbered(router),
        None => router,
    }
}

async fn metrics(State(ops): State<Arc<Ops>>) -> Response {
    let mut texts = Vec::new();
    for org in &ops.orgs {
        let mut text = String::new();
        if prometheus_client::encoding::text::encode(&mut text, &org.registry).is_err() {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        // What is read at the moment of asking stands before the registry's closing line.
        let text = text.trim_end_matches(scrape::END).to_owned() + &org.wired.gauges();
        texts.push((org.wired.config.server.org.as_str(), text));
    }
    let text = match &*texts {
        [(_, only)] => format!("{only}{}", scrape::END),
        _ => scrape::together(&texts, ops.sites.refused()),
    };
    (
        [(
            CONTENT_TYPE,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )],
        text,
    )
        .into_response()
}

/// How an organisation is.
struct Standing {
    org: String,
    /// What keeps it from serving.
    missing: Vec<String>,
    /// What some of its callers must do without.
    impaired: Vec<String>,
}

async fn standing(wired: Arc<Wired>) -> Standing {
    Standing {
        missing: wired.not_ready().await,
        impaired: wired.impaired(),
        org: wired.config.server.org.clone(),
    }
}

async fn ready(State(ops): State<Arc<Ops>>) -> Response {
    let is_draining = ops.draining.load(Ordering::Relaxed);
    if let [only] = &*ops.orgs {
        return of_one(standing(Arc::clone(&only.wired)).await, is_draining);
    }
    // Side by side: a store may take its time to be silent.
    let asked = ops.orgs.iter().map(|org| standing(Arc::clone(&org.wired)));
    let mut standings = asked.collect::<JoinSet<_>>().join_all().await;
    standings.sort_by(|one, other| one.org.cmp(&other.org));
    of_several(&standings, is_draining)
}

/// One organisation alone, named by its host.
async fn ready_at(State(ops): State<Arc<Ops>>, Path(host): Path<String>) -> Response {
    let is_it = |wired: &Wired| {
        let url = Url::parse(&wired.config.server.public_url).ok();
        url.and_then(|url| Some(url.host_str()?.eq_ignore_ascii_case(&host)))
    };
    let found = ops.orgs.iter().find(|org| is_it(&org.wired) == Some(true));
    match found {
        Some(org) => {
            let is_draining = ops.draining.load(Ordering::Relaxed);
            of_one(standing(Arc::clone(&org.wired)).await, is_draining)
        }
        None => (StatusCode::NOT_FOUND, "no organisation has this host\n").into_response(),
    }
}

fn of_one(standing: Standing, is_draining: bool) -> Response {
    let mut missing = standing.missing;
    if is_draining {
        missing.push("draining".to_owned());
    }
    if !missing.is_empty() {
        return not_ready(&missing);
    }
    // Another replica would do no better, so this one stays in rotation; whoever reads it learns what is amiss.
    ready_but(&standing.impaired)
}

fn of_several(standings: &[Standing], is_draining: bool) -> Response {
    let of = |standing: &Standing, what: &[String]| -> Vec<String> {
        let org = &standing.org;
        what.iter().map(|what| format!("{org}: {what}")).collect()
    };
    let missing: Vec<String> = standings
        .iter()
        .flat_map(|standing| of(standing, &standing.missing))
        .collect();
    let none_is = standings
        .iter()
        .all(|standing| !standing.missing.is_empty());
    if is_draining {
        return not_ready(&[missing, vec!["draining".to_owned()]].concat());
    }
    if none_is {
        return not_ready(&missing);
    }
    let impaired = standings
        .iter()
        .flat_map(|standing| of(standing, &standing.impaired));
    ready_but(&missing.into_iter().chain(impaired).collect::<Vec<_>>())
}

fn ready_but(amiss: &[String]) -> Response {
    match amiss.join("; ") {
        amiss if amiss.is_empty() => "ready\n".into_response(),
        amiss => format!("ready, but: {amiss}\n").into_response(),
    }
}

fn not_ready(missing: &[String]) -> Response {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        format!("not ready: {}\n", missing.join("; ")),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(org: &str, missing: &[&str], impaired: &[&str]) -> Standing {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Standing {
            org: org.to_owned(),
            missing: texts(missing),
            impaired: texts(impaired),
        }
    }

    async fn check(standings: &[Standing], is_draining: bool, status: u16, said: &str) {
        let answer = of_several(standings, is_draining);
        assert_eq!(answer.status(), status, "{said}");
        let body = http_body_util::BodyExt::collect(answer.into_body()).await;
        assert_eq!(body.unwrap().to_bytes(), format!("{said}\n"));
    }

    #[tokio::test]
    async fn the_process_is_ready_while_one_organisation_is_and_says_which_are_not() {
        let fine = || standing("Birch", &[], &[]);
        let away = || standing("Kiln", &["the store does not answer"], &["no keys of x"]);
        check(&[fine(), fine()], false, 200, "ready").await;
        let but = "ready, but: Kiln: the store does not answer; Kiln: no keys of x";
        check(&[fine(), away()], false, 200, but).await;
        let none = "not ready: Kiln: the store does not answer; Kiln: the store does not answer";
        check(&[away(), away()], false, 503, none).await;
        check(&[fine(), fine()], true, 503, "not ready: draining").await;
    }
}
