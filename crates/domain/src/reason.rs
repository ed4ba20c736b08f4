//! Why something was refused: one table of stable codes, each with whose fault it is, whether asking again helps, and what to
//! do. `docs/errors.md` is this table in prose, and a test holds the two together. How a code becomes a response is decided once
//! per door, not here.

use std::fmt;

use serde::Serialize;

/// Who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The person or program that sent the request.
    Caller,
    /// The company's rules say no; an administrator can change them.
    Policy,
    /// The provider behind us.
    Upstream,
    /// Doorward or what it stands on.
    Doorward,
}

macro_rules! reasons {
    ($( $variant:ident $code:literal $fault:ident $retry:literal $what:literal $help:literal; )*) => {
        /// The stable code of a reason. Codes are never reused for another meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ReasonCode {
            $( #[doc = $what] $variant, )*
        }

        impl ReasonCode {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// The code as clients, records and documents show it.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $code, )* }
            }

            /// Who has to act.
            pub const fn fault(self) -> Fault {
                match self { $( Self::$variant => Fault::$fault, )* }
            }

            /// Whether the same request may succeed later without anybody changing anything.
            pub const fn retryable(self) -> bool {
                match self { $( Self::$variant => $retry, )* }
            }

            /// What happened, as a sentence.
            pub const fn what(self) -> &'static str {
                match self { $( Self::$variant => $what, )* }
            }

            /// What to do about it, as a sentence.
            pub const fn help(self) -> &'static str {
                match self { $( Self::$variant => $help, )* }
            }
        }
    };
}

