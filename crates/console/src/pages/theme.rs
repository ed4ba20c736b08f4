//! The light of the pages: as the system has it, light, or dark. Kept in a cookie that means nothing else, so that the server draws
//! the page right at once and no script is needed.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::post;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use web::way_back;

use super::asked::Form;
use super::shell::Theme;
use super::visit::Visitor;
use super::wrong::Wrong;
use crate::Console;

/// The cookie's name.
const COOKIE: &str = "doorward_theme";

/// A year.
const COOKIE_S: u32 = 31_536_000;

/// `POST /console/theme`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new().route("/console/theme", post(set))
}

#[derive(Debug, Deserialize)]
struct Wish {
    csrf: String,
    theme: String,
    #[serde(default, rename = "return")]
    back: String,
}

async fn set(
    visitor: Visitor,
    headers: HeaderMap,
    Form(wish): Form<Wish>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &wish.csrf)?;
    let word = Theme::of(&wish.theme).attribute().unwrap_or("system");
    let mut response = Redirect::to(way_back(&wish.back)).into_response();
    let cookie = format!("{COOKIE}={word}; Path=/; Max-Age={COOKIE_S}; SameSite=Lax");
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// The theme that a browser asks for.
pub fn of(headers: &HeaderMap) -> Theme {
    let lines = headers.get_all(http::header::COOKIE).iter();
    let lines = lines.filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';'));
    let found = pairs.find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='));
    found.map_or(Theme::System, Theme::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_of_ours_sets_the_light_and_any_other_does_not() {
        for (cookie, expected) in [
            ("doorward_theme=dark", Theme::Dark),
            ("a=b; doorward_theme=light", Theme::Light),
            ("doorward_theme=\"><script>", Theme::System),
            ("doorward_themes=dark", Theme::System),
            ("", Theme::System),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("cookie", HeaderValue::from_str(cookie).unwrap());
            assert_eq!(of(&headers), expected, "{cookie}");
        }
    }
}
