//! A page as a response. Every page has the same headers, whoever shows it: nothing but our own files is loaded, nobody frames it,
//! no address leaks to where a link leads, and nothing is kept by browsers or anything in between, so that the back button shows
//! nothing after a sign-out.

use askama::Template;
use axum::response::{Html, IntoResponse as _, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// A page whose forms lead to us alone. `headers` are added to those of every page and cannot replace one; several cookies stay
/// several. A page that cannot be rendered is an empty 500.
pub fn respond(status: StatusCode, page: &impl Template, headers: HeaderMap) -> Response {
    respond_leading_to(status, page, headers, &[])
}

/// As [`respond`], for a page whose forms may be redirected to these other origins: browsers hold `form-action` against redirects
/// as well, and a sign-in leads to the identity provider.
pub fn respond_leading_to(
    status: StatusCode,
    page: &impl Template,
    headers: HeaderMap,
    forms_to: &[String],
) -> Response {
    let Ok(html) = page.render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = (status, headers, Html(html)).into_response();
    guard(response.headers_mut(), forms_to);
    response
}

/// Puts the headers of every page on something else that a browser may show: a redirect, a file to save.
pub fn guard(headers: &mut HeaderMap, forms_to: &[String]) {
    let forms = forms_to.iter().fold(String::from("'self'"), |all, origin| {
        format!("{all} {origin}")
    });
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; form-action {forms}; \
         frame-ancestors 'none'; base-uri 'none'"
    );
    // An origin that cannot stand in a header cannot be led to either.
    let policy = HeaderValue::try_from(policy)
        .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    for (name, value) in [
        (X_FRAME_OPTIONS, "DENY"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (OPENER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::SET_COOKIE;

    #[derive(Template)]
    #[template(source = "<p>{{ text }}</p>", ext = "html")]
    struct Sample {
        text: &'static str,
    }

    #[test]
    fn every_page_has_the_guards_and_keeps_each_cookie() {
        let mut headers = HeaderMap::new();
        headers.append(SET_COOKIE, HeaderValue::from_static("a=1"));
        headers.append(SET_COOKIE, HeaderValue::from_static("b=2"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public"));
        let to = [String::from("https://idp.example")];
        let response = respond_leading_to(StatusCode::OK, &Sample { text: "<b>" }, headers, &to);
        let headers = response.headers();
        let header = |name: HeaderName| headers[name].to_str().unwrap();
        assert_eq!(headers.get_all(SET_COOKIE).iter().count(), 2);
        assert_eq!(header(CACHE_CONTROL), "no-store");
        assert_eq!(header(X_FRAME_OPTIONS), "DENY");
        assert_eq!(header(OPENER_POLICY), "same-origin");
        assert_eq!(
            header(CONTENT_SECURITY_POLICY),
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             form-action 'self' https://idp.example; frame-ancestors 'none'; base-uri 'none'"
        );
    }

    #[test]
    fn an_origin_that_is_none_opens_nothing() {
        let mut headers = HeaderMap::new();
        guard(&mut headers, &[String::from("https://a\r\nset-cookie: b")]);
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
    }
}
