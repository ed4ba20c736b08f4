//! The people of the sample data, none of whom exists: who works where, with what, since when and until when. Beside them the people of
//! the demo's identity provider, who can sign in. Called by its neighbours.

use domain::{Client, ClientKind, Version};

/// How somebody uses Claude.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Works {
    /// Builds software with Claude Code.
    Builds,
    /// Lets agents work all day on the dearest model.
    Experiments,
    /// Writes and asks in Claude Desktop.
    Writes,
    /// Works on documents in the Office add-ins.
    Files,
    /// Asks now and then.
    Reads,
    /// Never calls a model.
    Looks,
}

/// Somebody of the association.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Person {
    /// Before the at sign.
    pub(super) login: &'static str,
    /// What people call them.
    pub(super) name: &'static str,
    /// Their group in the directory, or what their sign-in states.
    pub(super) group: &'static str,
    /// What they do.
    pub(super) works: Works,
    /// So many days ago they came.
    pub(super) since: i64,
    /// So many days ago they left.
    pub(super) left: Option<i64>,
    /// Whether the directory provisions them; the others are known by their sign-ins alone.
    pub(super) is_provisioned: bool,
}

/// How long the sample data reaches back, in days.
pub(super) const DAYS: i64 = 21;
/// Who experiments, and costs far more than the others.
pub(super) const OUTLIER: &str = "yusuf";
/// Whose Claude Code is older than the rules allow, until so many days ago.
pub(super) const LAGGARD: (&str, i64) = ("piet", 18);
/// Who never gets round to accepting the acceptable-use policy.
pub(super) const PUT_OFF: [&str; 6] = ["sven", "theo", "arthur", "daniel", "dilan", "zadie"];

const fn staff(
    login: &'static str,
    name: &'static str,
    group: &'static str,
    works: Works,
) -> Person {
    Person {
        login,
        name,
        group,
        works,
        since: DAYS,
        left: None,
        is_provisioned: true,
    }
}

const fn known(
    login: &'static str,
    name: &'static str,
    group: &'static str,
    works: Works,
) -> Person {
    Person {
        is_provisioned: false,
        ..staff(login, name, group, works)
    }
}

/// Everybody.
pub(super) const CAST: &[Person] = &[
    known("ada", "Ada Lovelace", "engineering", Works::Builds),
    known("grace", "Grace Hopper", "engineering", Works::Builds),
    known("alan", "Alan Turing", "contractors", Works::Reads),
    known("frida", "Frida Lindqvist", "auditors", Works::Looks),
    staff("nerys", "Nerys Okafor", "platform", Works::Builds),
    staff("jonas", "Jonas Ekberg", "platform", Works::Builds),
    staff("mirela", "Mirela Dobre", "platform", Works::Builds),
    staff("tomas", "Tomás Arriaga", "platform", Works::Builds),
    staff(OUTLIER, "Yusuf Demir", "platform", Works::Experiments),
    staff("hana", "Hana Sato", "platform", Works::Builds),
    staff(LAGGARD.0, "Piet van Aalst", "agency", Works::Builds),
    staff("rosa", "Rosa Quintero", "agency", Works::Builds),
    staff("emil", "Emil Novak", "agency", Works::Writes),
    Person {
        since: 11,
        ..staff("noor", "Noor Rahimi", "pilot", Works::Writes)
    },
    Person {
        since: 11,
        ..staff("caleb", "Caleb Whitlock", "pilot", Works::Writes)
    },
    staff("amara", "Amara Diallo", "programmes", Works::Writes),
    staff("sven", "Sven Holm", "programmes", Works::Writes),
    staff("lucia", "Lucia Ferri", "programmes", Works::Files),
    staff("kofi", "Kofi Mensah", "programmes", Works::Writes),
    staff("ewa", "Ewa Nowak", "programmes", Works::Reads),
    staff("dilan", "Dilan Kaya", "programmes", Works::Files),
    staff("maeve", "Maeve Brennan", "programmes", Works::Writes),
    staff("oscar", "Oscar Lund", "programmes", Works::Reads),
    staff("priya", "Priya Raman", "programmes", Works::Writes),
    staff("helga", "Helga Brandt", "fundraising", Works::Files),
    staff("marco", "Marco Bellini", "fundraising", Works::Writes),
    staff("leila", "Leila Haddad", "fundraising", Works::Writes),
    staff("finn", "Finn O'Dowd", "fundraising", Works::Files),
    staff("sofia", "Sofia Marques", "fundraising", Works::Writes),
    staff("greta", "Greta Weiss", "fundraising", Works::Reads),
    staff("bruno", "Bruno Castel", "communications", Works::Writes),
    staff("alma", "Alma Jensen", "communications", Works::Writes),
    staff("theo", "Theo Marchetti", "communications", Works::Writes),
    staff("zadie", "Zadie Cole", "communications", Works::Files),
    staff("ruth", "Ruth Adler", "finance", Works::Files),
    staff("daniel", "Daniel Osei", "finance", Works::Files),
    staff("katya", "Katya Volkova", "finance", Works::Files),
    staff("nadia", "Nadia Karim", "people-and-culture", Works::Writes),
    staff("liam", "Liam Fraser", "people-and-culture", Works::Files),
    staff("margit", "Margit Solberg", "board", Works::Reads),
    staff("arthur", "Arthur Pell", "board", Works::Reads),
    staff("chiara", "Chiara Conti", "board", Works::Reads),
    Person {
        left: Some(5),
        ..staff("victor", "Victor Hale", "communications", Works::Writes)
    },
    Person {
        since: 9,
        ..staff("elif", "Elif Aksoy", "programmes", Works::Writes)
    },
    Person {
        since: 3,
        ..staff("ben", "Ben Achterberg", "platform", Works::Builds)
    },
];

