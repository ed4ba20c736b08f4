//! The reasons of refusals as the filter offers them: in words, by what they are about, and only those that a call can be refused for. A
//! code is never hidden for good: whatever the address names is offered too. Called by the list.

use domain::ReasonCode;
use domain::ReasonCode as Code;

/// What reasons are about, and which are.
const GROUPS: [(&str, &[ReasonCode]); 8] = [
    (
        "The company's rules",
        &[
            Code::NotGranted,
            Code::ModelNotAllowed,
            Code::ClientNotAllowed,
            Code::ClientTooOld,
            Code::IssuerNotAllowed,
            Code::NetworkNotAllowed,
            Code::RegionNotAvailable,
            Code::EndpointNotOffered,
            Code::AcceptableUseRequired,
            Code::PersonRevoked,
        ],
    ),
    (
        "Budgets and limits",
        &[
            Code::BudgetSpent,
            Code::RequestRate,
            Code::TokenRate,
            Code::ConcurrencyLimit,
        ],
    ),
    (
        "What was in it",
        &[Code::ContentBlocked, Code::ContentUnreadable],
    ),
    (
        "Connectors",
        &[
            Code::ConnectorNotAvailable,
            Code::ActionNotAvailable,
            Code::ArgumentsNotAllowed,
            Code::ApprovalNeeded,
            Code::GrantNeeded,
            Code::OriginNotAllowed,
            Code::McpSessionUnknown,
            Code::McpVersion,
            Code::McpHeaders,
        ],
    ),
    (
        "Sign-in",
        &[
            Code::CredentialMissing,
            Code::CredentialMalformed,
            Code::CredentialConflict,
            Code::TokenAlgorithm,
            Code::TokenSignature,
            Code::TokenKeyUnknown,
            Code::TokenExpired,
            Code::TokenNotYetValid,
            Code::TokenIssuer,
            Code::TokenTenant,
            Code::TokenAudience,
            Code::TokenClaims,
            Code::TokenLifetime,
            Code::GroupsUnresolved,
            Code::WorkloadUnknown,
            Code::ServiceKeyUnknown,
            Code::SessionEnded,
            Code::IssuerUnreachable,
        ],
    ),
    (
        "The request",
        &[
            Code::BodyTooLarge,
            Code::BodyMalformed,
            Code::BodyTimeout,
            Code::ClientGone,
            Code::MethodNotAllowed,
            Code::PathUnknown,
            Code::HostUnknown,
            Code::ParameterInvalid,
        ],
    ),
    (
        "The provider",
        &[
            Code::UpstreamUnavailable,
            Code::UpstreamTimeout,
            Code::UpstreamCredential,
            Code::UpstreamGarbled,
            Code::ModelUnserved,
        ],
    ),
    (
        "Doorward itself",
        &[
            Code::LedgerUnavailable,
            Code::StoreUnavailable,
            Code::Overloaded,
            Code::Draining,
            Code::Internal,
        ],
    ),
];

/// A reason of the filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offered {
    pub(super) code: &'static str,
    pub(super) word: String,
    pub(super) is_on: bool,
}

/// Reasons that are about the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) about: &'static str,
    pub(super) reasons: Vec<Offered>,
}

/// Every reason that is offered; `on` is the one that is chosen.
pub(super) fn offered(on: &str) -> Vec<Group> {
    let reason = |code: &ReasonCode| Offered {
        code: code.as_str(),
        word: word(code.as_str()),
        is_on: code.as_str() == on,
    };
    let group = |&(about, codes): &(&'static str, &[ReasonCode])| Group {
        about,
        reasons: codes.iter().map(reason).collect(),
    };
    let mut groups: Vec<Group> = GROUPS.iter().map(group).collect();
    let is_offered = GROUPS
        .iter()
        .any(|(_, codes)| codes.iter().any(|code| code.as_str() == on));
    let other = ReasonCode::ALL.iter().find(|code| code.as_str() == on);
    if let Some(other) = other.filter(|_| !is_offered) {
        groups.push(Group {
            about: "Administration",
            reasons: vec![reason(other)],
        });
    }
    groups
}

/// A code in words: `Model not allowed`.
pub(super) fn word(code: &str) -> String {
    let words = code.replace('_', " ");
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let word: String = first.into_iter().chain(letters).collect();
    word.replace("Mcp", "MCP")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What only administration is refused for; no call is.
    const ADMINISTRATION: [ReasonCode; 12] = [
        Code::RoleMissing,
        Code::ScopeMissing,
        Code::ProofStale,
        Code::PersonNeeded,
        Code::AccessTokenUnknown,
        Code::ThingUnknown,
        Code::ThingExists,
        Code::VersionConflict,
        Code::VersionMissing,
        Code::IdempotencyConflict,
        Code::IdempotencyUnsettled,
        Code::LimitReached,
    ];

    #[test]
    fn every_reason_is_in_one_group_or_no_calls() {
        let mut known: Vec<ReasonCode> = GROUPS
            .iter()
            .flat_map(|(_, codes)| codes.iter().copied())
            .chain(ADMINISTRATION)
            .collect();
        known.sort_unstable();
        let mut all = ReasonCode::ALL.to_vec();
        all.sort_unstable();
        assert_eq!(known, all);
    }

    #[test]
    fn a_reason_is_offered_in_words_and_what_is_chosen_stays_chosen() {
        assert_eq!(word("model_not_allowed"), "Model not allowed");
        assert_eq!(word("mcp_session_unknown"), "MCP session unknown");
        let on = |code: &str| {
            let groups = offered(code);
            let all = groups.into_iter().flat_map(|group| group.reasons);
            all.filter(|reason| reason.is_on).count()
        };
        assert_eq!((on("budget_spent"), on("role_missing")), (1, 1));
        assert_eq!((on(""), on("nonsense")), (0, 0));
    }
}
