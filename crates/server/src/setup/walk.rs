//! Where a walk stands: its steps, and what was typed and found in each. A step opens when those before it are done; what is changed
//! undoes what hung on it. Holds secrets in memory until the last step writes them.

use std::net::SocketAddr;
use std::path::PathBuf;

use pipeline::identity::IssuerConfig;

use super::issuer::IssuerStep;
use super::organisation::Organisation;
use super::owner::Owner;
use super::policy::PolicyStep;
use super::trial::Trip;
use super::upstream::UpstreamStep;
use crate::config::Config;

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Name and address.
    Organisation,
    /// Who vouches for people.
    Issuer,
    /// Who signed in.
    Owner,
    /// The provider of Claude.
    Upstream,
    /// Who may use what.
    Policy,
    /// All of it, before it is written.
    Write,
}

impl Step {
    /// All, in order.
    pub const ALL: [Self; 6] = [
        Self::Organisation,
        Self::Issuer,
        Self::Owner,
        Self::Upstream,
        Self::Policy,
        Self::Write,
    ];

    /// In the list of steps.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Organisation => "Organisation",
            Self::Issuer => "Sign-in",
            Self::Owner => "Owner",
            Self::Upstream => "Provider",
            Self::Policy => "First rule",
            Self::Write => "Write",
        }
    }

    /// Over its page.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Organisation => "Name and address",
            Self::Issuer => "Where people sign in",
            Self::Owner => "You are signed in",
            Self::Upstream => "Where Claude comes from",
            Self::Policy => "Who may use what, to begin with",
            Self::Write => "Look at the whole",
        }
    }

    /// Its address.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Organisation => "/setup/organisation",
            Self::Issuer => "/setup/issuer",
            Self::Owner => "/setup/owner",
            Self::Upstream => "/setup/upstream",
            Self::Policy => "/setup/policy",
            Self::Write => "/setup/write",
        }
    }
}

/// Where the walk takes place.
#[derive(Debug, Clone)]
pub struct At {
    /// The configuration that will be written.
    pub file: PathBuf,
    /// Its folder.
    pub folder: PathBuf,
    /// Where this process listens.
    pub listen: SocketAddr,
    /// A place for operators that is free.
    pub ops: SocketAddr,
    /// The origin of its pages, `http://localhost:8080`.
    pub origin: String,
}

/// Everything so far.
#[derive(Debug)]
pub struct Walk {
    /// Where it takes place.
    pub at: At,
    /// The first step.
    pub organisation: Organisation,
    /// The second.
    pub issuer: IssuerStep,
    /// A sign-in under way.
    pub trip: Option<Trip>,
    /// Who signed in.
    pub owner: Option<Owner>,
    /// The fourth.
    pub upstream: UpstreamStep,
    /// The fifth.
    pub policy: PolicyStep,
    /// Whether everything was written.
    pub is_written: bool,
    /// Whether an issuer of a configuration that is there is tried, and nothing else: then nothing is written at all.
    pub is_trial: bool,
}

impl Walk {
    /// A walk that begins here.
    pub fn new(at: At) -> Self {
        Self {
            organisation: Organisation::new(&at),
            at,
            issuer: IssuerStep::default(),
            trip: None,
            owner: None,
            upstream: UpstreamStep::default(),
            policy: PolicyStep::default(),
            is_written: false,
            is_trial: false,
        }
    }

    /// A walk of an issuer alone, for a configuration that is there.
    pub fn of_issuer(at: At, config: &Config) -> Self {
        let mut walk = Self::new(at);
        walk.is_trial = true;
        walk.organisation.name.clone_from(&config.server.org);
        walk.organisation
            .public_url
            .clone_from(&config.server.public_url);
        walk.organisation.is_done = true;
        let for_people = |issuer: &&IssuerConfig| issuer.vouches_for_people();
        if let Some(issuer) = config.issuers.iter().find(for_people) {
            walk.issuer = IssuerStep::of(issuer);
        }
        walk
    }

    /// The first step that is not done.
    pub fn first_open(&self) -> Step {
        let is_done = |step: &Step| match step {
            Step::Organisation => self.organisation.is_done,
            Step::Issuer => self.owner.is_some(),
            Step::Owner => self.owner.as_ref().is_some_and(|owner| owner.is_taken),
            Step::Upstream => self.upstream.checked.is_some(),
            Step::Policy => self.policy.is_done,
            Step::Write => false,
        };
        let open = Step::ALL.into_iter().find(|step| !is_done(step));
        open.unwrap_or(Step::Write)
    }

    /// Whether a step may be seen.
    pub fn is_open(&self, step: Step) -> bool {
        let is_of_trial = matches!(step, Step::Issuer | Step::Owner);
        step <= self.first_open() && (is_of_trial || !self.is_trial)
    }

    /// Undoes what hangs on the identity provider.
    pub fn issuer_changed(&mut self) {
        self.trip = None;
        self.owner = None;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::setup) fn walk(folder: &std::path::Path) -> Walk {
        Walk::new(At {
            file: folder.join("doorward.toml"),
            folder: folder.to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            ops: SocketAddr::from(([127, 0, 0, 1], 9090)),
            origin: "http://localhost:8080".to_owned(),
        })
    }

    #[test]
    fn a_step_opens_when_those_before_it_are_done_and_a_changed_issuer_closes_those_after() {
        let mut walk = walk(std::path::Path::new("/nowhere"));
        assert_eq!(walk.first_open(), Step::Organisation);
        assert!(!walk.is_open(Step::Issuer));
        walk.organisation.is_done = true;
        assert_eq!(walk.first_open(), Step::Issuer);
        walk.owner = Some(Owner::sample());
        assert_eq!(walk.first_open(), Step::Owner);
        walk.owner.as_mut().unwrap().is_taken = true;
        assert_eq!(walk.first_open(), Step::Upstream);
        assert!(walk.is_open(Step::Organisation) && !walk.is_open(Step::Write));
        walk.issuer_changed();
        assert_eq!(walk.first_open(), Step::Issuer);
    }
}
