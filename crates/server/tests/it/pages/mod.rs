//! The pages of the console, each asked by everyone: who sees what, what a page may hold, and what hostile text does to it.

mod acts;
mod hostile;
mod seen;
mod setting;
