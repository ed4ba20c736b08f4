//! What stands around every page of the console: the way through it, where one is, who one is, and the foot. [`Place`] is the one
//! table of the places there are: a place that is not routed has no line here, so that nothing leads nowhere. Which of them somebody
//! sees follows from their rights and decides nothing: each function of `control` asks for its right again.

use control::Right;
use web::assets::Assets;

use super::parts::{Icon, Notice, icon};
use super::show::Said;
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
}

impl Part {
    const ALL: [Self; 4] = [Self::Today, Self::Who, Self::Rules, Self::Proof];

    const fn word(self) -> &'static str {
        match self {
            Self::Today => "Today",
            Self::Who => "Who",
            Self::Rules => "Rules",
            Self::Proof => "Proof",
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

            const fn drawing(self) -> Icon {
                match self { $( Self::$place => icon($icon), )* }
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
    Ledger Today "/console/ledger" "Ledger" "ledger" LedgerRead;
    People Who "/console/people" "People" "person" PeopleRead;
    Sessions Who "/console/sessions" "Sessions" "device" SessionsRead;
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
    /// The way here, after the organisation.
    pub crumbs: Vec<Crumb>,
    /// The side bar; empty for whoever has a page of their own alone.
    pub sections: Vec<Section>,
    /// Style sheets and sprite.
    pub assets: Assets,
    /// What became of the last action.
    pub notice: Option<Notice>,
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
            crumbs: vec![Crumb { word, to: None }],
            sections: sections(visitor, place),
            assets: Assets::current(),
            notice: None,
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

/// The places that somebody sees, under their headings.
fn sections(visitor: &Visitor, here: Option<Place>) -> Vec<Section> {
    let may = |place: &&Place| visitor.actor().may(place.right());
    let item = |place: &Place| Item {
        to: place.path(),
        word: place.word(),
        drawing: place.drawing(),
        is_here: here == Some(*place),
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
