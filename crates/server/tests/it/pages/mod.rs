//! The pages of the console, each asked by everyone: who sees what, what a page may hold, and what hostile text does to it.

mod acts;
mod burden;
mod approvals;
mod duties;
mod connected;
mod connectors;
mod connectors_asked;
mod craft;
mod clients;
mod glass;
mod hostile;
mod keys;
mod machine;
mod money;
mod requests;
mod roles;
mod policy;
mod seen;
mod setting;
mod tokens;
mod trial;
mod used;
mod start;
