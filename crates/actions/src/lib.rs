//! What a connector's action is, as pure rules: its definition in one spelling and what of it changed ([`definition`]), how much it can
//! do ([`classify`]), how it stands against what was approved ([`pin`]), which arguments it may have ([`rules`]), what is suspicious about it ([`findings`]) and about what it
//! answers ([`injection`]), and which connectors are known
//! ([`catalogue`]).
//!
//! Pure: no I/O, no clock, no store. Every text here was written by a stranger; whatever cannot be told for certain counts as the stricter
//! of what it may be. Called by the connectors' door and by `control`.

pub mod canonical;
pub mod catalogue;
pub mod classify;
pub mod definition;
pub mod findings;
pub mod injection;
mod phrases;
pub mod pin;
mod plain;
pub mod rules;
