//! pipeline
pub mod quota;
pub mod fetch;
pub mod identity;
