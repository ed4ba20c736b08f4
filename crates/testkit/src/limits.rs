//! The bounds of the fakes and of the test client. They are not Doorward's own limits (those are `domain::limits`): they keep a
//! broken test from hanging or eating the machine.

use std::time::Duration;

/// How long the test client waits for anything: an answer's head, the next chunk, a condition of a fake. Then it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Largest body a fake or the test client reads into memory.
pub const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most requests a fake remembers; the oldest are forgotten first.
pub const SEEN_MAX: usize = 100_000;
/// Redirects a mini browser follows in a row.
pub const REDIRECTS_MAX: usize = 20;
/// Pages a sign-in may lead through before it counts as lost.
pub const SIGN_IN_PAGES_MAX: usize = 12;
/// Polls of a device sign-in before it counts as lost.
pub const DEVICE_POLLS_MAX: usize = 6;
/// Longest line of an event stream the test client reads.
pub const SSE_LINE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Largest body of a request that has none or a short form.
pub const SMALL_BODY_BYTES_MAX: usize = 64 * 1024;
/// Codes and refresh tokens the fake identity provider keeps; beyond it all of that kind are forgotten.
pub const GRANTS_MAX: usize = 100_000;
/// How long an authorisation code of the fake identity provider lives.
pub const CODE_MS: i64 = 60_000;
/// How long ID and access tokens of the fake identity provider live.
pub const TOKEN_S: i64 = 3_600;
/// Most distinct prompt prefixes whose cache entries the fake provider remembers.
pub const CACHE_ENTRIES_MAX: usize = 4_096;
