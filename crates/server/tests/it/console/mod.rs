//! The console in a browser, as those meet it who use it and those who would misuse it.

mod again;
mod entering;
mod hostile;
mod leaving;
pub(crate) mod walk;
