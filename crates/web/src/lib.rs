//! What every page of ours stands on: the gateway's sign-in pages and the console's.
//!
//! - [`assets`]: style sheets and icons, one copy, kept by browsers for ever
//! - [`page`]: a page as a response, with the headers that every page has
//! - [`browser`]: one browser, known by a cookie, and the token of its forms
//! - [`date`]: days as people read them
//! - [`way_back`]: where a sign-in may lead
//!
//! Nothing here knows who somebody is or what they may, and nothing touches the store. Called by `gateway` and `console`; `server`
//! mounts the assets.

pub mod assets;
pub mod browser;
pub mod date;
pub mod page;
mod way_back;

pub use way_back::{HOME, sign_in_address, way_back};
