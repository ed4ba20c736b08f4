//! Small sets of words: an enum whose words are said once, and what a text was not that should have been one of them. A word that is
//! none of a set means nothing, never something else. Used below for what the store keeps as words.

/// What a text was not that should have been one of a set of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such {0}")]
pub struct UnknownWord(pub &'static str);

/// An enum, each variant with its word: `as_str`, `ALL`, `Display`, `FromStr`, and serde by the word.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident ($what:literal) { $( $(#[$doc:meta])* $variant:ident $word:literal, )* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[$doc])* $variant, )*
        }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// Its word.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )* }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, out: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                out.write_str(self.as_str())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::words::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let known = Self::ALL.iter().find(|known| known.as_str() == text);
                known.copied().ok_or($crate::words::UnknownWord($what))
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let word: ::std::borrow::Cow<'de, str> = ::serde::Deserialize::deserialize(from)?;
                word.parse().map_err(::serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use words;

#[cfg(test)]
mod tests {
    use crate::acceptable_use::Way;
    use crate::access_request::{AccessState, AskedKind};
    use crate::approval::ApprovalState;
    use crate::connectors::{ActionClass, ActionState, DataClass, DefinitionKind};
    use crate::policy::connectors::{Credentials, Definitions, Operator, Transport};
    use crate::role::Role;
    use crate::task::EvidenceKind;

    macro_rules! check {
        ($name:ident) => {
            for word in $name::ALL {
                assert_eq!(word.as_str().parse(), Ok(*word));
                let json = serde_json::to_string(word).unwrap();
                assert_eq!(serde_json::from_str::<$name>(&json).unwrap(), *word);
            }
            assert!("Xx".parse::<$name>().is_err());
            assert!(serde_json::from_str::<$name>("\"xx\"").is_err());
        };
    }

    #[test]
    fn every_word_reads_back_and_what_is_none_is_nothing() {
        check!(Way);
        check!(Role);
        check!(EvidenceKind);
        check!(AccessState);
        check!(AskedKind);
        check!(ActionState);
        check!(ActionClass);
        check!(DataClass);
        check!(DefinitionKind);
        check!(Transport);
        check!(Credentials);
        check!(Definitions);
        check!(Operator);
        check!(ApprovalState);
    }
}