reasons! {
    // identity
    CredentialMissing "credential_missing" Caller false "The request carries no credential." "Sign in, or send the token as `Authorization: Bearer` or `x-api-key`.";
    CredentialMalformed "credential_malformed" Caller false "The credential is not a token we can read." "Sign in again; if it repeats, the program that made the token is at fault.";
    CredentialConflict "credential_conflict" Caller false "The request carries two different credentials." "Send one credential, or the same one in both headers.";
    TokenAlgorithm "token_algorithm" Caller false "The token is signed in a way its issuer's key does not allow." "Use a token that the configured issuer signed.";
    TokenSignature "token_signature" Caller false "The token's signature does not match its issuer's keys." "Sign in again; if it repeats, the issuer's keys and the token do not belong together.";
    TokenKeyUnknown "token_key_unknown" Caller false "The token names a key its issuer does not publish." "Sign in again; after a key change the issuer may need some minutes.";
    TokenExpired "token_expired" Caller false "The token has expired." "Sign in again.";
    TokenNotYetValid "token_not_yet_valid" Caller true "The token is not valid yet." "Check the clock of the machine that made the token.";
    TokenIssuer "token_issuer" Caller false "The token comes from an issuer this gateway does not trust." "Sign in with the company's account; an administrator can add an issuer.";
    TokenTenant "token_tenant" Caller false "The token comes from a tenant this gateway does not trust." "Sign in with the company's account, not a guest or personal one.";
    TokenAudience "token_audience" Caller false "The token was made for another application." "Use the application id that the administrator configured for this gateway.";
    TokenClaims "token_claims" Caller false "The token lacks a claim we need, or states it in a wrong form." "Check the issuer's claim configuration; the message names the claim.";
    TokenLifetime "token_lifetime" Caller false "The token lives longer than this gateway allows." "Shorten the token lifetime at the issuer.";
    GroupsUnresolved "groups_unresolved" Doorward true "The person's groups could not be read from the directory." "Try again; an administrator can use app roles, which need no look-up.";
    WorkloadUnknown "workload_unknown" Caller false "The workload token matches no configured service." "Add a claim rule for this workload.";
    ServiceKeyUnknown "service_key_unknown" Caller false "The service key is not known." "Ask an administrator for a new key.";
    SessionEnded "session_ended" Caller false "This session has ended." "Sign in again.";
    PersonRevoked "person_revoked" Policy false "Access for this person has been taken away." "Ask your administrator if you should have access.";
    IssuerUnreachable "issuer_unreachable" Doorward true "The identity provider's keys cannot be read." "Try again; an administrator should check the connection to the identity provider.";
    // policy
    NotGranted "not_granted" Policy false "No rule lets this person or service use Claude." "Ask your administrator to add you to a group that may.";
    ModelNotAllowed "model_not_allowed" Policy false "This model is not allowed for you." "Pick one of your models, or ask your administrator.";
    ClientNotAllowed "client_not_allowed" Policy false "This program is not allowed." "Use a program your company supports.";
    ClientTooOld "client_too_old" Policy false "This program's version is older than your company allows." "Update it, then try again.";
    IssuerNotAllowed "issuer_not_allowed" Policy false "Your sign-in comes from an issuer that the rules do not accept here." "Sign in with another of the company's accounts.";
    NetworkNotAllowed "network_not_allowed" Policy false "The rules do not accept requests from this network." "Connect through a network your company allows.";
    RegionNotAvailable "region_not_available" Policy false "No provider in an allowed region serves this model." "Pick another model, or ask your administrator.";
    EndpointNotOffered "endpoint_not_offered" Policy false "This endpoint is not offered here, because budgets or isolation would not hold on it." "Use the Messages API.";
    AcceptableUseRequired "acceptable_use_required" Policy false "The acceptable-use policy has not been accepted." "Open the link, accept it, and send your request again.";
    // connectors
    ConnectorNotAvailable "connector_not_available" Policy false "There is no such connector for you." "Ask your administrator for it.";
    ActionNotAvailable "action_not_available" Policy false "This action is not available to you." "Use one of the connector's listed actions, or ask your administrator.";
    ArgumentsNotAllowed "arguments_not_allowed" Policy false "The rules do not allow this action with these arguments." "Use other arguments, or ask your administrator.";
    ApprovalNeeded "approval_needed" Policy false "This call needs an approval before it is sent." "It is sent once somebody has approved exactly this call.";
    GrantNeeded "grant_needed" Caller false "Your own account is not connected there, is no longer accepted, or covers too little." "Open the link, connect it, and make the call again.";
    OriginNotAllowed "origin_not_allowed" Caller false "Requests from this web page are not accepted here." "Connect with a client your company supports, not from a web page.";
    McpSessionUnknown "mcp_session_unknown" Caller false "There is no such session of yours at this connector." "Begin a new session with `initialize`.";
    McpVersion "mcp_version" Caller false "The protocol version is not one that this connector speaks." "Use one of the versions that the answer names.";
    McpHeaders "mcp_headers" Caller false "The protocol headers are missing, or say something else than the message." "Send each header as the protocol version demands it, equal to the body.";
    // inspection
    ContentBlocked "content_blocked" Policy false "The request holds something the rules keep from leaving." "Take it out and send the request again.";
    ContentUnreadable "content_unreadable" Caller false "The request's content could not be read for inspection." "Send well-formed JSON.";
    // quota
    RequestRate "request_rate" Policy true "Too many requests in this minute." "Wait until the minute is over.";
    TokenRate "token_rate" Policy true "Too many tokens in this minute." "Wait until the minute is over.";
    ConcurrencyLimit "concurrency_limit" Policy true "Too many requests at the same time." "Wait until one of them has ended.";
    BudgetSpent "budget_spent" Policy false "The budget is used up." "Wait for the next period, or ask your administrator for more.";
    // the request itself
    BodyTooLarge "body_too_large" Caller false "The request body is too large." "Send less at once.";
    BodyMalformed "body_malformed" Caller false "The request body is not the JSON this endpoint needs." "Send one well-formed JSON object.";
    BodyTimeout "body_timeout" Caller true "The request body did not arrive in time." "Check the connection and try again.";
    ClientGone "client_gone" Caller true "The client left before its request was complete." "Check the connection and try again.";
    MethodNotAllowed "method_not_allowed" Caller false "This path does not take that method." "Use the method the documentation names.";
    PathUnknown "path_unknown" Caller false "There is nothing at this path." "Check the base URL.";
    HostUnknown "host_unknown" Caller false "No organisation is served at this host." "Check the base URL; something in front of the gateway must pass the host on as it came.";
    ParameterInvalid "parameter_invalid" Caller false "A parameter has a value that cannot be." "Correct the named parameter.";
    // upstream
    UpstreamUnavailable "upstream_unavailable" Upstream true "The provider could not be reached or failed." "Try again in a moment.";
    UpstreamTimeout "upstream_timeout" Upstream true "The provider did not answer in time." "Try again in a moment.";
    UpstreamCredential "upstream_credential" Doorward false "The provider refused this gateway's own credential." "An administrator must renew the provider credential; signing in again does not help.";
    UpstreamGarbled "upstream_garbled" Upstream true "The provider's answer could not be understood." "Try again in a moment.";
    ModelUnserved "model_unserved" Doorward false "No configured provider serves this model." "An administrator must add an upstream for it.";
    // administration
    RoleMissing "role_missing" Policy false "Your role does not allow this." "Ask an owner for a role that does; the message names what is missing.";
    ScopeMissing "scope_missing" Caller false "The token's scopes do not allow this." "Make a token with the scope that the message names, or sign in yourself.";
    ProofStale "proof_stale" Caller false "This needs a proof of who you are that is no older than ten minutes." "Sign in again; the page leads back to here.";
    PersonNeeded "person_needed" Caller false "The admin API is for people and their tokens, not for services." "Sign in as a person, or make a personal access token (`dwp_…`).";
    AccessTokenUnknown "access_token_unknown" Caller false "The token is not known, has ended or was taken away." "Make a new one.";
    ThingUnknown "thing_unknown" Caller false "There is nothing of this id here." "Look the id up again; it may belong to another organisation or be gone.";
    ThingExists "thing_exists" Caller false "There is one already; nothing was written." "Change the one that the answer names.";
    VersionConflict "version_conflict" Caller false "Somebody else changed this in between; nothing was written." "Read it again, lay your change over it, and send it with the new ETag.";
    VersionMissing "version_missing" Caller false "The request does not say which version it changes." "Send the ETag you read as `If-Match`.";
    IdempotencyConflict "idempotency_conflict" Caller false "This Idempotency-Key was used for another request." "Use a new key for a new request.";
    IdempotencyUnsettled "idempotency_unsettled" Caller true "A request with this Idempotency-Key was begun and its outcome is not known yet." "Try again in a moment; if it stays so, look whether it was done before you use a new key.";
    LimitReached "limit_reached" Caller false "There are as many of these as there may be; nothing was written." "Take one away first.";
    // ourselves
    LedgerUnavailable "ledger_unavailable" Doorward true "The ledger cannot be written, so nothing may pass." "An administrator must free or repair the ledger's disk.";
    StoreUnavailable "store_unavailable" Doorward true "The store cannot be reached." "Try again in a moment.";
    Overloaded "overloaded" Doorward true "This gateway is at its limit of work." "Try again in a moment.";
    Draining "draining" Doorward true "This gateway is shutting down." "Try again; another replica will answer.";
    Internal "internal" Doorward true "Something broke inside this gateway." "Try again; an administrator finds the request id in the log.";
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl Serialize for ReasonCode {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

/// One reason of a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What kind.
    pub code: ReasonCode,
    /// The rule, budget or limit that decided, by its name in the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// A sentence for the person, with this case's particulars. Holds no content and no credential.
    pub message: String,
}

impl Reason {
    /// A reason with the table's own sentence.
    pub fn plain(code: ReasonCode) -> Self {
        Self {
            code,
            rule: None,
            message: code.what().to_owned(),
        }
    }

    /// A reason with this case's particulars.
    pub fn new(code: ReasonCode, message: impl Into<String>) -> Self {
        Self {
            code,
            rule: None,
            message: message.into(),
        }
    }

    /// The same reason, decided by a named rule.
    #[must_use]
    pub fn by(mut self, rule: impl Into<String>) -> Self {
        self.rule = Some(rule.into());
        self
    }
}

/// A refusal: at least one reason, the first of which decides the response. Allowed means there is no refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    first: Reason,
    others: Vec<Reason>,
    /// For a limit that resets: in how many whole seconds, at least one.
    pub retry_after_s: Option<u32>,
    /// For a used-up budget: what the client's usage headers need.
    pub budget: Option<BudgetSpent>,
}

