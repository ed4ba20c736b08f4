//! The admin API over HTTP, as administrators and their scripts use it.

mod checkpoints;
mod directory;
mod hostile;
mod matrix;
mod races;
mod setting;
mod stated;
