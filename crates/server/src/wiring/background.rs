//! What runs for as long as an organisation is served: whoever follows the store, the directory, keys and people, and ships the
//! ledger. None of it ends by itself; what ends has broken.

use std::sync::Arc;
use std::time::Duration;

use control::Actor;
use domain::limits;
use ledger::read::Cursor;
use ledger::sinks::{OtlpSink, StatusHandle};
use pipeline::ship;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::{Wired, follow_keys};
use crate::sink::Receiver;

impl Wired {
    /// Starts what runs for as long as the process lives. Dropping the set ends all of it.
    pub fn background(self: &Arc<Self>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let store = self.store.clone();
        self.run(&mut tasks, async move { store.listen().await });
        if let Some(desk) = self.desk() {
            self.run(&mut tasks, async move { desk.serve().await });
        }
        let wired = Arc::clone(self);
        self.run(&mut tasks, async move { wired.follow_people().await });
        self.run(&mut tasks, Arc::clone(self).follow_approvals());
        self.run(&mut tasks, Arc::clone(self).follow_grants());
        self.run(&mut tasks, Arc::clone(self).send_notices());
        self.run(&mut tasks, Arc::clone(self).look_after_programs());
        self.run(&mut tasks, Arc::clone(self).look_after_keys());
        let wired = Arc::clone(self);
        self.run(&mut tasks, async move {
            wired
                .pipeline
                .rules
                .follow(&wired.store, wired.org, wired.marks)
                .await;
        });
        let wired = Arc::clone(self);
        self.run(&mut tasks, async move {
            wired.revocations.follow(&wired.store).await;
        });
        let wired = Arc::clone(self);
        self.run(&mut tasks, async move {
            wired.pipeline.strangers.follow().await;
        });
        let wired = Arc::clone(self);
        self.run(&mut tasks, async move { follow_keys::follow(&wired).await });
        let wired = Arc::clone(self);
        self.run(&mut tasks, async move {
            wired.pipeline.identity.follow_memberships().await;
        });
        let wired = Arc::clone(self);
        self.run(&mut tasks, async move {
            wired.pipeline.identity.keep_fresh().await;
        });
        let wired = Arc::clone(self);
        self.run(&mut tasks, async move {
            ship::follow(
                &wired.store,
                wired.org,
                &wired.ledger_dir,
                Arc::clone(&wired.pipeline.ledger),
                (wired.from, &wired.pipeline.metrics, &wired.claim),
            )
            .await;
        });
        let wired = Arc::clone(self);
        self.run(&mut tasks, async move { wired.sweep_quota().await });
        let wired = Arc::clone(self);
        self.run(&mut tasks, async move {
            loop {
                wired.forget_what_is_over().await;
                tokio::time::sleep(Duration::from_hours(1)).await;
            }
        });
        if let Some((receiver, status)) = self.otlp.clone() {
            let wired = Arc::clone(self);
            self.run(
                &mut tasks,
                async move { wired.feed(receiver, status).await },
            );
        }
        tasks
    }

    /// Runs one of them; its lines in the log stand in the organisation's span.
    fn run(&self, tasks: &mut JoinSet<()>, work: impl Future<Output = ()> + Send + 'static) {
        tasks.spawn(work.instrument(self.span.clone()));
    }

    /// Sends the ledger to the OTLP sink until the ledger is closed.
    async fn feed(&self, receiver: Arc<Receiver>, status: StatusHandle) {
        let sink = OtlpSink::new("otlp", receiver);
        let cursor = Cursor::at(self.ledger_dir.join("otlp.cursor"));
        loop {
            let durable = self.pipeline.ledger.durable();
            let sent = ledger::sinks::run(&sink, &self.ledger_dir, durable, &cursor, &status);
            let Err(error) = sent.await else { return };
            tracing::error!(error = %error, "the ledger cannot be read back for the OTLP sink, which tries again");
            tokio::time::sleep(Duration::from_millis(limits::LEDGER_PROBE_MS)).await;
        }
    }

