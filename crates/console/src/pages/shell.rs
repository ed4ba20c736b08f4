//! What stands around every page of the console: the way through it, where one is, who one is, and the foot. [`Place`] is the one
//! table of the places there are: a place that is not routed has no line here, so that nothing leads nowhere. Which of them somebody
//! sees follows from their rights and decides nothing: each function of `control` asks for its right again.

use control::Right;
use domain::Timestamp;
use web::assets::Assets;

use super::parts::{Icon, Notice, icon};
use super::show::{Said, When};
use super::visit::Visitor;

/// Under which heading places stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What happens.
    Today,
    /// Who there is.
    Who,
    /// What holds.
    Rules,
    /// What proves it, and what is to be done.
    Proof,
    /// What all of it stands on.
    Here,
}

impl Part {
    const ALL: [Self; 5] = [Self::Today, Self::Who, Self::Rules, Self::Proof, Self::Here];

    const fn word(self) -> &'static str {
        match self {
            Self::Today => "Today",
            Self::Who => "Who",
            Self::Rules => "Rules",
            Self::Proof => "Proof",
            Self::Here => "This installation",
        }
    }
}

macro_rules! places {
    ($( $place:ident $part:ident $path:literal $word:literal $icon:literal $right:ident; )*) => {
        /// A place of the console.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Place {
            $( #[doc = $word] $place, )*
        }

        impl Place {
            /// Every place, in the order of the side bar.
            pub const ALL: &'static [Self] = &[ $( Self::$place, )* ];

            /// Its address.
            pub const fn path(self) -> &'static str {
                match self { $( Self::$place => $path, )* }
            }

            /// What it is called.
            pub const fn word(self) -> &'static str {
                match self { $( Self::$place => $word, )* }
            }

            /// What shows it to somebody.
            pub const fn right(self) -> Right {
                match self { $( Self::$place => Right::$right, )* }
            }

            /// The name of its drawing.
            pub const fn icon_name(self) -> &'static str {
                match self { $( Self::$place => $icon, )* }
            }

            const fn part(self) -> Part {
                match self { $( Self::$place => Part::$part, )* }
            }
        }
    };
}

// One line for each place: its name, its heading, its address, its word, its icon, and the right that shows it.
places! {
    Overview Today "/console" "Overview" "overview" OrgRead;
    Requests Today "/console/requests" "Requests" "approval" AccessRequestsRead;
    Approvals Today "/console/approvals" "Approvals" "approval" ApprovalsRead;
    Ledger Today "/console/ledger" "Ledger" "ledger" LedgerRead;
    Usage Today "/console/usage" "Usage" "stream" BudgetsRead;
    Start Proof "/console/start" "First steps" "check" OrgRead;
    People Who "/console/people" "People" "person" PeopleRead;
    Groups Who "/console/groups" "Groups" "group" GroupsRead;
    Services Who "/console/services" "Services" "service" ServicesRead;
    Sessions Who "/console/sessions" "Sessions" "device" SessionsRead;
    Tasks Who "/console/tasks" "Joiners and leavers" "task" TasksRead;
    Members Who "/console/members" "Member lists" "evidence" TasksRead;
    AcceptableUse Rules "/console/acceptable-use" "Acceptable use" "policy" AcceptableUseRead;
    Drills Proof "/console/drills" "Drills" "clock" TasksRead;
    Directory Who "/console/directory" "Directory" "sensor" DirectoryRead;
    Roles Who "/console/roles" "Roles" "shield" RolesRead;
    Tokens Who "/console/tokens" "Tokens" "key" TokensRead;
    Budgets Rules "/console/budgets" "Budgets" "budget" BudgetsRead;
    Models Rules "/console/models" "Models" "model" ConfigRead;
    Checkpoints Proof "/console/ledger/checkpoints" "Checkpoints" "evidence" LedgerRead;
    Keys Here "/console/keys" "Keys" "lock" ConfigRead;
    Settings Here "/console/settings" "Settings" "settings" OrgRead;
    Clients Rules "/console/clients" "Clients" "download" PolicyRead;
    Connectors Rules "/console/connectors" "Connectors" "connector" PolicyRead;
    Policy Rules "/console/policy" "Policy" "policy" PolicyRead;
}

