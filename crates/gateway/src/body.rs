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
        Self::of_one_among(1)
    }
}

impl Memory {
    /// What one of so many organisations of a process may hold, so that it leaves the others theirs.
    pub fn of_one_among(orgs: usize) -> Self {
        let part = limits::BODY_BYTES_IN_FLIGHT_MAX / orgs.max(1);
        let bytes = part.max(limits::BODY_BYTES_OF_ORG_MIN);
        Self(Semaphore::new(bytes / UNIT_BYTES))
    }
}

/// A body, and its share of the memory, which is given back when this is dropped.
#[derive(Debug)]
pub struct Whole<'m> {
    /// The bytes.
    pub bytes: Bytes,
    _share: SemaphorePermit<'m>,
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
        let time = Duration::from_millis(limits::BODY_TIME_MS);
        let mut share = self.0.try_acquire_many(0).map_err(|_| overloaded())?;
        let bytes = tokio::time::timeout(time, self.collect(body, most, &mut share))
            .await
            .map_err(|_| Refusal::plain(ReasonCode::BodyTimeout))??;
        Ok(Whole {
            bytes,
            _share: share,
        })
    }

    /// Takes memory for what has arrived, never for what is only announced: whoever sends nothing holds nothing.
    async fn collect<'m>(
        &'m self,
        mut body: Body,
        most: usize,
        share: &mut SemaphorePermit<'m>,
    ) -> Result<Bytes, Refusal> {
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
            let length = first.as_ref().map_or(0, Bytes::len) + rest.len() + data.len();
            if length > most {
                return Err(too_large(most));
            }
            self.hold(length, share)?;
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

    /// Makes a share cover so many bytes.
    fn hold<'m>(&'m self, bytes: usize, share: &mut SemaphorePermit<'m>) -> Result<(), Refusal> {
        let missing = bytes
            .div_ceil(UNIT_BYTES)
            .saturating_sub(share.num_permits());
        let missing = u32::try_from(missing).map_err(|_| overloaded())?;
        share.merge(self.0.try_acquire_many(missing).map_err(|_| overloaded())?);
        Ok(())
    }
}

fn overloaded() -> Refusal {
    Refusal::plain(ReasonCode::Overloaded)
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
        let none = HeaderMap::new();
        let held = memory
            .read(&none, Body::from("x".repeat(1025)), 4096)
            .await
            .unwrap();
        assert_eq!(memory.0.available_permits(), 0);
        let refused = memory.read(&none, Body::from("x"), 4096).await;
        assert_eq!(
            refused.err().map(|refusal| refusal.code()),
            Some(ReasonCode::Overloaded)
        );
        drop(held);
        assert!(memory.read(&none, Body::from("x"), 4096).await.is_ok());
    }

    /// A body that never comes.
    struct Silent;

    impl http_body::Body for Silent {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }

    #[tokio::test]
    async fn uploads_that_announce_much_and_send_nothing_leave_the_memory_to_others() {
        let memory = Memory(Semaphore::new(2));
        let announced =
            HeaderMap::from_iter([(CONTENT_LENGTH, http::HeaderValue::from_static("4096"))]);
        let none = HeaderMap::new();
        let stated = memory.read(&announced, Body::new(Silent), 4096);
        let unstated = memory.read(&none, Body::new(Silent), 4096);
        let other = async {
            tokio::task::yield_now().await;
            memory
                .read(&none, Body::from("x".repeat(2048)), 4096)
                .await
                .is_ok()
        };
        tokio::select! {
            biased;
            _ = stated => panic!("it never comes"),
            _ = unstated => panic!("it never comes"),
            read = other => assert!(read),
        }
    }

    #[test]
    fn organisations_of_one_process_share_the_memory_and_each_can_take_the_largest_request() {
        const MIB: usize = 1024 * 1024;
        for (orgs, bytes) in [
            (0, 512 * MIB),
            (1, 512 * MIB),
            (2, 256 * MIB),
            (14, 64 * MIB),
        ] {
            let held = Memory::of_one_among(orgs).0.available_permits() * UNIT_BYTES;
            assert_eq!(held, bytes, "{orgs}");
            assert!(held >= limits::MESSAGES_BODY_BYTES_MAX);
        }
    }

    #[tokio::test]
    async fn a_body_that_outgrows_the_memory_on_its_way_gives_back_what_it_held() {
        let memory = Memory(Semaphore::new(1));
        let part: &'static str = "0123456789abcdef".repeat(64).leak();
        assert_eq!(
            read(&[part, "x"], 4096, &memory).await,
            Err(ReasonCode::Overloaded)
        );
        assert_eq!(memory.0.available_permits(), 1);
    }
}
