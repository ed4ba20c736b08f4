//! Who may do what: the roles, the rights, and the one table that joins them; and [`Actor`], who acts. Every function of this
//! crate asks [`crate::Operation::require`] before it reads anything. Nothing else in Doorward decides about administrators; what
//! people may use of Claude is the policy's.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

pub use domain::Role;
use domain::words::UnknownWord;
use domain::{PersonId, Subject, TokenId};

macro_rules! rights {
    ($( $right:ident $word:literal [$($role:ident)*] $what:literal; )*) => {
        /// One thing that somebody may do. Its word is also the scope that a personal access token is given.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Right {
            $( #[doc = $what] $right, )*
        }

        impl Right {
            /// Every right, in the order of the table.
            pub const ALL: &'static [Self] = &[ $( Self::$right, )* ];

            /// Its word.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$right => $word, )* }
            }

            /// What it allows, for people to read.
            pub const fn what(self) -> &'static str {
                match self { $( Self::$right => $what, )* }
            }

            /// The roles that have it.
            pub const fn roles(self) -> &'static [Role] {
                match self { $( Self::$right => &[ $( Role::$role, )* ], )* }
            }
        }
    };
}

// The table. Two rows are the owner's alone because whoever has them can make themselves owner: giving roles, and the tokens with
// which a directory says who is in which group.
rights! {
    OwnRead "own.read" [Owner Admin Approver Auditor Technician Member] "See oneself, one's own sessions, tokens and use.";
    OwnWrite "own.write" [Owner Admin Approver Auditor Technician Member] "End one's own sessions, make and take away one's own tokens, ask for access.";
    OrgRead "org.read" [Owner Admin Approver Auditor Technician] "See the organisation and its settings.";
    ConfigRead "config.read" [Owner Admin Auditor Technician] "See issuers, upstreams and models as configured, without secrets.";
    ConfigTest "config.test" [Owner Admin Technician] "Ask an upstream a question that is not billed, with our credential.";
    PeopleRead "people.read" [Owner Admin Approver Auditor Technician] "See people.";
    PeopleWrite "people.write" [Owner Admin Technician] "Take people's access away and give it back.";
    GroupsRead "groups.read" [Owner Admin Approver Auditor Technician] "See groups and who is in them.";
    SessionsRead "sessions.read" [Owner Admin Auditor Technician] "See everyone's sessions.";
    SessionsWrite "sessions.write" [Owner Admin Technician] "End anyone's sessions.";
    GrantsRead "grants.read" [Owner Admin Auditor Technician] "See who has connected an account of their own at which connector, never what is secret of it.";
    GrantsWrite "grants.write" [Owner Admin Technician] "End anyone's connection there.";
    ServicesRead "services.read" [Owner Admin Auditor Technician] "See services and their keys, never the keys themselves.";
    ServicesWrite "services.write" [Owner Admin Technician] "Make and take away service keys.";
    RolesRead "roles.read" [Owner Admin Auditor Technician] "See who holds which role.";
    RolesWrite "roles.write" [Owner] "Give and take roles, and take an owner's access away.";
    TokensRead "tokens.read" [Owner Admin Auditor] "See everyone's personal access tokens, never the tokens themselves.";
    TokensWrite "tokens.write" [Owner Admin] "Take anyone's personal access token away.";
    DirectoryRead "directory.read" [Owner Admin Auditor Technician] "See the tokens that a directory provisions with, and how it goes.";
    DirectoryWrite "directory.write" [Owner] "Make and take away the tokens that a directory provisions with.";
    DirectorySync "directory.sync" [] "Provision people and groups: the directory itself, with its token.";
    PolicyRead "policy.read" [Owner Admin Approver Auditor Technician] "See the policy, its versions, and try decisions.";
    PolicyWrite "policy.write" [Owner Admin Technician] "Put a policy in force.";
    BudgetsRead "budgets.read" [Owner Admin Approver Auditor Technician] "See spend limits and what was spent.";
    BudgetsWrite "budgets.write" [Owner Admin] "Set and remove spend limits.";
    AcceptableUseRead "acceptable_use.read" [Owner Admin Approver Auditor Technician] "See the acceptable-use policy, its versions, and who has accepted.";
    AcceptableUseWrite "acceptable_use.write" [Owner Admin Technician] "Publish the acceptable-use policy.";
    TasksRead "tasks.read" [Owner Admin Approver Auditor Technician] "See what is to be done for people who come and go.";
    TasksWrite "tasks.write" [Owner Admin Approver Technician] "Say that something of it is done, and open it by hand.";
    AccessRequestsRead "access_requests.read" [Owner Admin Approver Auditor Technician] "See what people ask for beyond what they may use.";
    AccessRequestsWrite "access_requests.write" [Owner Admin Approver Technician] "Answer it, never one's own; about a budget only with budgets.write too.";
    ApprovalsRead "approvals.read" [Owner Admin Approver Auditor Technician] "See which calls of connectors wait for approval and what became of them; arguments only where one decides.";
    ApprovalsWrite "approvals.write" [Owner Admin Approver] "Approve calls that need a second person, never one's own, and deny any.";
    EvidenceRead "evidence.read" [Owner Admin Approver Auditor Technician] "See what checks have found, and kept.";
    EvidenceWrite "evidence.write" [Owner Admin Technician] "Make checks whose findings are kept.";
    LedgerRead "ledger.read" [Owner Admin Auditor] "Search the ledger and export it.";
}

