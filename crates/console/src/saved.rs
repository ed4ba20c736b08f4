//! An answer that a browser saves and never shows, whatever stands in it: sheets, policies, checkpoints, files for clients. Used by both
//! faces; the one place that writes `Content-Disposition`.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

/// What a sheet is.
pub(crate) const CSV: &str = "text/csv; charset=utf-8; header=present";

/// Bytes as a file of this name. Of a name with folders the last part is taken; what a name should not have becomes a dash.
pub(crate) fn file(name: &str, media_type: &'static str, body: impl Into<Body>) -> Response {
    let name = name.rsplit('/').next().unwrap_or_default();
    let plain = |letter: char| match letter {
        '.' | '-' | '_' => letter,
        letter if letter.is_ascii_alphanumeric() => letter,
        _ => '-',
    };
    let name: String = name.chars().map(plain).collect();
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    let disposition = disposition.expect("letters, digits and dashes");
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (CONTENT_DISPOSITION, disposition),
    ];
    (headers, body.into()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: &str) {
        let response = file(name, "text/plain", "x");
        assert_eq!(response.headers()[CONTENT_TYPE], "text/plain");
        assert_eq!(
            response.headers()[CONTENT_DISPOSITION],
            format!("attachment; filename=\"{expected}\"")
        );
    }

    #[test]
    fn a_file_is_saved_under_a_name_that_no_header_and_no_folder_minds() {
        check("doorward-people.csv", "doorward-people.csv");
        check("managed-settings.d/10-a.json", "10-a.json");
        check("../../etc/passwd", "passwd");
        check("a\"; x=\"b\r\nc ü.json", "a---x--b--c--.json");
        check("", "");
    }
}
