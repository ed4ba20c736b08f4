//! Reading a request's body: whole, bounded in size, in time and in silence, and counted against the memory all bodies share.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use domain::{Reason, ReasonCode, Refusal, limits};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt as _;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Memory that bodies may hold together, in units of a kibibyte.
#[derive(Debug)]
pub struct Memory(Semaphore);

const UNIT_BYTES: usize = 1024;

impl Default for Memory {
    fn default() -> Self {
        Self(Semaphore::new(
            limits::BODY_BYTES_IN_FLIGHT_MAX / UNIT_BYTES,
        ))
    }
}

/// A body, and its share of the memory, which is given back when this is dropped.
#[derive(Debug)]
pub struct Whole<'m> {
    /// The bytes.
    pub bytes: Bytes,
    _share: Option<SemaphorePermit<'m>>,
}

impl Memory {
    /// Reads a body of at most `most` bytes.
    pub async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        most: usize,
    ) -> Result<Whole<'_>, Refusal> {
        let stated = headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if stated.is_some_and(|length| length > most) {
            return Err(too_large(most));
        }
        // A body that does not state its length is counted at its most.
        let units = stated.unwrap_or(most).div_ceil(UNIT_BYTES);
        let share = u32::try_from(units)
            .ok()
            .and_then(|units| self.0.try_acquire_many(units).ok())
            .ok_or_else(|| Refusal::plain(ReasonCode::Overloaded))?;
        let time = Duration::from_millis(limits::BODY_TIME_MS);
        let bytes = tokio::time::timeout(time, collect(body, most))
            .await
            .map_err(|_| Refusal::plain(ReasonCode::BodyTimeout))??;
        Ok(Whole {
            bytes,
            _share: Some(share),
        })
    }
}

async fn collect(mut body: Body, most: usize) -> Result<Bytes, Refusal> {
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    let idle = Duration::from_millis(limits::BODY_IDLE_MS);
    loop {
        let frame = match tokio::time::timeout(idle, body.frame()).await {
            Err(_) => return Err(Refusal::plain(ReasonCode::BodyTimeout)),
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(Refusal::plain(ReasonCode::ClientGone)),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if first.as_ref().map_or(0, Bytes::len) + rest.len() + data.len() > most {
            return Err(too_large(most));
        }
        match &first {
            None if rest.is_empty() => first = Some(data),
            _ => {
                if let Some(start) = first.take() {
                    rest.reserve(start.len() + data.len());
                    rest.extend_from_slice(&start);
                }
                rest.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| rest.freeze()))
}

fn too_large(most: usize) -> Refusal {
    let text = format!(
        "The request body is larger than {} KiB, the most this endpoint takes.",
        most / 1024
    );
    Refusal::one(Reason::new(ReasonCode::BodyTooLarge, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body that arrives in these parts.
    struct Parts(std::collections::VecDeque<&'static str>);

    impl http_body::Body for Parts {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            let next = self
                .0
                .pop_front()
                .map(|part| Ok(http_body::Frame::data(Bytes::from_static(part.as_bytes()))));
            std::task::Poll::Ready(next)
        }
    }

    async fn read(
        parts: &[&'static str],
        most: usize,
        memory: &Memory,
    ) -> Result<Vec<u8>, ReasonCode> {
        let body = Body::new(Parts(parts.iter().copied().collect()));
        let whole = memory
            .read(&HeaderMap::new(), body, most)
            .await
            .map_err(|refusal| refusal.code())?;
        Ok(whole.bytes.to_vec())
    }

    #[tokio::test]
    async fn a_body_in_parts_is_put_together() {
        let memory = Memory::default();
        assert_eq!(
            read(&["ab", "cd", "e"], 5, &memory).await,
            Ok(b"abcde".to_vec())
        );
        assert_eq!(read(&["abcde"], 5, &memory).await, Ok(b"abcde".to_vec()));
        assert_eq!(read(&[], 5, &memory).await, Ok(Vec::new()));
    }

    #[tokio::test]
    async fn a_body_that_grows_past_the_bound_is_refused() {
        assert_eq!(
            read(&["abc", "def"], 5, &Memory::default()).await,
            Err(ReasonCode::BodyTooLarge)
        );
    }

    #[tokio::test]
    async fn bodies_beyond_the_shared_memory_are_refused_and_the_memory_comes_back() {
        let memory = Memory(Semaphore::new(2));
        let headers =
            HeaderMap::from_iter([(CONTENT_LENGTH, http::HeaderValue::from_static("2048"))]);
        let held = memory.read(&headers, Body::from("x"), 4096).await.unwrap();
        let refused = memory.read(&headers, Body::from("x"), 4096).await;
        assert_eq!(
            refused.err().map(|refusal| refusal.code()),
            Some(ReasonCode::Overloaded)
        );
        drop(held);
        assert!(memory.read(&headers, Body::from("x"), 4096).await.is_ok());
    }
}
