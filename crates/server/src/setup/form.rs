//! What a page of the first run sends, and what a field of it asks for. Bounded in size; what was typed is kept beside what is wrong with it.

use axum::body::Body;
use domain::limits;
use secrecy::{ExposeSecret as _, SecretString};

use crate::config;

/// The longest field that is no text of many lines.
const CHARS_MAX: usize = 400;

/// A posted form. A field may stand several times: boxes that are ticked.
#[derive(Debug, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a small form; none when it is too large or has too many fields.
    pub async fn read(body: Body) -> Option<Self> {
        let bytes = axum::body::to_bytes(body, limits::SMALL_BODY_BYTES_MAX);
        Self::parse(&bytes.await.ok()?)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = Vec::new();
        for (name, value) in url::form_urlencoded::parse(bytes) {
            if fields.len() == limits::SETUP_FIELDS_MAX {
                return None;
            }
            fields.push((name.into_owned(), value.into_owned()));
        }
        Some(Self(fields))
    }

    /// One that tests send.
    #[cfg(test)]
    pub fn sample(encoded: &str) -> Self {
        Self::parse(encoded.as_bytes()).unwrap_or_default()
    }

    /// A field without the blanks around it; empty when it is not there.
    pub fn field(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// Every value of a field.
    pub fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        let of_name = self.0.iter().filter(move |(known, _)| known == name);
        of_name.map(|(_, value)| value.trim())
    }

    /// Whether a box is ticked.
    pub fn is_on(&self, name: &str) -> bool {
        self.field(name) == "1"
    }
}

/// A field of a page.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// Its name in the form, and its id on the page.
    pub name: &'static str,
    /// What it asks for.
    pub label: &'static str,
    /// What was typed; never a secret.
    pub value: String,
    /// What helps to fill it.
    pub hint: String,
    /// What is wrong with what was typed.
    pub wrong: Option<String>,
    /// Whether it is not shown while it is typed.
    pub is_secret: bool,
    /// Whether it takes several lines.
    pub is_long: bool,
    /// Characters at most.
    pub chars_max: usize,
}

impl Input {
    /// One line of text.
    pub fn text(
        name: &'static str,
        label: &'static str,
        value: &str,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            name,
            label,
            value: value.to_owned(),
            hint: hint.into(),
            chars_max: CHARS_MAX,
            ..Self::default()
        }
    }

    /// A secret, or a reference to one. What was typed before is kept when it is left empty, and never shown again.
    pub fn secret(name: &'static str, label: &'static str, kept: Option<&Secret>) -> Self {
        let hint = match kept {
            None => "Typed here it is written into a file that only this account reads; or a reference to it: ${NAME} of the environment, file:/path.".to_owned(),
            Some(Secret::Typed(_)) => "Kept as you typed it. Type another to replace it.".to_owned(),
            Some(Secret::Reference(text, _)) => format!("Kept: {text}. Type another to replace it."),
        };
        Self {
            is_secret: true,
            chars_max: limits::SETUP_SECRET_CHARS_MAX,
            ..Self::text(name, label, "", hint)
        }
    }

    /// The same with what is wrong.
    #[must_use]
    pub fn wrong(self, wrong: Option<String>) -> Self {
        Self { wrong, ..self }
    }

    /// The same over several lines.
    #[must_use]
    pub fn long(self) -> Self {
        Self {
            is_long: true,
            chars_max: limits::SETUP_SECRET_CHARS_MAX,
            ..self
        }
    }
}

/// A secret as it was given.
#[derive(Debug, Clone)]
pub enum Secret {
    /// Itself; it goes into a file.
    Typed(SecretString),
    /// Where it is, and what stands there.
    Reference(String, SecretString),
}

impl Secret {
    /// Itself.
    pub fn value(&self) -> &SecretString {
        match self {
            Self::Typed(secret) | Self::Reference(_, secret) => secret,
        }
    }

    /// What a field holds; none when it is empty.
    pub fn read(text: &str) -> Result<Option<Self>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        if text.starts_with("${") || text.starts_with("file:") {
            let found = config::referred(text)?;
            if found.expose_secret().is_empty() {
                return Err("nothing stands there".to_owned());
            }
            return Ok(Some(Self::Reference(text.to_owned(), found)));
        }
        if !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err("holds blanks or signs that no secret has; copy it once more".to_owned());
        }
        if text.len() > limits::SETUP_SECRET_CHARS_MAX {
            return Err("is longer than any secret".to_owned());
        }
        Ok(Some(Self::Typed(SecretString::from(text.to_owned()))))
    }
}

/// What is wrong with a name that people and records read.
pub fn name_mistake(text: &str) -> Option<String> {
    let letters = text.chars().count();
    let is_hostile = text.chars().any(domain::text::is_hostile);
    match letters {
        0 => Some("is needed".to_owned()),
        _ if letters > 100 || is_hostile => {
            Some("needs 1 to 100 characters on one line".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_with_too_many_fields_is_none() {
        let many = |count| vec!["a=b"; count].join("&");
        let most = limits::SETUP_FIELDS_MAX;
        assert!(Form::parse(many(most).as_bytes()).is_some());
        assert!(Form::parse(many(most + 1).as_bytes()).is_none());
    }

    #[test]
    fn boxes_of_one_name_are_all_read_and_blanks_are_cut_off() {
        let form = Form::parse(b"model=a&model=b&org=+Northwind+").unwrap();
        assert_eq!(form.all("model").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(form.field("org"), "Northwind");
        assert_eq!(form.field("nothing"), "");
    }

    #[test]
    fn a_secret_is_typed_or_referred_to_and_never_shown() {
        let typed = Secret::read("sk-ant-very-secret").unwrap().unwrap();
        assert!(matches!(typed, Secret::Typed(_)));
        let shown = format!("{typed:?} {:?}", Input::secret("key", "Key", Some(&typed)));
        assert!(!shown.contains("very-secret"), "{shown}");
        assert!(Secret::read("").unwrap().is_none());
        for bad in [
            "${DOORWARD_TEST_ABSENT}",
            "file:/nowhere/x",
            "two words",
            "file:/dev/null",
        ] {
            assert!(Secret::read(bad).is_err(), "{bad}");
        }
    }
}