/// What a client is told about the budget that refused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetSpent {
    /// The budget's period.
    pub period: crate::window::Period,
    /// When it begins anew.
    pub resets_at: crate::Timestamp,
}

impl Refusal {
    /// A refusal for one reason.
    pub fn one(reason: Reason) -> Self {
        Self {
            first: reason,
            others: Vec::new(),
            retry_after_s: None,
            budget: None,
        }
    }

    /// A refusal with the table's own sentence.
    pub fn plain(code: ReasonCode) -> Self {
        Self::one(Reason::plain(code))
    }

    /// A refusal for one reason with this case's particulars.
    pub fn new(code: ReasonCode, message: impl Into<String>) -> Self {
        Self::one(Reason::new(code, message))
    }

    /// A refusal for all of these, or none when there are no reasons.
    pub fn from_reasons(mut reasons: Vec<Reason>) -> Option<Self> {
        if reasons.is_empty() {
            return None;
        }
        let first = reasons.remove(0);
        Some(Self {
            first,
            others: reasons,
            retry_after_s: None,
            budget: None,
        })
    }

    /// The same refusal with one more reason, which decides nothing.
    #[must_use]
    pub fn and(mut self, reason: Reason) -> Self {
        self.others.push(reason);
        self
    }

    /// The reason that decides the response.
    pub fn first(&self) -> &Reason {
        &self.first
    }

