//! The admin API over HTTP, as administrators and their scripts use it.

mod checkpoints;
mod directory;
mod hostile;
pub(crate) mod matrix;
mod races;
pub(crate) mod setting;
mod stated;
mod statements;
