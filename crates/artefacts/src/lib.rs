//! The files that Claude's clients receive on a device: Claude Desktop's configuration and Claude Code's managed settings, for each
//! rollout ring and each device management; and a lint for a settings file. Pure: it reads no policy, no store and no clock. Whoever
//! calls it says what a ring is; what it writes holds no secret, because [`Settings`] cannot.
//!
//! | module | what |
//! |---|---|
//! | [`schema`] | what the clients understand: the two tables of keys |
//! | [`secret`], [`settings`] | what may not become a file |
//! | [`ring`] | whom files are for, and what goes into them |
//! | [`formats`] | the table of files; [`desktop`] and [`code`] write them, one module for each |
//! | [`notes`] | how they get onto devices |
//! | [`lint`] | what is wrong with somebody's own settings file |
//! | [`symptoms`] | what people see when a client does not work, and why |

pub mod code;
pub mod desktop;
pub mod formats;
pub mod lint;
pub mod notes;
mod plist;
mod registry;
pub mod ring;
pub mod schema;
pub mod secret;
pub mod settings;
pub mod symptoms;
mod xml;

pub use formats::{Artefact, File, System};
pub use ring::{Described, Model, Provider, Ring, SignIn};
pub use schema::Client;
pub use settings::{Refused, Settings};

/// JSON as people read it, with a line end.
fn json_file(value: &serde_json::Value) -> Vec<u8> {
    let mut text = format!("{value:#}");
    text.push('\n');
    text.into_bytes()
}
