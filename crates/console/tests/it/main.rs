//! The description of the admin API, held to its checked-in copy.

mod breaking;
mod description;
