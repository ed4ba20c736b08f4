//! A form of one of our pages, posted by the browser that was shown it. A handler that takes [`Posted`] has no way past that check, and
//! none to a ticket that another browser was given. Called by the pages that people decide on.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use axum::response::Response;
use domain::{Reason, ReasonCode, Refusal};
use ledger::record::Origin;
use serde::de::DeserializeOwned;
use web::browser::{self, Browser};

use super::{SignIn, address_of, device, oauth, origin_of};

/// What is kept under a ticket for one browser.
pub(super) trait Held: DeserializeOwned {
    /// The browser that was given the ticket.
    fn binding(&self) -> &str;
}

/// The form and where it comes from.
#[derive(Debug)]
pub struct Posted {
    pub(super) form: oauth::Form,
    pub(super) browser: Browser,
    pub(super) address: Option<IpAddr>,
    pub(super) origin: Origin,
}

impl Posted {
    /// What the form's ticket stands for; it is spent. Refuses one of another browser, and one that `fits` not.
    pub(super) async fn spend<T: Held>(
        &self,
        state: &SignIn,
        fits: impl FnOnce(&T) -> bool,
    ) -> Result<T, Response> {
        let (now, ticket) = (state.clock.now(), browser::hash(self.form.field("confirm")));
        let kept = state.store.take_login_state(state.org, &ticket, now).await;
        let held: Option<T> = kept
            .map_err(|_| device::store_away(state))?
            .and_then(|body| serde_json::from_str(&body).ok());
        let held = held.filter(|held| held.binding() == self.browser.binding() && fits(held));
        held.ok_or_else(|| {
            let text = "This decision was made already, or is too old.";
            let reason = Reason::new(ReasonCode::ParameterInvalid, text);
            device::wrong_page(state, &Refusal::one(reason))
        })
    }
}

impl FromRequest<Arc<SignIn>> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, state: &Arc<SignIn>) -> Result<Self, Response> {
        let (address, origin) = (address_of(&request), origin_of(&request));
        let (head, body) = request.into_parts();
        let form = oauth::Form::read(body).await?;
        let changing = state.browsers().changing(&head.headers, form.field("csrf"));
        Ok(Self {
            browser: changing.map_err(|refusal| device::wrong_page(state, &refusal))?,
            form,
            address,
            origin,
        })
    }
}
