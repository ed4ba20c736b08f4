//! pipeline
pub mod quota;
