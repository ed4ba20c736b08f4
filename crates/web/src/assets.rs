//! Style sheets, icons and scripts, in the program itself: served by name and hash, so that browsers may keep them for ever and an old page
//! never meets a new sheet. Never anything that differs from one visitor to the next. Mounted once, by `server`.
//!
//! A script is a small module that makes something quicker that works without it; none loads another, and none is needed.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use domain::opaque::{hex, sha256};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};

const STYLES: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

struct Asset {
    path: String,
    kind: &'static str,
    text: &'static str,
}

fn asset_of(name: &str, kind: &'static str, text: &'static str) -> Asset {
    let hash = hex(&sha256(text.as_bytes())[..6]);
    Asset {
        path: format!("/assets/{hash}-{name}"),
        kind,
        text,
    }
}

macro_rules! asset {
    ($name:literal, $kind:expr) => {
        asset_of($name, $kind, include_str!(concat!("../assets/", $name)))
    };
}

static ASSETS: LazyLock<[Asset; 10]> = LazyLock::new(|| {
    [
        asset!("tokens.css", STYLES),
        asset!("app.css", STYLES),
        asset!("icons.svg", "image/svg+xml"),
        asset!("copy.js", SCRIPT),
        asset!("palette.js", SCRIPT),
        asset!("keys.js", SCRIPT),
        asset!("ages.js", SCRIPT),
        asset!("choose.js", SCRIPT),
        asset!("fill.js", SCRIPT),
        asset!("tally.js", SCRIPT),
    ]
});

/// Where each asset is, as a path on our origin, for templates.
#[derive(Debug, Clone, Copy)]
pub struct Assets {
    /// The tokens: type, space, colour. Before [`Assets::app`].
    pub tokens: &'static str,
    /// Every part and page.
    pub app: &'static str,
    /// The sprite: `{icons}#name`.
    pub icons: &'static str,
    /// Modules that make pages quicker: copy buttons, the palette, keys, ages, choosing rows, taking a file, the count
    /// of what waits.
    pub scripts: [&'static str; 7],
}

impl Assets {
    /// Those of this program.
    pub fn current() -> Self {
        let [tokens, app, icons, scripts @ ..] = &*ASSETS;
        Self {
            tokens: &tokens.path,
            app: &app.path,
            icons: &icons.path,
            scripts: scripts.each_ref().map(|script| script.path.as_str()),
        }
    }
}

/// `GET /assets/{name}`.
pub fn routes() -> Router {
    Router::new().route("/assets/{name}", get(asset))
}

async fn asset(Path(name): Path<String>) -> Response {
    let wanted = |asset: &&Asset| asset.path.strip_prefix("/assets/") == Some(&name);
    let Some(asset) = ASSETS.iter().find(wanted) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = asset.text.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    let for_ever = HeaderValue::from_static("public, max-age=31536000, immutable");
    headers.insert(CACHE_CONTROL, for_ever);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_asset_has_a_path_of_its_own_that_changes_with_its_text() {
        let Assets {
            tokens, app, icons, ..
        } = Assets::current();
        assert!(tokens != app && app != icons);
        assert_ne!(
            asset_of("a.css", STYLES, "a").path,
            asset_of("a.css", STYLES, "b").path
        );
    }

    #[test]
    fn scripts_are_small_and_load_nothing_of_each_other() {
        for asset in ASSETS.iter().filter(|asset| asset.kind == SCRIPT) {
            let path = &asset.path;
            assert!(asset.text.starts_with("// "), "{path} says what it is");
            assert!(asset.text.len() < 8 * 1024, "{path}");
            for banned in [
                "innerHTML",
                "eval(",
                "document.write",
                "\nimport ",
                "fetch(",
            ] {
                assert!(!asset.text.contains(banned), "{path} has {banned}");
            }
        }
    }

    #[test]
    fn assets_ask_no_other_host_for_anything() {
        for asset in &*ASSETS {
            let text = asset.text.replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains("://"), "{}", asset.path);
            assert!(!text.contains("@import"), "{}", asset.path);
        }
    }
}
