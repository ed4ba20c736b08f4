//! Back from the identity provider: the person sees which program asks, for which connector, and where the answer goes, and decides; every
//! time, for every program. A yes is worth one code, good for a minute, bound to all that the page showed.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use domain::acceptable_use::Way;
use domain::text::shown;
use domain::{Caller, PersonId, Reason, ReasonCode, Refusal, Subject, limits};
use http::{HeaderMap, StatusCode};
use ledger::record::Origin;
use pipeline::Yes;
use pipeline::identity::Resource;
use serde::{Deserialize, Serialize};
use store::{AuthorizationCode, Began, Bound};
use web::browser::{self, Browser};

use super::authorize::{answer_url, facts, go, leads_to, look, whose};
use super::request::Asked;
use super::{Program, redirect::Redirect, register};
use crate::signin::device::{self, Trip};
use crate::signin::pages::{self, Consent, ConsoleEnd, Frame};
use crate::signin::posted::{Held, Posted};
use crate::signin::{SignIn, acceptable_use};

/// How records name this way of signing in.
pub(in crate::signin) const METHOD: &str = "authorization_code";

/// What a decision is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Decision {
    /// What is asked for.
    asked: Asked,
    /// What people call the connector.
    title: String,
    /// The person.
    decider: PersonId,
    /// The browser.
    binding: String,
    /// The version of the acceptable-use policy that must be accepted with it.
    wanted: Option<u64>,
    /// The person's name, for them to see.
    name: String,
    /// Their e-mail address, for them to see.
    email: String,
    /// Who vouches for them.
    issuer: String,
}

/// Shows a proved person what they are asked.
pub(in crate::signin) async fn arrive(
    state: &SignIn,
    asked: &Asked,
    (caller, trip): (&Caller, &Trip),
    (address, headers): (Option<IpAddr>, &HeaderMap),
) -> Response {
    let whose = whose(state, (&asked.client_id, &asked.redirect_uri), address).await;
    let (program, redirect) = match whose {
        Ok(found) => found,
        Err(page) => return page,
    };
    let (Subject::Person(decider), Some(here)) =
        (caller.subject, device::browser_of(state, headers))
    else {
        return device::wrong_page(state, &Refusal::plain(ReasonCode::ParameterInvalid));
    };
    let Some(title) = title_of(state, caller, asked) else {
        return nothing_there(state, &redirect, asked);
    };
    let Ok(wanted) = state.acceptable_use.wanted_of(caller).await else {
        return device::store_away(state);
    };
    let decision = Decision {
        asked: asked.clone(),
        title,
        decider,
        binding: trip.binding.clone(),
        wanted: wanted.as_ref().map(|wanted| wanted.version),
        name: shown(caller.name.as_deref().unwrap_or(caller.label())).into_owned(),
        email: caller.email.as_deref().unwrap_or_default().to_owned(),
        issuer: caller.issuer.to_string(),
    };
    let terms = wanted.map(|wanted| acceptable_use::terms(state, &wanted, None));
    ask(state, (&program, &redirect), &decision, terms, &here).await
}

/// What people call the connector; none when there is none such for them. Only whoever has signed in learns which there are.
fn title_of(state: &SignIn, caller: &Caller, asked: &Asked) -> Option<String> {
    let resource = Resource::parse(&state.public_url, &asked.resource)?;
    let Some(name) = resource.name() else {
        return Some(String::new());
    };
    let policy = state.acceptable_use.rules.current().for_caller(caller);
    let found = policy.connectors.iter().find(|one| one.name == name)?;
    Some(if found.title.is_empty() {
        found.name.clone()
    } else {
        found.title.clone()
    })
}

fn nothing_there(state: &SignIn, redirect: &Redirect, asked: &Asked) -> Response {
    let code = ReasonCode::ConnectorNotAvailable;
    let answer = [
        ("error", "access_denied"),
        ("error_description", code.what()),
    ];
    let page = ConsoleEnd::new(
        &Frame::of(state),
        "Nothing to connect",
        format!("{} {}", code.what(), code.help()),
        answer_url(state, redirect, &answer, asked.state.as_deref()).into(),
        "Go back to the program",
    );
    pages::respond(StatusCode::FORBIDDEN, &page, &[])
}

async fn ask(
    state: &SignIn,
    (program, redirect): (&Program, &Redirect),
    decision: &Decision,
    terms: Option<pages::Terms>,
    here: &Browser,
) -> Response {
    let ticket = browser::new_secret(&*state.ids);
    if device::keep(state, &ticket, decision).await.is_err() {
        return device::store_away(state);
    }
    let page = Consent::new(
        &Frame::of(state),
        "Connect a program",
        pages::Asking {
            connector: decision.title.clone(),
            ..facts(program, redirect, &decision.asked)
        },
        decision.name.clone(),
        decision.email.clone(),
        state.shown_issuer(&decision.issuer),
        terms,
        ticket,
        here.csrf(),
    );
    pages::respond(StatusCode::OK, &page, &leads_to(redirect))
}

