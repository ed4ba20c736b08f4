//! Asking a connector what it lists, for the console: who may is `control`'s, the asking is the door's own, and what is heard is noted
//! as every list is.

use std::sync::Arc;

use ::connectors::Connectors;
use ::connectors::line::Whose;
use console::{Asking, Hearing, Unheard};
use control::{Actor, Control};
use domain::{ReasonCode, Refusal, Subject};
use pipeline::identity::Revocations;
use store::Target;

use super::pins::StoredPins;

/// The real one.
#[derive(Debug)]
pub(super) struct Asks {
    pub(super) control: Arc<Control>,
    pub(super) connectors: Arc<Connectors>,
    pub(super) pins: Arc<StoredPins>,
    pub(super) revocations: Arc<Revocations>,
}

impl Asking for Asks {
    fn ask<'a>(&'a self, actor: &'a Actor, connector: &'a str) -> Hearing<'a> {
        Box::pin(async move {
            let operation = self.control.operation(actor);
            let (connector, caller) = control::connectors::to_ask(&operation, connector).await?;
            let targets: Vec<Target> = match caller.subject {
                Subject::Person(person) => vec![Target::Person(person), Target::Everyone],
                Subject::Service(service) => vec![Target::Service(service), Target::Everyone],
            };
            let now = operation.clock.now();
            let live = self.revocations.admit(&targets, now, now);
            let live = live.map_err(Unheard::Refused)?;
            let whose = Whose::of(&Arc::new(caller), &live);
            let listed = self.connectors.listed_anew(&connector, &whose).await;
            let listed = listed.map_err(Unheard::Refused)?;
            let count = listed.iter().map(|one| one.definitions.len()).sum();
            for one in listed {
                let noted = self.pins.noted(&connector, one).await;
                noted.map_err(|error| {
                    tracing::error!(
                        connector = connector.name,
                        error = &*error as &dyn std::error::Error,
                        "what a connector lists cannot be noted"
                    );
                    Unheard::Refused(Refusal::plain(ReasonCode::StoreUnavailable))
                })?;
            }
            Ok(count)
        })
    }
}