    /// The deciding code.
    pub fn code(&self) -> ReasonCode {
        self.first.code
    }

    /// Every reason, the deciding one first.
    pub fn reasons(&self) -> impl Iterator<Item = &Reason> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// One line for the person: every reason's sentence, then what to do about the first.
    pub fn sentence(&self) -> String {
        let mut text = String::new();
        for reason in self.reasons() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&reason.message);
        }
        text.push(' ');
        text.push_str(self.first.code.help());
        text
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.first.code.as_str())
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_unique_and_every_sentence_ends() {
        let mut codes: Vec<_> = ReasonCode::ALL.iter().map(|code| code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ReasonCode::ALL.len());
        for code in ReasonCode::ALL {
            assert!(
                code.what().ends_with('.') && code.help().ends_with('.'),
                "{code}"
            );
        }
    }

    #[test]
    fn the_error_document_names_every_code() {
        let page = include_str!("../../../docs/errors.md");
        for code in ReasonCode::ALL {
            assert!(
                page.contains(&format!("| `{code}` |")),
                "docs/errors.md does not explain `{code}`"
            );
        }
    }

    #[test]
    fn a_refusal_says_all_its_reasons_and_what_to_do() {
        let refusal = Refusal::from_reasons(vec![
            Reason::new(
                ReasonCode::ModelNotAllowed,
                "The model claude-opus-5-5 is not allowed for you.",
            )
            .by("staff"),
            Reason::plain(ReasonCode::ClientTooOld),
        ])
        .unwrap();
        assert_eq!(
            refusal.sentence(),
            "The model claude-opus-5-5 is not allowed for you. This program's version is older than your company allows. \
             Pick one of your models, or ask your administrator."
        );
        assert_eq!(Refusal::from_reasons(vec![]), None);
    }
}