impl fmt::Display for Right {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for Right {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let known = Self::ALL.iter().find(|right| right.as_str() == text);
        known.copied().ok_or(UnknownWord("right"))
    }
}

/// What these roles may together.
pub fn rights_of(roles: &BTreeSet<Role>) -> BTreeSet<Right> {
    let held = |right: &&Right| right.roles().iter().any(|role| roles.contains(role));
    Right::ALL.iter().filter(held).copied().collect()
}

/// Who acts, as far as it matters who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Somebody on the machine itself.
    CommandLine,
    /// A person who signed in.
    Person(PersonId),
    /// A person's token.
    Token {
        /// Whose.
        person: PersonId,
        /// Which.
        token: TokenId,
    },
    /// An issuer's directory, by SCIM.
    Directory {
        /// The issuer's configured name.
        issuer: String,
    },
    /// The running server itself, which nobody asked.
    Doorward,
}

/// Who acts, and what they may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    who: Who,
    label: String,
    roles: BTreeSet<Role>,
    rights: BTreeSet<Right>,
}

impl Actor {
    /// Somebody with the machine's own files, who may do everything: `command line`.
    pub fn command_line(label: &str) -> Self {
        Self {
            who: Who::CommandLine,
            label: label.to_owned(),
            roles: BTreeSet::new(),
            rights: Right::ALL.iter().copied().collect(),
        }
    }

    /// The running server, which follows people who come and go, and may do nothing else.
    pub fn doorward() -> Self {
        Self {
            who: Who::Doorward,
            label: "doorward".to_owned(),
            roles: BTreeSet::new(),
            rights: BTreeSet::from([Right::TasksWrite]),
        }
    }

    /// A person who signed in, with the roles that were given to them or their groups. Everyone is a member.
    pub fn person(person: PersonId, label: &str, mut roles: BTreeSet<Role>) -> Self {
        roles.insert(Role::Member);
        Self {
            who: Who::Person(person),
            label: label.to_owned(),
            rights: rights_of(&roles),
            roles,
        }
    }

    /// A person's token: their rights at this moment, as far as its scopes go. A token makes no tokens and gives no roles,
    /// whatever its scopes say, so that a stolen one cannot outlive its end.
    pub fn token(
        person: PersonId,
        token: TokenId,
        label: &str,
        roles: BTreeSet<Role>,
        scopes: &BTreeSet<Right>,
    ) -> Self {
        let owner = Self::person(person, label, roles);
        let rights = owner.rights.intersection(scopes).copied();
        Self {
            who: Who::Token { person, token },
            rights: rights.filter(|right| may_be_scope(*right)).collect(),
            ..owner
        }
    }

    /// The break-glass account: an owner, but for what makes something that would outlive its hour.
    pub fn break_glass(person: PersonId) -> Self {
        let mut account =
            Self::person(person, "break-glass account", BTreeSet::from([Role::Owner]));
        account.rights.retain(|right| !would_outlive(*right));
        account
    }

    /// The directory of an issuer.
    pub fn directory(issuer: &str, label: &str) -> Self {
        Self {
            who: Who::Directory {
                issuer: issuer.to_owned(),
            },
            label: label.to_owned(),
            roles: BTreeSet::new(),
            rights: BTreeSet::from([Right::DirectorySync]),
        }
    }

    /// Who it is.
    pub const fn who(&self) -> &Who {
        &self.who
    }

    /// What people recognise: an e-mail address, `command line`.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The roles; none for what is no person.
    pub const fn roles(&self) -> &BTreeSet<Role> {
        &self.roles
    }

    /// What it may.
    pub const fn rights(&self) -> &BTreeSet<Right> {
        &self.rights
    }

    /// Whether it may.
    pub fn may(&self, right: Right) -> bool {
        self.rights.contains(&right)
    }

    /// Whether it is the token that keeps its owner from it.
    pub fn is_kept_from(&self, right: Right) -> bool {
        let is_token = matches!(self.who, Who::Token { .. });
        is_token && !self.may(right) && rights_of(&self.roles).contains(&right)
    }

    /// The person behind it, also behind a token.
    pub const fn person_id(&self) -> Option<PersonId> {
        match self.who {
            Who::Person(person) | Who::Token { person, .. } => Some(person),
            Who::CommandLine | Who::Directory { .. } | Who::Doorward => None,
        }
    }

    /// The one to name in a record.
    pub fn subject(&self) -> Option<Subject> {
        self.person_id().map(Subject::Person)
    }

    /// The same for every request of the same caller, and for no other's.
    pub fn key(&self) -> String {
        match &self.who {
            Who::CommandLine => "command line".to_owned(),
            Who::Person(person) => person.to_string(),
            Who::Token { token, .. } => token.to_string(),
            Who::Directory { issuer } => format!("directory {issuer}"),
            Who::Doorward => "doorward".to_owned(),
        }
    }
}

