//! What is asked: the three kinds of request to a model, and the answer each must get to count.

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue};
use testkit::Corpus;

/// A kind of request.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    /// What tables call it.
    pub name: &'static str,
    /// Where it goes.
    pub path: PathAndQuery,
    /// Its headers, without a credential.
    pub headers: HeaderMap,
    /// The body, the same for every request.
    pub body: Bytes,
    /// Fewest bytes of an answer that was not cut short.
    pub answer_bytes_min: usize,
}

/// Small JSON, 50 KB, a stream of 100 events.
pub(crate) fn all() -> Vec<Workload> {
    vec![small(), large(), stream()]
}

/// 120 bytes to ask, about 0.9 KB of JSON as answer.
pub(crate) fn small() -> Workload {
    message("small JSON", short_body(false), 800)
}

/// As Claude Code asks in the middle of its work, in 50 KB; a small answer.
fn large() -> Workload {
    let corpus = Corpus {
        stream: false,
        bytes: 50_000,
        ..Corpus::default()
    };
    message("50 KB body", corpus.body(), 800)
}

/// 120 bytes to ask, 100 events in one burst as answer.
pub(crate) fn stream() -> Workload {
    message("100 events", short_body(true), 9_000)
}

fn message(name: &'static str, body: Bytes, answer_bytes_min: usize) -> Workload {
    Workload {
        name,
        path: PathAndQuery::from_static("/v1/messages?beta=true"),
        headers: headers(),
        body,
        answer_bytes_min,
    }
}

fn short_body(stream: bool) -> Bytes {
    const BYTES: usize = 120;
    let with = |text: &str| {
        let mark = if stream { r#","stream":true"# } else { "" };
        format!(
            r#"{{"model":"claude-sonnet-5-5","max_tokens":64,"messages":[{{"role":"user","content":"{text}"}}]{mark}}}"#
        )
    };
    let missing = BYTES.saturating_sub(with("").len());
    with(&"Say hello. ".repeat(12)[..missing]).into()
}

/// The headers of stock Claude Code, without a credential.
fn headers() -> HeaderMap {
    Corpus::headers()
        .into_iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bodies_have_the_sizes_that_the_tables_name() {
        let sizes: Vec<usize> = all().iter().map(|one| one.body.len()).collect();
        assert_eq!((sizes[0], sizes[2]), (120, 120));
        assert!((49_000..=50_000).contains(&sizes[1]), "{}", sizes[1]);
    }

    #[test]
    fn every_body_is_a_request_that_names_its_model() {
        for workload in all() {
            let json: serde_json::Value = serde_json::from_slice(&workload.body).unwrap();
            assert_eq!(json["model"], "claude-sonnet-5-5");
            assert_eq!(
                json["stream"] == true,
                workload.name == "100 events",
                "{}",
                workload.name
            );
        }
    }
}
