//! Whose spending a limit bounds, in the words that the store keeps and the reference gateway's endpoints use. A word or an id that is
//! none of them is nobody's scope: it must never be taken for everyone's.

/// Whose spending a limit bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpendScope {
    /// One person, by the stable id their issuer gives them.
    User(String),
    /// Each member of a group, as its issuer names it.
    Group(String),
    /// Each person of the organisation.
    Organization,
}

impl SpendScope {
    /// From a word and an id; none for what means nobody.
    pub fn parse(word: &str, id: String) -> Option<Self> {
        match (word, id.is_empty()) {
            ("user", false) => Some(Self::User(id)),
            ("rbac_group", false) => Some(Self::Group(id)),
            ("organization", true) => Some(Self::Organization),
            _ => None,
        }
    }

    /// `user`, `rbac_group` or `organization`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Group(_) => "rbac_group",
            Self::Organization => "organization",
        }
    }

    /// The user or group; empty for the organisation.
    pub fn id(&self) -> &str {
        match self {
            Self::User(id) | Self::Group(id) => id,
            Self::Organization => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_reads_back_and_what_is_none_is_nobodys() {
        for scope in [
            SpendScope::User("u".to_owned()),
            SpendScope::Group("g".to_owned()),
            SpendScope::Organization,
        ] {
            let back = SpendScope::parse(scope.word(), scope.id().to_owned());
            assert_eq!(back, Some(scope));
        }
        for (word, id) in [("user", ""), ("organization", "x"), ("team", "x"), ("", "")] {
            assert_eq!(SpendScope::parse(word, id.to_owned()), None, "{word} {id}");
        }
    }
}
