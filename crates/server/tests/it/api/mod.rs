//! The admin API over HTTP, as administrators and their scripts use it.

mod acceptable_use;
mod agreed;
mod artefacts;
mod checkpoints;
mod directory;
mod hostile;
pub(crate) mod matrix;
mod members;
mod races;
mod rights_first;
pub(crate) mod setting;
mod stated;
mod statements;
mod tasks;