/// One step of the way to a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crumb {
    /// What it is called.
    pub word: Said,
    /// Where it leads; none for the page itself.
    pub to: Option<String>,
}

/// One line of the side bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it leads.
    pub to: &'static str,
    /// What it is called.
    pub word: &'static str,
    /// Its drawing.
    pub drawing: Icon,
    /// Whether the page belongs to it.
    pub is_here: bool,
    /// How many wait there for somebody; none where nothing is counted.
    pub tally: Option<u64>,
    /// The letter that, after `g`, goes there; nothing for most.
    pub key: &'static str,
}

/// The letters of the places one goes to most, by address. Each letter once.
const KEYS: &[(&str, &str)] = &[
    ("/console", "o"),
    ("/console/ledger", "l"),
    ("/console/people", "p"),
    ("/console/groups", "g"),
    ("/console/services", "v"),
    ("/console/requests", "q"),
    ("/console/approvals", "a"),
    ("/console/sessions", "s"),
    ("/console/policy", "r"),
    ("/console/budgets", "b"),
    ("/console/tasks", "t"),
    ("/console/usage", "u"),
];

fn key(path: &str) -> &'static str {
    let found = KEYS.iter().find(|(of, _)| *of == path);
    found.map_or("", |(_, letter)| letter)
}

/// A heading of the side bar and what stands under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The heading.
    pub word: &'static str,
    /// The lines; never empty.
    pub items: Vec<Item>,
}

/// The light of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// As the system has it.
    #[default]
    System,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

impl Theme {
    /// What `data-theme` says; nothing for the system's.
    pub const fn attribute(self) -> Option<&'static str> {
        match self {
            Self::System => None,
            Self::Light => Some("light"),
            Self::Dark => Some("dark"),
        }
    }

    /// The theme of a word, the system's for any other.
    pub fn of(word: &str) -> Self {
        match word {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }

    /// The next of the three: its word in the form, and what the button says.
    pub const fn next(self) -> (&'static str, &'static str) {
        match self {
            Self::System => ("light", "Theme: as the system"),
            Self::Light => ("dark", "Theme: light"),
            Self::Dark => ("system", "Theme: dark"),
        }
    }
}

/// What stands around a page.
#[derive(Debug, Clone)]
pub struct Shell {
    /// The page's own title, for the window.
    pub title: Said,
    /// The organisation.
    pub org: Said,
    /// The software's version.
    pub version: String,
    /// Who looks.
    pub who: Said,
    /// What they are here, in words.
    pub roles: String,
    /// The form token.
    pub csrf: String,
    /// The light.
    pub theme: Theme,
    /// The address of this page, to come back to.
    pub address: String,
    /// Whether coming back shows the same: a page that answers a form would be gone, with what was typed or is shown once.
    pub comes_back: bool,
    /// The way here, after the organisation.
    pub crumbs: Vec<Crumb>,
    /// The side bar; empty for whoever has a page of their own alone.
    pub sections: Vec<Section>,
    /// Style sheets and sprite.
    pub assets: Assets,
    /// What everybody must know, on every page.
    pub alarm: Option<Notice>,
    /// What became of the last action.
    pub notice: Option<Notice>,
    /// When the page was made; on paper it says so.
    pub made: When,
}

impl Shell {
    /// Around the first page of a place.
    pub fn new(visitor: &Visitor, place: Place, title: impl Into<Said>) -> Self {
        Self::around(visitor, Some(place), title.into())
    }

    /// Around a page of nobody's place: one's own, or one that says what went wrong.
    pub fn apart(visitor: &Visitor, title: impl Into<Said>) -> Self {
        Self::around(visitor, None, title.into())
    }

