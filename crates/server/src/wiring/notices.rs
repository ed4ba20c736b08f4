//! Sending notices of what waits for somebody: to each configured receiver, signed, with bounded tries. One replica sends each; a receiver that
//! gets one twice, because another one failed, knows it by its id.

use std::sync::Arc;
use std::time::Duration;

use control::notices::{self, Notice, message, signature};
use control::{Actor, Operation};
use domain::limits;
use http::HeaderName;
use pipeline::fetch::{Ask, Fetch, Reach};
use secrecy::ExposeSecret as _;

use super::Wired;
use crate::config::NoticeConfig;

/// What proves that it is ours.
const SIGNATURE: HeaderName = HeaderName::from_static("doorward-signature");
/// Which notice it is, the same at every try.
const ID: HeaderName = HeaderName::from_static("doorward-notice");

impl Wired {
    /// Tells those who may decide, for as long as the process lives.
    pub(super) async fn send_notices(self: Arc<Self>) {
        let receivers = &self.config.notices;
        let fetch = match Fetch::new(Reach::Operator, None) {
            Ok(fetch) if !receivers.is_empty() => fetch,
            Ok(_) => return std::future::pending().await,
            Err(error) => {
                tracing::error!(error = %error.chain(), "notices cannot be sent");
                return std::future::pending().await;
            }
        };
        let (control, actor) = (self.control(), Actor::doorward());
        let mut tick = tokio::time::interval(Duration::from_millis(limits::NOTICES_FOLLOW_MS));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let operation = control.operation(&actor);
            let (taken, rest) = notices::take(&operation).await;
            for notice in taken {
                self.tell(&operation, &fetch, &notice).await;
            }
            if let Err(error) = rest {
                tracing::warn!(error = %error, "who is to be told cannot be seen yet");
            }
        }
    }

    async fn tell(&self, operation: &Operation<'_>, fetch: &Fetch, notice: &Notice) {
        let mut is_told = true;
        for receiver in &self.config.notices {
            let sent = send(fetch, receiver, notice, self, operation).await;
            if let Err(what) = sent {
                is_told = false;
                tracing::warn!(
                    receiver = receiver.name,
                    notice = notice.id(),
                    what,
                    "a notice was not taken"
                );
            }
        }
        if is_told && let Err(error) = notices::told(operation, notice).await {
            tracing::warn!(error = %error, "a notice was sent, and is sent once more");
        }
    }
}

async fn send(
    fetch: &Fetch,
    receiver: &NoticeConfig,
    notice: &Notice,
    wired: &Wired,
    operation: &Operation<'_>,
) -> Result<(), String> {
    let body = message(receiver.kind, notice, &wired.config.server.public_url);
    let url: url::Url = match receiver.url.expose_secret().parse() {
        Ok(url) => url,
        Err(_) => return Err("its address is none".to_owned()),
    };
    let mut ask = Ask::post_json(&url, &body).header(ID, &notice.id());
    if let Some(secret) = &receiver.secret {
        let secret = secret.expose_secret().as_bytes();
        let signed = signature(secret, operation.clock.now(), &body.to_string());
        ask = ask.header(SIGNATURE, &signed);
    }
    let answer = fetch.send(ask).await.map_err(|error| error.chain())?;
    if answer.status.is_success() {
        Ok(())
    } else {
        Err(format!("it answered {}", answer.status))
    }
}
