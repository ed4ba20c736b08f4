//! What does something: decided, looked at and written down before it is sent.

use std::sync::Arc;

use axum::response::Response;
use domain::connectors::DefinitionKind;
use domain::policy::ArgumentRule;
use domain::{ActionClass, ActionState, ApprovalId, ReasonCode, Refusal};
use ledger::record::Ended;
use pipeline::{ActionCall, Admitted, Call, Charge, End, Inspection, Pipeline, Reserved};

use super::Connectors;
use super::approve::Able;
use super::shown::{Approved, Awaited, Speaker};
use crate::approval;
use crate::arguments::Arguments;
use crate::envelope::Message;
use crate::headers;
use crate::method::{Act, beside, class_of_tool, is_tool_name};
use crate::pins::Held;
use crate::place::Place;
use crate::refused::Asked;
use crate::texts;
use crate::upstream::Outgoing;

/// What somebody would do, with everything that it is decided on. Nothing of it is borrowed: it may wait for an approval.
pub(super) struct Doing {
    pub(super) action: String,
    pub(super) is_tool: bool,
    /// The prompt that it would have.
    prompt: Option<String>,
    pub(super) class: ActionClass,
    pub(super) arguments: Arguments,
    pub(super) approved: Approved,
    pub(super) able: Able,
    pub(super) outgoing: Outgoing,
    place: Place,
}

impl Doing {
    /// The hash of the definition it is decided on; a method that needs no prompt has none.
    pub(super) fn definition(&self) -> Option<&str> {
        self.definition_in(&self.approved.held)
    }

    /// The same by what is held of its connector.
    pub(super) fn definition_in<'h>(&self, held: &'h Held) -> Option<&'h str> {
        match &self.prompt {
            Some(name) => held.hash(DefinitionKind::Prompt, name),
            None if self.is_tool => held.hash(DefinitionKind::Tool, &self.action),
            None => None,
        }
    }

    /// What it is decided on.
    fn decided_on<'a>(
        &'a self,
        meets: &'a dyn Fn(&ArgumentRule) -> bool,
        approval: Option<&'a str>,
    ) -> ActionCall<'a> {
        ActionCall {
            action: &self.action,
            class: self.class,
            arguments: Some(self.arguments.hash()),
            definition: self.definition(),
            meets,
            approval,
        }
    }

    /// Everything that somebody says yes to: the arguments, or, where the call says more than those, all that it says. None where it
    /// cannot be told apart from something else.
    pub(super) fn said(&self) -> Option<String> {
        let arguments = self.arguments.canonical()?;
        let Ok(Message::Request { params, .. }) = Message::read(&self.outgoing.body) else {
            return None;
        };
        match params.filter(|_| self.is_tool).map(beside) {
            None | Some(Ok(None)) => Some(arguments.to_owned()),
            Some(Ok(all)) => all,
            Some(Err(_)) => None,
        }
    }

    /// Whether it is there to be done, as far as its definition goes, by what is held of its connector.
    pub(super) fn is_offered_by(&self, held: &Held) -> bool {
        match &self.prompt {
            Some(name) => held.may_get(name),
            None => !self.is_tool || (is_tool_name(&self.action) && held.may_call(&self.action)),
        }
    }

    /// Takes what the client has said to a question of ours out of the message: it is not for the connector.
    fn without_our_answer(&mut self) {
        if self.able.reply.is_some()
            && let Some(kept) = approval::without_our_answer(&self.outgoing.body)
        {
            self.outgoing.body = kept.into();
        }
    }

    /// Everything that would leave, shown to an inspection.
    pub(super) fn inspection(&self, pipeline: &Pipeline, call: &Call<Admitted>) -> Inspection {
        let mut inspection = pipeline.inspection_of_action(call);
        if inspection.is_on() {
            let body = String::from_utf8_lossy(&self.outgoing.body);
            texts::each(&body, &mut |text| inspection.text(text));
        }
        inspection
    }
}

