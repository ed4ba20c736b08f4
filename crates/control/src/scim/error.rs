//! What a directory is told when something cannot be done (RFC 7644, section 3.12). The one place where causes become SCIM's words.

use crate::ControlError;

/// The words of `scimType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScimType {
    /// The filter cannot be read, or asks for what is not filtered by.
    InvalidFilter,
    /// More was asked for than one answer gives.
    TooMany,
    /// Somebody else has the value.
    Uniqueness,
    /// The attribute cannot be changed.
    Mutability,
    /// The body is not what it should be.
    InvalidSyntax,
    /// The path cannot be read.
    InvalidPath,
    /// The path leads to nothing.
    NoTarget,
    /// A value is missing, of the wrong kind, or too long.
    InvalidValue,
}

impl ScimType {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
        }
    }
}

/// Why a directory's request was not done. The sentence never holds a value that was sent, but for names of attributes.
#[derive(Debug, thiserror::Error)]
pub enum ScimError {
    /// What was asked for cannot be.
    #[error("{1}")]
    Bad(ScimType, String),
    /// There is no such resource.
    #[error("there is no resource of this id")]
    NotFound,
    /// The resource has another version than the one asked for.
    #[error("the resource has changed since it was read")]
    Changed,
    /// Something of ours is not at hand, or who asks may not.
    #[error(transparent)]
    Control(#[from] ControlError),
}

impl ScimError {
    /// A value that cannot be taken.
    pub(crate) fn value(why: impl Into<String>) -> Self {
        Self::Bad(ScimType::InvalidValue, why.into())
    }

    /// A path that cannot be read.
    pub(crate) fn path(why: impl Into<String>) -> Self {
        Self::Bad(ScimType::InvalidPath, why.into())
    }

    /// A filter that cannot be read.
    pub(crate) fn filter(why: impl Into<String>) -> Self {
        Self::Bad(ScimType::InvalidFilter, why.into())
    }

    /// A body that is not what it should be.
    pub(crate) fn syntax(why: impl Into<String>) -> Self {
        Self::Bad(ScimType::InvalidSyntax, why.into())
    }

    /// A value that somebody else has.
    pub(crate) fn taken(field: &str) -> Self {
        let why = format!("another resource has this {field}");
        Self::Bad(ScimType::Uniqueness, why)
    }
}

impl From<store::StoreError> for ScimError {
    fn from(error: store::StoreError) -> Self {
        Self::Control(error.into())
    }
}

/// The result of everything here.
pub type Result<T> = std::result::Result<T, ScimError>;