    /// Opens and ends tasks as people come and go. Replicas that do so at once open one set.
    async fn follow_people(&self) {
        let (control, actor) = (self.control(), Actor::doorward());
        let mut tick = tokio::time::interval(Duration::from_millis(limits::TASKS_FOLLOW_MS));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            match control::tasks::follow(&control.operation(&actor)).await {
                Ok(followed) if followed == control::tasks::Followed::default() => {}
                Ok(followed) => tracing::info!(
                    left = followed.left,
                    returned = followed.returned,
                    joined = followed.joined,
                    accepted = followed.accepted,
                    "tasks for people who come and go"
                ),
                Err(error) => tracing::warn!(error = %error, "tasks are not followed yet"),
            }
        }
    }

    /// Notes which approvals expired. Replicas that do so at once write one record of each.
    async fn follow_approvals(self: Arc<Self>) {
        let (control, actor) = (self.control(), Actor::doorward());
        let mut tick = tokio::time::interval(Duration::from_millis(limits::APPROVALS_FOLLOW_MS));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = control::approvals::follow(&control.operation(&actor)).await {
                tracing::warn!(error = %error, "approvals that expired are not noted yet");
            }
        }
    }

    /// Wipes grants of people who left and of connectors that there are no more. Replicas that do so at once wipe each once.
    async fn follow_grants(self: Arc<Self>) {
        let mut tick = tokio::time::interval(Duration::from_millis(limits::GRANTS_FOLLOW_MS));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut seen = None;
        for look in 0u64.. {
            tick.tick().await;
            let followed = async {
                let marks = self.store.watermarks(self.org).await?;
                let now = (marks.policy_version, marks.revocation, marks.directory);
                // All of them are looked at when something changed that may end one, and from time to time in any case.
                if seen == Some(now) && look % limits::GRANTS_WHOLE_LOOKS != 0 {
                    return Ok(seen);
                }
                let wiped = self.grants.follow().await?;
                // There may be more than one look takes on.
                Ok::<_, control::ControlError>(Some(now).filter(|_| wiped == 0))
            };
            match followed.await {
                Ok(now) => seen = now,
                Err(error) => {
                    tracing::warn!(error = %error, "grants that are over are not wiped yet");
                }
            }
        }
    }

    /// Forgets who has not called for long.
    async fn sweep_quota(&self) {
        loop {
            tokio::time::sleep(Duration::from_mins(1)).await;
            self.pipeline.quota.sweep(self.pipeline.clock.now());
        }
    }

    /// Deletes rows that decide nothing any more.
    async fn forget_what_is_over(&self) {
        let now = self.pipeline.clock.now();
        // replicas that could not look for this long believe nobody, so none waits for what is older
        let heard = now.plus_ms(-2 * limits::REVOCATIONS_AGE_MAX_MS);
        let forgotten = async {
            self.store
                .purge_purses(self.org, now.plus_ms(-limits::LEASE_KEPT_MS))
                .await?;
            let revocations = self.store.purge_revocations(self.org, heard).await?;
            let tokens = self.store.purge_refresh_tokens(now).await?;
            let used = now.plus_ms(-limits::AUTHORIZATION_CODE_KEPT_MS);
            self.store.purge_authorization_codes(used).await?;
            self.store.purge_assertions(now).await?;
            let unused = now.plus_ms(-limits::OAUTH_CLIENT_UNUSED_MS);
            let kept = now.plus_ms(-limits::OAUTH_CLIENT_KEPT_MS);
            self.store
                .purge_oauth_clients(self.org, (unused, kept))
                .await?;
            let left = now.plus_ms(-limits::DIRECTORY_LEFT_MS);
            self.store.purge_directory(self.org, heard, left).await?;
            let ended = now.plus_ms(-limits::CREDENTIALS_KEPT_MS);
            self.store.purge_scim_tokens(self.org, ended).await?;
            self.store.purge_personal_tokens(self.org, ended).await?;
            self.store.purge_service_keys(self.org, ended).await?;
            let asked = now.plus_ms(-limits::ACCESS_REQUESTS_KEPT_MS);
            self.store.purge_access_requests(self.org, asked).await?;
            let over = now.plus_ms(-limits::APPROVAL_ARGUMENTS_KEPT_MS);
            self.store.forget_approval_arguments(self.org, over).await?;
            let asked = now.plus_ms(-limits::APPROVALS_KEPT_MS);
            self.store.purge_approvals(self.org, asked).await?;
            let last_use = now.plus_ms(-limits::CONSOLE_IDLE_MS);
            let begun = now.plus_ms(-limits::CONSOLE_SESSION_MS);
            let over = (last_use, begun);
            self.store
                .purge_console_sessions(self.org, over, now)
                .await?;
            Ok::<_, store::StoreError>((revocations, tokens))
        };
        match forgotten.await {
            Ok((revocations, tokens)) => {
                tracing::debug!(revocations, tokens, "what is over is forgotten");
            }
            Err(error) => tracing::warn!(error = %error, "what is over is not forgotten yet"),
        }
    }
}