/// The machine that works at night.
pub(super) const SERVICE: &str = "nightly-digest";

impl Person {
    /// Their address.
    pub(super) fn email(&self) -> String {
        format!("{}@northwind.example", self.login)
    }

    /// Whether they are here on the day that was so many days ago.
    pub(super) fn is_here(&self, days_ago: i64) -> bool {
        self.since >= days_ago && self.left.is_none_or(|left| days_ago >= left)
    }

    /// With which program, on that day.
    pub(super) fn client(&self, days_ago: i64) -> Client {
        let is_old = self.login == LAGGARD.0 && days_ago > LAGGARD.1;
        let (kind, version) = match self.works {
            Works::Builds | Works::Experiments if is_old => (ClientKind::ClaudeCode, [2, 1, 60]),
            Works::Builds | Works::Experiments => (ClientKind::ClaudeCode, [2, 1, 329]),
            Works::Files => (ClientKind::Office, [0, 0, 0]),
            Works::Writes | Works::Reads | Works::Looks => (ClientKind::ClaudeDesktop, [1, 7, 2]),
        };
        Client {
            kind,
            version: (kind != ClientKind::Office).then_some(Version(version)),
        }
    }

    /// What their sign-in calls that program.
    pub(super) const fn program(&self) -> &'static str {
        match self.works {
            Works::Builds | Works::Experiments => "Claude Code on macOS",
            Works::Files => "Microsoft 365 add-in",
            Works::Writes | Works::Reads | Works::Looks => "Claude Desktop on Windows",
        }
    }

    /// Models they ask for, the usual ones more than once.
    pub(super) fn models(&self) -> &'static [&'static str] {
        const OPUS: &str = "claude-opus-5-5";
        const SONNET: &str = "claude-sonnet-5-5";
        const HAIKU: &str = "claude-haiku-5-5";
        match self.works {
            Works::Experiments => &[OPUS],
            _ if self.group == "contractors" => &[HAIKU],
            Works::Builds => &[SONNET, SONNET, OPUS, HAIKU],
            Works::Writes | Works::Reads | Works::Looks => &[SONNET, SONNET, SONNET, HAIKU],
            Works::Files => &[SONNET, HAIKU],
        }
    }

    /// Calls on an ordinary day.
    pub(super) const fn calls(&self) -> u64 {
        match self.works {
            Works::Builds => 26,
            Works::Experiments => 44,
            Works::Writes => 9,
            Works::Files => 6,
            Works::Reads => 3,
            Works::Looks => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn everybody_has_a_name_and_an_address_of_their_own() {
        let logins: BTreeSet<_> = CAST.iter().map(|person| person.login).collect();
        let names: BTreeSet<_> = CAST.iter().map(|person| person.name).collect();
        assert_eq!((logins.len(), names.len()), (CAST.len(), CAST.len()));
        assert!(PUT_OFF.iter().all(|login| logins.contains(login)));
    }

    #[test]
    fn whoever_left_is_here_until_then_and_whoever_came_from_then_on() {
        let of = |login| *CAST.iter().find(|person| person.login == login).unwrap();
        assert!(of("victor").is_here(5) && !of("victor").is_here(4));
        assert!(of("elif").is_here(9) && !of("elif").is_here(10));
    }

    #[test]
    fn the_rules_find_the_laggards_program_too_old_until_it_is_renewed() {
        let piet = CAST
            .iter()
            .find(|person| person.login == LAGGARD.0)
            .unwrap();
        assert_ne!(piet.client(LAGGARD.1 + 1), piet.client(LAGGARD.1));
    }
}