/// Whether what this right makes opens something by itself: personal tokens, service keys, directory tokens.
const fn would_outlive(right: Right) -> bool {
    matches!(
        right,
        Right::OwnWrite | Right::ServicesWrite | Right::DirectoryWrite
    )
}

/// Whether a token may be given this right.
pub fn may_be_scope(right: Right) -> bool {
    !matches!(
        right,
        Right::OwnWrite | Right::RolesWrite | Right::DirectoryWrite | Right::DirectorySync
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(role: Role) -> BTreeSet<Right> {
        rights_of(&BTreeSet::from([role]))
    }

    fn verb(right: Right) -> &'static str {
        right.as_str().split_once('.').unwrap().1
    }

    fn writes(right: Right) -> bool {
        verb(right) == "write" && right != Right::OwnWrite
    }

    #[test]
    fn an_owner_may_everything_that_a_person_may() {
        let all: BTreeSet<Right> = Right::ALL.iter().copied().collect();
        let owner = may(Role::Owner);
        let missing: Vec<_> = all.difference(&owner).collect();
        assert_eq!(missing, [&Right::DirectorySync]);
    }

    #[test]
    fn an_auditor_reads_everything_and_writes_nothing_of_the_companys() {
        for right in Right::ALL {
            let reads = verb(*right) == "read" || *right == Right::OwnWrite;
            assert_eq!(may(Role::Auditor).contains(right), reads, "{right}");
        }
    }

    #[test]
    fn a_member_has_their_own_things_and_everyone_is_one() {
        let own = BTreeSet::from([Right::OwnRead, Right::OwnWrite]);
        assert_eq!(may(Role::Member), own);
        for role in Role::ALL {
            assert!(own.is_subset(&may(*role)), "{role}");
        }
        let id = PersonId::from_parts(1, 1);
        assert_eq!(Actor::person(id, "ada", BTreeSet::new()).rights(), &own);
    }

    #[test]
    fn only_an_owner_can_make_an_owner_or_say_who_is_in_a_group() {
        for right in [Right::RolesWrite, Right::DirectoryWrite] {
            assert_eq!(right.roles(), [Role::Owner], "{right}");
        }
    }

    #[test]
    fn whoever_writes_a_thing_may_read_it() {
        for right in Right::ALL.iter().filter(|right| writes(**right)) {
            let read: Right = right.as_str().replace(".write", ".read").parse().unwrap();
            for role in right.roles() {
                assert!(
                    read.roles().contains(role),
                    "{role} has {right} but not {read}"
                );
            }
        }
    }

    #[test]
    fn a_token_has_no_more_than_its_owner_and_no_more_than_its_scopes() {
        let (person, token) = (PersonId::from_parts(1, 1), TokenId::from_parts(1, 1));
        let scopes: BTreeSet<Right> = Right::ALL.iter().copied().collect();
        let roles = BTreeSet::from([Role::Auditor]);
        let wide = Actor::token(person, token, "ada", roles, &scopes);
        assert!(wide.may(Right::LedgerRead) && !wide.may(Right::PolicyWrite));
        let scopes = BTreeSet::from([Right::PolicyRead, Right::PolicyWrite]);
        let narrow = Actor::token(person, token, "ada", BTreeSet::new(), &scopes);
        assert_eq!(narrow.rights(), &BTreeSet::new());
    }

    #[test]
    fn the_break_glass_account_is_an_owner_who_makes_nothing_that_opens_by_itself() {
        let account = Actor::break_glass(PersonId::from_parts(1, 1));
        let owner = may(Role::Owner);
        let missing: Vec<_> = owner.difference(account.rights()).collect();
        let expected = [
            &Right::OwnWrite,
            &Right::ServicesWrite,
            &Right::DirectoryWrite,
        ];
        assert_eq!(missing, expected);
    }

    #[test]
    fn a_token_of_an_owner_cannot_make_itself_last() {
        let (person, token) = (PersonId::from_parts(1, 1), TokenId::from_parts(1, 1));
        let scopes: BTreeSet<Right> = Right::ALL.iter().copied().collect();
        let roles = BTreeSet::from([Role::Owner]);
        let actor = Actor::token(person, token, "ada", roles, &scopes);
        for right in [Right::OwnWrite, Right::RolesWrite, Right::DirectoryWrite] {
            assert!(!actor.may(right), "{right}");
        }
    }

    #[test]
    fn the_server_itself_follows_people_and_is_not_whoever_is_on_the_machine() {
        let doorward = Actor::doorward();
        assert_eq!(doorward.rights(), &BTreeSet::from([Right::TasksWrite]));
        let machine = Actor::command_line("doorward");
        assert_ne!(doorward.who(), machine.who());
        assert_ne!(doorward.key(), machine.key());
    }

    #[test]
    fn every_word_reads_back_and_stands_for_one_thing() {
        for right in Right::ALL {
            assert_eq!(right.as_str().parse(), Ok(*right));
            assert!(right.what().ends_with('.'), "{right}");
        }
        assert!("*".parse::<Right>().is_err());
    }
}
