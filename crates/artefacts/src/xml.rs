//! Text inside XML. Used by every format that is XML; knows no format.

use std::fmt::{self, Write as _};

/// A text as XML shows it, in an element or between double quotes. A carriage return is written as what survives every reader.
pub(crate) struct Escaped<'t>(pub(crate) &'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => out.write_str("&amp;")?,
                '<' => out.write_str("&lt;")?,
                '>' => out.write_str("&gt;")?,
                '"' => out.write_str("&quot;")?,
                '\r' => out.write_str("&#13;")?,
                other => out.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_element() {
        assert_eq!(
            Escaped("<a href=\"x\">&\r\n").to_string(),
            "&lt;a href=&quot;x&quot;&gt;&amp;&#13;\n"
        );
    }
}
