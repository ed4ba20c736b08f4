//! What is answered to whoever has no grant at a connector that wants one: where they connect, in the way that their client knows; and
//! greetings and the list of actions, so that a client finds the connector there and its actions where they were.

use axum::response::Response;
use bytes::Bytes;
use domain::Refusal;
use domain::connectors::DefinitionKind;
use domain::policy::Connector;
use http::StatusCode;
use http::header::HeaderValue;
use pipeline::{Admitted, Call};

use super::Connectors;
use super::answer;
use super::approve::{Able, Way, way};
use super::shown::Speaker;
use crate::envelope::Message;
use crate::grants::{self, NOBODY_BEHIND};
use crate::headers::SESSION;
use crate::refused::Asked;
use crate::session::whose;

impl Connectors {
    /// A call for which its caller has to connect first.
    pub(super) fn connect_first(
        &self,
        call: Call<Admitted>,
        asked: &Asked,
        able: &Able,
        refusal: Refusal,
    ) -> Response {
        if refusal.code() != domain::ReasonCode::GrantNeeded {
            return asked.refused(&call.refuse(refusal));
        }
        let connector = std::sync::Arc::clone(call.connector());
        let refusal = call.refuse(refusal);
        self.leads_there(asked, able, &connector, &refusal)
    }

    /// The way to the page on which somebody connects, as their client knows to go it.
    pub(super) fn leads_there(
        &self,
        asked: &Asked,
        able: &Able,
        connector: &Connector,
        refusal: &Refusal,
    ) -> Response {
        let request = asked.answers();
        // It is not kept waiting: the page leads to somebody else's, and takes as long as it does there.
        let able = Able {
            opens_pages: able.opens_pages,
            is_asked_back: able.is_asked_back,
            reply: able.reply,
            ..Able::default()
        };
        let body = match way(&able, asked.era) {
            Way::OpenAndCall => grants::asks_to_open(&request, connector, &self.public_url),
            Way::OpenFirst => {
                let elicitation = asked.request.to_string();
                grants::open_first(&request, connector, &self.public_url, &elicitation)
            }
            Way::Wait | Way::Tell => return asked.refused(refusal),
        };
        answer::json(StatusCode::OK, body)
    }

    /// What is said in a connector's place to somebody without a grant there; the refusal where only the connector could answer.
    pub(super) fn in_its_place(
        &self,
        asked: &Asked,
        speaker: &Speaker,
        (body, had_session): (&Bytes, bool),
        refusal: &Refusal,
    ) -> Response {
        let connector = &speaker.connector;
        let Ok(Message::Request { id, method, params }) = Message::read(body) else {
            return asked.refused(refusal);
        };
        let tools = || {
            let keep = speaker.keep();
            let listed = grants::last_listed(&speaker.shown.held);
            let shown = listed.filter_map(|(name, text)| {
                let shown = keep.shown(DefinitionKind::Tool, name, text);
                shown.map(std::borrow::Cow::into_owned)
            });
            shown.collect()
        };
        let request = (&*id.to_string(), &*method, params);
        let answered = grants::in_its_place(connector, request, asked.era, tools, &self.public_url);
        let Some(answered) = answered else {
            return asked.refused(refusal);
        };
        let mut response = answer::json(StatusCode::OK, answered);
        let begins = method == "initialize" && !had_session;
        let session = (NOBODY_BEHIND, speaker.opens_pages);
        let given = self
            .sessions
            .given(&speaker.who.caller, &whose(connector), session);
        if begins
            && let Some(given) = given
            && let Ok(value) = HeaderValue::from_str(&given)
        {
            response.headers_mut().insert(SESSION, value);
        }
        response
    }
}