impl Connectors {
    /// What does something: decided, looked at and written down before it is sent.
    pub(super) async fn act(
        self: &Arc<Self>,
        mut call: Call<Admitted>,
        asked: Asked,
        (outgoing, able): (Outgoing, Able),
        place: Place,
        act: &Act<'_>,
    ) -> Result<Response, Response> {
        let arguments = match act {
            Act { is_tool: true, .. } => Arguments::read(act.arguments),
            Act { is_heard: true, .. } => Arguments::of_listening(act.arguments),
            _ => Arguments::of_method(&act.action, act.arguments),
        };
        let arguments = match arguments {
            Ok(arguments) => arguments,
            Err(error) => {
                call.refuse(Refusal::new(ReasonCode::BodyMalformed, error.to_string()));
                return Err(asked.malformed(-32602, &error.to_string()));
            }
        };
        if let Err(refusal) = headers::repeats(&outgoing.headers, arguments.value()) {
            return Err(asked.refused(&call.refuse(refusal)));
        }
        let approved = match self.approved(call.connector(), Awaited::Content).await {
            Ok(approved) => approved,
            Err(refusal) => return Err(asked.refused(&call.refuse(refusal))),
        };
        let class = match approved.held.class(&act.action) {
            Some(class) if act.is_tool => class,
            None if act.is_tool => class_of_tool(&act.action),
            _ => act.class,
        };
        let mut doing = Doing {
            action: act.action.clone().into_owned(),
            is_tool: act.is_tool,
            prompt: act.prompt().map(str::to_owned),
            class,
            arguments,
            approved,
            able,
            outgoing,
            place,
        };
        let meets = |rule: &ArgumentRule| doing.arguments.meets(rule);
        let standing = self
            .pipeline
            .weigh_action(&mut call, &doing.decided_on(&meets, None));
        if !doing.is_offered_by(&doing.approved.held) {
            let refusal = Refusal::plain(ReasonCode::ActionNotAvailable);
            return Err(asked.refused(&call.refuse(refusal)));
        }
        if standing.state != ActionState::Blocked {
            // Nobody is asked for a yes to what could not be sent then.
            let ready = self.upstream.ready(call.connector(), &call.who().caller);
            if let Err(refusal) = ready.await {
                return Err(self.connect_first(call, &asked, &doing.able, refusal));
            }
            doing.without_our_answer();
        }
        match standing.state {
            ActionState::Ask => self.ask_first(call, asked, doing, standing).await,
            ActionState::Allow | ActionState::Blocked => self.go(call, asked, doing, None).await,
        }
    }

    /// Does it, if the rules allow it, or `approval` does where they ask for one.
    pub(super) async fn go(
        &self,
        call: Call<Admitted>,
        asked: Asked,
        doing: Doing,
        approval: Option<ApprovalId>,
    ) -> Result<Response, Response> {
        let refused = |refusal: Refusal| asked.refused(&refusal);
        let inspection = doing.inspection(&self.pipeline, &call);
        let (connector, policy, who) = (
            Arc::clone(call.connector()),
            Arc::clone(call.policy()),
            Arc::clone(call.who()),
        );
        let approval = approval.map(|id| id.to_string());
        let permitted = {
            let meets = |rule: &ArgumentRule| doing.arguments.meets(rule);
            let action = doing.decided_on(&meets, approval.as_deref());
            self.pipeline.permit_action(call, &action)
        };
        let call = permitted.map_err(refused)?;
        let call = self.pipeline.inspect(call, inspection).map_err(refused)?;
        let reserved = self.pipeline.reserve(call, Charge::Free).await;
        let mut call: Call<Reserved> = reserved.map_err(refused)?;
        let inspection = self.pipeline.inspection_of_answer(&call);
        let Doing {
            approved,
            able,
            outgoing,
            place,
            ..
        } = doing;
        let had_session = outgoing.session.is_some();
        let sent = self.upstream.act(&mut call, &connector, outgoing).await;
        let status = sent.as_ref().ok().map(|answer| answer.status.as_u16());
        let sent = match sent {
            Ok(answer) => self.upstream.covered(&connector, &who.caller, answer).await,
            Err(refusal) => Err(refusal),
        };
        let mut running = call.into_running();
        if let Some(status) = status {
            running.answered(&connector.name, None, status);
        }
        match sent {
            Ok(answer) => {
                let speaker = Speaker {
                    connector,
                    policy,
                    who,
                    shown: approved,
                    opens_pages: false,
                    across: None,
                    place,
                };
                let (running, inspection) = (Some(running), Some(inspection));
                self.answered(asked, speaker, answer, had_session, running, inspection)
                    .await
            }
            // Also where the grant came to its end between the decision and the sending, or covers too little.
            Err(refusal) => {
                running.end(End::unseen(Ended::Error, Some(refusal.code())));
                Err(if refusal.code() == ReasonCode::GrantNeeded {
                    self.leads_there(&asked, &able, &connector, &refusal)
                } else {
                    asked.refused(&refusal)
                })
            }
        }
    }
}
