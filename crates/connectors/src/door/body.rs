//! A message's bytes, bounded in size and in time.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use domain::{ReasonCode, Refusal, limits};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::OwnedSemaphorePermit;

use super::{Connectors, UNIT_BYTES};

impl Connectors {
    /// A message's bytes, bounded in size and time, and their share of the memory that all of them have.
    pub(super) async fn read(&self, body: Body) -> Result<(Bytes, OwnedSemaphorePermit), Refusal> {
        let collect = async {
            let mut body = Limited::new(body, limits::MCP_BODY_BYTES_MAX);
            let mut whole = BytesMut::new();
            let memory = Arc::clone(&self.memory);
            let mut share = memory.try_acquire_many_owned(0).map_err(|_| overloaded())?;
            let idle = Duration::from_millis(limits::BODY_IDLE_MS);
            loop {
                let frame = match tokio::time::timeout(idle, body.frame()).await {
                    Err(_) => return Err(Refusal::plain(ReasonCode::BodyTimeout)),
                    Ok(None) => return Ok((whole.freeze(), share)),
                    Ok(Some(Err(error))) => return Err(unread(&*error)),
                    Ok(Some(Ok(frame))) => frame,
                };
                if let Ok(data) = frame.into_data() {
                    let needs = (whole.len() + data.len()).div_ceil(UNIT_BYTES);
                    let more = needs.saturating_sub(share.num_permits());
                    let more = u32::try_from(more).map_err(|_| overloaded())?;
                    let memory = Arc::clone(&self.memory);
                    let more = memory
                        .try_acquire_many_owned(more)
                        .map_err(|_| overloaded())?;
                    share.merge(more);
                    whole.extend_from_slice(&data);
                }
            }
        };
        tokio::time::timeout(Duration::from_millis(limits::BODY_TIME_MS), collect)
            .await
            .map_err(|_| Refusal::plain(ReasonCode::BodyTimeout))?
    }
}

fn overloaded() -> Refusal {
    Refusal::plain(ReasonCode::Overloaded)
}

fn unread(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Refusal {
    Refusal::plain(if error.is::<LengthLimitError>() {
        ReasonCode::BodyTooLarge
    } else {
        ReasonCode::ClientGone
    })
}
