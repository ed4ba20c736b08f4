//! Several organisations in one process: each is reached at its own host alone, and nothing of one is known to another.

mod console;
mod credentials;
mod dispatch;
mod ids;
mod technician;
mod tls;
mod world;