    fn around(visitor: &Visitor, place: Option<Place>, title: Said) -> Self {
        let installation = &visitor.console().installation;
        let roles: Vec<&str> = visitor
            .actor()
            .roles()
            .iter()
            .map(|role| role.as_str())
            .collect();
        let word = place.map_or_else(|| title.clone(), |place| Said::from(place.word()));
        Self {
            title,
            org: Said::from(&installation.org_name),
            version: installation.version.clone(),
            who: Said::from(visitor.actor().label()),
            roles: roles.join(", "),
            csrf: visitor.csrf().to_owned(),
            theme: visitor.theme(),
            address: visitor.address().to_owned(),
            comes_back: !visitor.answers_form(),
            crumbs: vec![Crumb { word, to: None }],
            sections: sections(visitor, place),
            assets: Assets::current(),
            alarm: visitor.glass_broken().map(broken_glass),
            notice: None,
            made: When::full(visitor.operation().clock.now()),
        }
    }

    /// The same for a page within the place: the crumb of the place leads back to it.
    #[must_use]
    pub fn within(mut self, word: impl Into<Said>) -> Self {
        let here = self.sections.iter().flat_map(|section| &section.items);
        let here = here
            .into_iter()
            .find(|item| item.is_here)
            .map(|item| item.to);
        if let (Some(last), Some(to)) = (self.crumbs.last_mut(), here)
            && last.to.is_none()
        {
            last.to = Some(to.to_owned());
        }
        self.crumbs.push(Crumb {
            word: word.into(),
            to: None,
        });
        self
    }

    /// The same with another step before the last: a page between the place and this one.
    #[must_use]
    pub fn past(mut self, word: impl Into<Said>, to: impl Into<String>) -> Self {
        let crumb = Crumb {
            word: word.into(),
            to: Some(to.into()),
        };
        let end = self.crumbs.len().saturating_sub(1);
        self.crumbs.insert(end, crumb);
        self
    }

    /// The same with what became of the last action.
    #[must_use]
    pub fn telling(self, notice: Option<Notice>) -> Self {
        Self { notice, ..self }
    }
}

fn broken_glass(at: Timestamp) -> Notice {
    let text = format!(
        "Opened {}. Somebody came in without the identity provider, as an owner. This stands here until it is sealed anew or taken away on the machine: doorward break-glass.",
        When::full(at).text()
    );
    Notice::stop(text).titled("The break-glass account is open.")
}

/// The places that somebody sees, under their headings.
fn sections(visitor: &Visitor, here: Option<Place>) -> Vec<Section> {
    let may = |place: &&Place| visitor.actor().may(place.right());
    let item = |place: &Place| Item {
        to: place.path(),
        word: place.word(),
        drawing: icon(place.icon_name()),
        key: key(place.path()),
        is_here: here == Some(*place),
        tally: visitor.waiting().filter(|_| *place == Place::Approvals),
    };
    let of_part = |part: Part| Section {
        word: part.word(),
        items: Place::ALL
            .iter()
            .filter(may)
            .filter(|place| place.part() == part)
            .map(item)
            .collect(),
    };
    let all = Part::ALL.into_iter().map(of_part);
    all.filter(|section| !section.items.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_an_address_of_its_own_under_the_console() {
        let mut paths: Vec<_> = Place::ALL.iter().map(|place| place.path()).collect();
        assert!(paths.iter().all(|path| path.starts_with("/console")));
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), Place::ALL.len());
    }

    #[test]
    fn a_translator_is_handed_every_word_of_the_side_bar() {
        let words = include_str!("../../words.tsv").lines();
        let known: Vec<_> = words.filter_map(|line| line.split('\t').next()).collect();
        let places = Place::ALL.iter().map(|place| place.word());
        for word in places.chain(Part::ALL.iter().map(|part| part.word())) {
            assert!(known.contains(&word), "{word} is not in words.tsv");
        }
    }

    #[test]
    fn each_letter_goes_to_one_place() {
        let mut letters: Vec<_> = KEYS.iter().map(|(_, letter)| letter).collect();
        letters.sort_unstable();
        letters.dedup();
        assert_eq!(letters.len(), KEYS.len());
        assert_eq!((key("/console/ledger"), key("/console/nowhere")), ("l", ""));
    }

    #[test]
    fn the_three_themes_follow_each_other() {
        let mut theme = Theme::default();
        let mut seen = Vec::new();
        for _ in 0..3 {
            theme = Theme::of(theme.next().0);
            seen.push(theme);
        }
        assert_eq!(seen, [Theme::Light, Theme::Dark, Theme::System]);
    }
}