impl Held for Decision {
    fn binding(&self) -> &str {
        &self.binding
    }
}

/// `POST /oauth/authorize/approve`.
pub async fn approve(State(state): State<Arc<SignIn>>, posted: Posted) -> Response {
    let decision: Decision = match posted.spend(&state, |_| true).await {
        Ok(decision) => decision,
        Err(page) => return page,
    };
    let address = posted.address;
    let asked = &decision.asked;
    let whose = whose(&state, (&asked.client_id, &asked.redirect_uri), address).await;
    let (program, redirect) = match whose {
        Ok(found) => found,
        Err(page) => return page,
    };
    if let Some(version) = decision.wanted {
        match accepted(&state, &decision, version, &posted).await {
            Ok(None) => {}
            Ok(Some((decision, terms))) => {
                return ask(
                    &state,
                    (&program, &redirect),
                    &decision,
                    terms,
                    &posted.browser,
                )
                .await;
            }
            Err(page) => return page,
        }
    }
    match code_for(&state, &decision, &program).await {
        Ok(code) => go(
            &state,
            &redirect,
            &[("code", &code)],
            asked.state.as_deref(),
        ),
        Err(error) => {
            tracing::error!(error = %error, "an authorization code cannot be kept");
            device::store_away(&state)
        }
    }
}

/// A new code for what was decided.
async fn code_for(
    state: &SignIn,
    decision: &Decision,
    program: &Program,
) -> Result<String, store::StoreError> {
    let (now, asked) = (state.clock.now(), &decision.asked);
    let code = browser::new_secret(&*state.ids);
    let kept = AuthorizationCode {
        code_hash: browser::hash(&code),
        bound: Bound {
            client_id: asked.client_id.clone(),
            resource: asked.resource.clone(),
            scope: asked.scope.clone(),
            began_by: Began::Code,
        },
        client_name: program.name.clone(),
        redirect_uri: asked.redirect_uri.clone(),
        challenge: asked.challenge.clone(),
        person: decision.decider,
        session: state.sessions.new_id(),
        created: now,
        expires: now.plus_ms(limits::AUTHORIZATION_CODE_MS),
    };
    if asked.client_id.starts_with(register::PREFIX) {
        let (org, id) = (state.org, &asked.client_id);
        state.store.note_oauth_client_use(org, id, now).await?;
    }
    state
        .store
        .insert_authorization_code(state.org, &kept)
        .await?;
    Ok(code)
}

type AskAgain = Option<(Decision, Option<pages::Terms>)>;

/// Takes the acceptance that comes with the yes. Without it nobody is let in, and the person is asked once more.
async fn accepted(
    state: &SignIn,
    decision: &Decision,
    version: u64,
    posted: &Posted,
) -> Result<AskAgain, Response> {
    let label = if decision.email.is_empty() {
        &decision.name
    } else {
        &decision.email
    };
    let yes = Yes {
        person: decision.decider,
        version,
        way: Way::Connect,
        label,
        address: posted.address,
    };
    let unticked = "The box is not ticked. Without it nothing can be connected.";
    let Some(note) = acceptable_use::taken(state, &posted.form, yes, unticked).await? else {
        return Ok(None);
    };
    let Ok(latest) = state.acceptable_use.latest().await else {
        return Err(device::store_away(state));
    };
    let again = Decision {
        wanted: latest.as_ref().map(|latest| latest.version),
        ..decision.clone()
    };
    let terms = latest.map(|latest| acceptable_use::terms(state, &latest, Some(note)));
    Ok(Some((again, terms)))
}

/// `POST /oauth/authorize/deny`: before the sign-in, with the request itself, or after it, with the ticket.
pub async fn deny(State(state): State<Arc<SignIn>>, posted: Posted) -> Response {
    let (form, address) = (&posted.form, posted.address);
    let (redirect, program_state) = if form.field("confirm").is_empty() {
        match look(&state, form.field("request"), address).await {
            Ok(looked) => (looked.redirect, looked.asked.state),
            Err(answer) => return answer,
        }
    } else {
        let decision: Decision = match posted.spend(&state, |_| true).await {
            Ok(decision) => decision,
            Err(page) => return page,
        };
        record_denied(&state, posted.origin, decision.decider);
        let asked = decision.asked;
        match whose(&state, (&asked.client_id, &asked.redirect_uri), address).await {
            Ok((_, redirect)) => (redirect, asked.state),
            Err(page) => return page,
        }
    };
    let answer = [
        ("error", "access_denied"),
        ("error_description", "The person said no."),
    ];
    go(&state, &redirect, &answer, program_state.as_deref())
}

fn record_denied(state: &SignIn, origin: Origin, person: PersonId) {
    let reason = Reason::new(ReasonCode::SessionEnded, "The person denied the sign-in.");
    let mut record = state.refused(origin, &Refusal::one(reason));
    record.method = METHOD.into();
    record.subject = Some(Subject::Person(person));
    state.record(record);
}
