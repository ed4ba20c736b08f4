//! Sending notices of calls that wait: to each configured receiver, signed, with bounded tries. One replica sends each; a receiver that
//! gets one twice, because another one failed, knows it by its id.

use std::sync::Arc;
use std::time::Duration;

use control::approvals::Approval;
use control::notices::{self, message, signature};
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
            match notices::take(&operation).await {
                Ok(taken) => {
                    for approval in taken {
                        self.tell(&operation, &fetch, &approval).await;
                    }
                }
                Err(error) => {
                    tracing::warn!(error = %error, "who is to be told cannot be seen yet");
                }
            }
        }
    }

    async fn tell(&self, operation: &Operation<'_>, fetch: &Fetch, approval: &Approval) {
        let mut is_told = true;
        for receiver in &self.config.notices {
            let sent = send(fetch, receiver, approval, self, operation).await;
            if let Err(what) = sent {
                is_told = false;
                tracing::warn!(receiver = receiver.name, approval = %approval.id, what, "a notice was not taken");
            }
        }
        if is_told && let Err(error) = notices::told(operation, approval).await {
            tracing::warn!(error = %error, "a notice was sent, and is sent once more");
        }
    }
}

async fn send(
    fetch: &Fetch,
    receiver: &NoticeConfig,
    approval: &Approval,
    wired: &Wired,
    operation: &Operation<'_>,
) -> Result<(), String> {
    let body = message(receiver.kind, approval, &wired.config.server.public_url);
    let url: url::Url = match receiver.url.expose_secret().parse() {
        Ok(url) => url,
        Err(_) => return Err("its address is none".to_owned()),
    };
    let mut ask = Ask::post_json(&url, &body).header(ID, &approval.id.to_string());
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
