//! Requests that name a key of their own are done once: the answer to the first is kept for a day and given to repeats. It must
//! never keep a secret: whoever settles an answer has taken those out. Called by the API, around its handlers.

use domain::limits;
pub use store::idempotency::{Asked, Known};

use crate::{Control, ControlError};

impl Control {
    /// Takes a key for a request, or says what is known of it.
    pub async fn begin(&self, asked: Asked<'_>) -> Result<Known, ControlError> {
        let now = self.clock.now();
        let forget = now.plus_ms(-limits::IDEMPOTENCY_KEPT_MS);
        let known = self.store.begin_idempotent(self.org, asked, now, forget);
        Ok(known.await?)
    }

    /// Keeps what was answered.
    pub async fn settle(
        &self,
        asked: Asked<'_>,
        status: u16,
        answer: &str,
    ) -> Result<(), ControlError> {
        let settled = self
            .store
            .settle_idempotent(self.org, asked, status, answer);
        Ok(settled.await?)
    }

    /// Lets a key go: nothing was done.
    pub async fn release(&self, asked: Asked<'_>) -> Result<(), ControlError> {
        Ok(self.store.release_idempotent(self.org, asked).await?)
    }
}
