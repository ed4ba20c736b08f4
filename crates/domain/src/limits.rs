//! Every fixed limit of Doorward in one place: what it bounds, and what happens at it. Limits a company may choose (rates,
//! budgets) are policy, not here.

/// Longest credential we look at; a longer one is refused unread (`credential_malformed`).
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Longest model id; a longer one is refused (`body_malformed`).
pub const MODEL_ID_BYTES_MAX: usize = 128;
/// Largest Messages request, the provider's own limit; a larger one is refused with 413 (`body_too_large`).
pub const MESSAGES_BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Largest form or JSON body of every other endpoint; a larger one is refused with 413 (`body_too_large`).
pub const SMALL_BODY_BYTES_MAX: usize = 64 * 1024;
/// Fields of a form. Each is compared with all before it; the longest form of ours has a dozen.
pub const FORM_FIELDS_MAX: usize = 32;
/// Largest settings file of a client that is looked through; of a larger one only that is said.
pub const SETTINGS_FILE_BYTES_MAX: usize = 256 * 1024;
/// How long the break-glass account is open after its code was used; then its session ends.
pub const BREAK_GLASS_MS: i64 = 60 * 60 * 1_000;
/// Wrong codes of the break-glass account from one address that are recorded in ten minutes; more are refused unrecorded, and the right
/// one opens all the same.
pub const BREAK_GLASS_TRIES: u32 = 5;
/// Facts of one piece of evidence; further ones are left out.
pub const EVIDENCE_FACTS_MAX: usize = 40;
/// How long a piece of evidence counts; then its check is to be made again.
pub const EVIDENCE_MS: i64 = 90 * 24 * 60 * 60 * 1_000;
/// Rollout checks of what leaves that run at the same time; a further one is refused (`overloaded`).
pub const ROLLOUT_CHECKS_AT_ONCE: usize = 1;
/// Fields of a form of the first run, where each model has a box; a form with more is refused.
pub const SETUP_FIELDS_MAX: usize = 256;
/// Longest secret or list that is typed in the first run; a longer one is refused beside its field.
pub const SETUP_SECRET_CHARS_MAX: usize = 4_096;
/// How long `doorward setup` waits for its walk to be finished; then it ends, and nothing was written.
pub const SETUP_MS: i64 = 4 * 60 * 60 * 1_000;
/// Models or groups of the first run that are offered to choose from; others can be typed.
pub const SETUP_CHOICES_MAX: usize = 60;
/// Largest OTLP export; a larger one is refused with 413 (`body_too_large`).
pub const OTLP_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Deepest nesting of a JSON body; deeper is refused (`body_malformed`).
pub const JSON_DEPTH_MAX: usize = 128;
/// Most keys of a JSON body's outermost object; more are refused (`body_malformed`).
pub const JSON_TOP_LEVEL_KEYS_MAX: usize = 256;
/// All request bytes held in memory at once, over every request; beyond it new ones get 529 (`overloaded`). Where one process serves
/// several organisations, each has its part of this, and no less than [`BODY_BYTES_OF_ORG_MIN`].
pub const BODY_BYTES_IN_FLIGHT_MAX: usize = 512 * 1024 * 1024;
/// The least of that that an organisation has: two of the largest requests.
pub const BODY_BYTES_OF_ORG_MIN: usize = 2 * MESSAGES_BODY_BYTES_MAX;
/// How long a client may take from connecting to the end of its first request's headers, and for each later request's; then the
/// connection closes.
pub const HEADER_TIME_MS: u64 = 10_000;
/// How long a client may stay silent while sending its body; then the request is refused with 408 (`body_timeout`).
pub const BODY_IDLE_MS: u64 = 30_000;
/// How long a whole request body may take; then the request is refused with 408 (`body_timeout`).
pub const BODY_TIME_MS: u64 = 300_000;
/// Most headers of a request; more are refused with 431.
pub const HEADERS_MAX: usize = 100;
/// Most bytes of a request's head; more are refused with 431.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Organisations that one process serves; with more it does not start.
pub const ORGS_MAX: usize = 100;
/// Open client connections; beyond it new ones wait in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 10_000;
/// Open connections of one client address (of an IPv6 /64), in numbers that a company behind one address does not reach; beyond it
/// new ones are closed at once. Where fewer connections fit in all, a quarter of them. Trusted proxies are not bounded.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 2_500;
/// How long an HTTP/2 connection may go without a request under way; then it is told to go, and closed [`HEADER_TIME_MS`] later.
pub const CONNECTION_IDLE_MS: u64 = 180_000;
/// Calls between admission and their end; beyond it new ones get 529 (`overloaded`).
pub const CALLS_MAX: usize = 8_192;
/// How long the provider may take until its response headers; then the next upstream, or 504 (`upstream_timeout`).
pub const UPSTREAM_HEADERS_MS: u64 = 120_000;
/// How long the text of a provider's error may take; then the error is judged by its status alone.
pub const UPSTREAM_ERROR_MS: u64 = 10_000;
/// How long the provider may stay silent in a stream; then the stream ends with an error event.
pub const UPSTREAM_IDLE_MS: u64 = 300_000;
/// After this much silence of the provider in a stream we send a `ping` of our own.
pub const PING_AFTER_MS: u64 = 15_000;
/// How often a connector's stream that is silent looks whether the connector is still there.
pub const STREAM_LOOK_MS: u64 = 500;
/// How long a client may leave our bytes unread; then the stream is cut.
pub const CLIENT_WRITE_IDLE_MS: u64 = 300_000;
/// How long a client that was answered before the end of its request may go on sending it until its connection is closed: a connection
/// that is closed over unread bytes is reset, and the client may not hear the answer.
pub const LINGER_MS: u64 = 2_000;
/// How much of it is taken meanwhile.
pub const LINGER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long we go on reading from the provider after the client has left, so that usage is known.
pub const DRAIN_AFTER_DISCONNECT_MS: u64 = 10_000;
/// Largest non-streamed answer we hold to read its usage; a larger one passes unread and is billed as reserved.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Longest line of an event stream we parse; a longer one passes unread.
pub const SSE_LINE_BYTES_MAX: usize = 1024 * 1024;
/// Largest document fetched from an identity provider; a larger one is an error.
pub const FETCH_BYTES_MAX: usize = 1024 * 1024;
/// How long a fetch from an identity provider or metadata service may take.
pub const FETCH_TIME_MS: u64 = 10_000;
/// Shortest time between two refreshes of an issuer's keys because of an unknown key id.
pub const KEYS_COOL_DOWN_MS: i64 = 30_000;
/// Age at which an issuer's keys are fetched anew.
pub const KEYS_FRESH_MS: i64 = 60 * 60 * 1_000;
/// Age beyond which keys that could not be fetched anew are no longer believed (`issuer_unreachable`).
pub const KEYS_AGE_MAX_MS: i64 = 24 * 60 * 60 * 1_000;
/// Most keys of one issuer that are kept; the rest are ignored.
pub const KEYS_MAX: usize = 64;
/// Shortest time between two attempts to fetch an issuer's keys after one that failed.
pub const KEYS_RETRY_MS: i64 = 5_000;
/// Deepest nesting of a token's header or claims; deeper is refused (`credential_malformed`).
pub const TOKEN_DEPTH_MAX: usize = 16;
/// Longest lifetime of a company token, where its issuer's configuration says nothing else (`token_lifetime`).
pub const TOKEN_LIFETIME_MAX_S: i64 = 24 * 60 * 60;
/// Longest stable id, e-mail address or name taken from a token; a longer id is refused (`token_claims`), the others are cut.
pub const CLAIM_CHARS_MAX: usize = 320;
/// Session tokens carry at most this many groups; with more, the groups are read from the store when the token is first seen.
pub const SESSION_GROUPS_MAX: usize = 100;
/// How long groups read from the directory service are believed; afterwards they are read again or the person is refused.
pub const DIRECTORY_GROUPS_MS: i64 = 5 * 60 * 1_000;
/// People whose groups from the directory service are remembered; the least used leaves first.
pub const DIRECTORY_GROUPS_PEOPLE_MAX: usize = 10_000;
/// How long a revocation is kept in memory: longer than any session token that it could concern.
pub const REVOCATION_KEPT_MS: i64 = 2 * SESSION_TOKEN_MS;
/// Without a look at the store's revocations for this long, no credential is believed any more (`store_unavailable`).
pub const REVOCATIONS_AGE_MAX_MS: i64 = 15 * 60 * 1_000;
/// Verified tokens remembered; the least used leaves first.
pub const TOKEN_CACHE_MAX: usize = 100_000;
/// Most groups of one caller that are kept; a token with more is refused (`token_claims`).
pub const GROUPS_MAX: usize = 2_000;
/// Clock difference between us and an issuer that is forgiven.
pub const CLOCK_SKEW_MS: i64 = 60_000;
/// How long a session's access token lives; stock clients refresh when under five minutes remain.
pub const SESSION_TOKEN_MS: i64 = 15 * 60 * 1_000;
/// How long a refresh token lives unused.
pub const REFRESH_TOKEN_MS: i64 = 30 * 24 * 60 * 60 * 1_000;
/// Within this time the refresh token just replaced is taken once more, for clients that refresh twice at once.
pub const REFRESH_GRACE_MS: i64 = 30_000;
/// How long a device code lives.
pub const DEVICE_CODE_MS: i64 = 10 * 60 * 1_000;
/// How often a client may ask for the outcome of its device code.
pub const DEVICE_POLL_S: u32 = 5;
/// How long an authorization code lives; programs exchange it at once.
pub const AUTHORIZATION_CODE_MS: i64 = 60 * 1_000;
/// How long it is remembered that a code was used, so that its second use is seen.
pub const AUTHORIZATION_CODE_KEPT_MS: i64 = 60 * 60 * 1_000;
/// Programs that may have registered themselves; beyond it the oldest that nobody was let in through leaves, and when there is none new
/// ones are refused.
pub const OAUTH_CLIENTS_MAX: i64 = 5_000;
/// How long a program that nobody was let in through stays registered.
pub const OAUTH_CLIENT_UNUSED_MS: i64 = 24 * 60 * 60 * 1_000;
/// How long a program stays registered after its last use: longer than any session that it could carry on.
pub const OAUTH_CLIENT_KEPT_MS: i64 = 3 * REFRESH_TOKEN_MS;
/// Redirect addresses of one program; more are refused (`invalid_redirect_uri`).
pub const OAUTH_REDIRECTS_MAX: usize = 10;
/// Longest redirect address, client id and metadata address, in bytes.
pub const OAUTH_URI_BYTES_MAX: usize = 1_024;
/// Longest `state` of a program, in bytes; it comes back as it was.
pub const OAUTH_STATE_BYTES_MAX: usize = 4_096;
/// Largest client metadata document; a larger one is refused.
pub const CLIENT_DOCUMENT_BYTES_MAX: usize = 16 * 1_024;
/// How long a client metadata document is believed before it is fetched anew.
pub const CLIENT_DOCUMENT_MS: i64 = 5 * 60 * 1_000;
/// Client metadata documents remembered; the least used leaves first.
pub const CLIENT_DOCUMENTS_MAX: usize = 500;
/// Client metadata documents that are fetched at once; further ones are refused (`temporarily_unavailable`).
pub const CLIENT_DOCUMENT_FETCHES_MAX: usize = 8;
/// Longest lifetime of an identity assertion, in seconds; one of a longer life is refused (`invalid_grant`).
pub const ASSERTION_LIFETIME_MAX_S: i64 = 60 * 60;
/// Device sign-ins that may be open at once; beyond it new ones get `slow_down`.
pub const DEVICE_CODES_OPEN_MAX: usize = 10_000;
/// Longest notice that a client shows at sign-in, in characters.
pub const LOGIN_NOTICE_CHARS_MAX: usize = 500;
/// Ledger records waiting for the disk; beyond it requests wait, and are refused when they wait too long.
pub const LEDGER_QUEUE_MAX: usize = 65_536;
/// How long a request waits for its ledger record to be durable; then it is refused (`ledger_unavailable`).
pub const LEDGER_WAIT_MS: u64 = 5_000;
/// Largest single ledger record.
pub const LEDGER_RECORD_BYTES_MAX: usize = 64 * 1024;
/// A ledger segment is closed and a new one begun at this size.
pub const LEDGER_SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of ledger records waiting for the disk; new requests wait at half of it, outcomes of running ones at all of it.
pub const LEDGER_QUEUE_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Most bytes of ledger records that one write to the disk takes; the rest go with the next.
pub const LEDGER_BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest line of a spool: the largest record and its envelope. A longer one is damage.
pub const LEDGER_LINE_BYTES_MAX: usize = LEDGER_RECORD_BYTES_MAX + 1024;
/// How long outcomes wait for a decision to share its write with; then they are written by themselves.
pub const LEDGER_NOTE_WAIT_MS: u64 = 10;
/// How long records are gathered after a batch went to the store or a sink, until the next goes; a full batch goes at once.
pub const LEDGER_GATHER_MS: u64 = 200;
/// How often a signed checkpoint is added to a ledger that has grown since the last.
pub const LEDGER_CHECKPOINT_MS: u64 = 1_000;
/// How often a ledger that could not be written tries again.
pub const LEDGER_PROBE_MS: u64 = 250;
/// Bytes of the end of its ledger that a replica verifies when somebody asks for it in the console; the rest is for `ledger verify`.
pub const LEDGER_VERIFY_NOW_BYTES: u64 = 6 * 1024 * 1024;
/// Chains that one verification follows; records of further ones are reported as not followed.
pub const VERIFY_CHAINS_MAX: usize = 256;
/// Places of each chain that a verification remembers, to tell a repeat from a fork.
pub const VERIFY_ANCHORS_MAX: usize = 4_096;
/// Kinds of damage that one verification names; further ones are counted.
pub const VERIFY_FINDINGS_MAX: usize = 1_000;
/// How often a process looks whether keys were changed.
pub const KEYS_POLL_MS: u64 = 2_000;
/// How long a new key of session tokens is known everywhere before it signs.
pub const KEYS_PUBLISHED_MS: i64 = 60_000;
/// When keys could not be looked at for this long, a token of an unknown key may be of a new one (`store_unavailable`).
pub const KEYS_STALE_MS: i64 = 30_000;
/// Keys of one name that are kept; with more, the oldest leave.
pub const KEYS_KEPT_MAX: usize = 16;
/// Largest manifest of a backup that is read: about a file for every 64 MiB of ledger. A larger one is refused.
pub const BACKUP_MANIFEST_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Longest line of a backup's rows: the largest policy, every character of it escaped. A longer one is damage.
pub const BACKUP_ROW_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Ledger records sent to a sink at once.
pub const SINK_BATCH_RECORDS_MAX: usize = 512;
/// Bytes of ledger records sent to a sink at once; a single larger record goes alone.
pub const SINK_BATCH_BYTES_MAX: usize = 1024 * 1024;
/// First wait after a sink failed; doubles with each failure.
pub const SINK_BACKOFF_MS: u64 = 500;
/// Longest wait between two tries at a failing sink.
pub const SINK_BACKOFF_MAX_MS: u64 = 60_000;
/// Findings named in one record; the rest are only counted.
pub const FINDINGS_MAX: usize = 64;
/// Different values of one detector that are told apart by fingerprint in one inspection; the rest are only counted.
pub const FINGERPRINTS_MAX: usize = 8;
/// Matches of one detector in one inspection whose surroundings are read for words that raise confidence, and whose value is
/// fingerprinted; later ones count with the confidence they have alone.
pub const FINDING_CHECKS_MAX: u64 = 1_024;
/// Longest match a detector may have; a pack that asks for more is refused.
pub const DETECTOR_MATCH_BYTES_MAX: usize = 2_048;
/// Text that an inspection of a stream collects before it looks, beyond what a match may need.
pub const DETECT_BLOCK_BYTES: usize = 8 * 1024;
/// How far the clock may have been set back, seen against what is stored, for budgets to stay in the later windows at a start.
/// Beyond it the stored moment is taken for the wrong one.
pub const CLOCK_BACK_MAX_MS: i64 = 35 * 24 * 60 * 60 * 1_000;
/// A replica takes ahead of need at most one in so many of what is free of a hard budget.
pub const LEASE_PART: i64 = 8;
/// The most it takes ahead of need of one budget, in nano-dollars: 20 dollars.
pub const LEASE_BLOCK_NANOS_MAX: i64 = 20 * 1_000_000_000;
/// How long a call waits until the store has granted money of a budget; then it is refused (`store_unavailable`).
pub const LEASE_WAIT_MS: u64 = 5_000;
/// How long of that it waits for other replicas to give back what they do not need; then it is refused (`budget_spent`).
pub const LEASE_CALL_MS: u64 = 1_000;
/// How long after an answer that it did not fit such a call asks again.
pub const LEASE_AGAIN_MS: u64 = 50;
/// How often a replica looks at what it has and does not need.
pub const LEASE_LOOK_MS: u64 = 1_000;
/// Grants that are looked at each time; the rest wait for the next.
pub const LEASES_LOOKED_AT: usize = 2_000;
/// A grant that no call has used for so long goes back.
pub const LEASE_IDLE_MS: i64 = 5 * 60 * 1_000;
/// How long after the beginning of its window it is remembered that a budget was leased: longer than any window.
pub const LEASE_KEPT_MS: i64 = 70 * 24 * 60 * 60 * 1_000;
/// Budgets that one transaction grants money of, or takes it back; more take another.
pub const LEASES_AT_ONCE: usize = 32;
/// Refusals of unknown callers of one address in one minute that are recorded each; further ones are counted, and one record says
/// how many there were. The first of every kind is recorded beyond that.
pub const STRANGERS_RECORDED_MAX: u64 = 20;
/// Addresses of unknown callers that are told apart in one minute; those of further ones count as one.
pub const STRANGERS_APART_MAX: usize = 1_000;
/// How often it is looked whether a minute of refusals is over.
pub const STRANGERS_LOOK_MS: u64 = 5_000;
/// How often a process says in the store that it lives and writes its chain.
pub const CHAIN_BEAT_MS: u64 = 2_000;
/// How often whoever starts looks whether another process that has claimed its chain lives.
pub const CHAIN_LOOK_MS: u64 = 250;
/// A process that has said nothing for so long counts as dead, and whoever starts with its chain takes over.
pub const CHAIN_SILENT_MS: u64 = 30_000;
/// How often replicas look for a new policy version and for revocations.
pub const STORE_POLL_MS: u64 = 400;
/// How long after its connection was lost a replica listens anew for word of changes; until then it sees them at its next look.
pub const STORE_LISTEN_AGAIN_MS: u64 = 1_000;
/// How long a replica hears nothing from the database before it asks whether the connection is alive.
pub const STORE_LISTEN_PROOF_MS: u64 = 15_000;
/// Largest policy text.
pub const POLICY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Largest policy text that the console's pages change; a larger one is changed by the command line or the API.
pub const POLICY_PAGE_BYTES_MAX: usize = 256 * 1024;
/// Largest form that carries such a text: each byte of it may take three, and there are other fields.
pub const POLICY_FORM_BYTES_MAX: usize = 3 * POLICY_PAGE_BYTES_MAX + SMALL_BODY_BYTES_MAX;
/// People for whom two policies are decided to see what changes; the page says when there are more.
pub const POLICY_PEOPLE_MAX: usize = 10_000;
/// Entries times people that are looked at for it; with more entries fewer people are.
pub const POLICY_LOOKS_MAX: usize = 2_000_000;
/// Different sets of rules about connectors for which both are decided action by action; of more it is said only that something changes.
pub const POLICY_RULE_SETS_MAX: usize = 256;
/// Actions of connectors for which they are decided.
pub const POLICY_ACTIONS_MAX: usize = 1_000;
/// How far back the programs are looked for that a new demand would refuse.
pub const POLICY_PROGRAMS_MS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// Largest text of an acceptable-use policy, its variables filled.
pub const ACCEPTABLE_USE_BYTES_MAX: usize = 64 * 1024;
/// Longest value of a variable of such a text, in characters.
pub const ACCEPTABLE_USE_VALUE_CHARS_MAX: usize = 200;
/// Most variables of such a text.
pub const ACCEPTABLE_USE_VALUES_MAX: usize = 20;
/// Mistakes of such a text that are named; the rest show when these are mended.
pub const ACCEPTABLE_USE_MISTAKES_MAX: usize = 50;
/// A sentence of more words is named as hard to read when such a text is published.
pub const ACCEPTABLE_USE_SENTENCE_WORDS: usize = 35;
/// Shortest time between two looks in the store for the acceptance of one credential's person; in between a refusal stands.
pub const ACCEPTANCE_LOOK_MS: i64 = 250;
/// How long what a person asked for beyond what they may use waits for an answer; then it has expired, and may be asked anew.
pub const ACCESS_REQUEST_OPEN_MS: i64 = 30 * 24 * 60 * 60 * 1_000;
/// Such requests of one person that are open at once; beyond it new ones are refused (`limit_reached`).
pub const ACCESS_REQUESTS_OPEN_MAX: i64 = 20;
/// Such requests of one person in 24 hours, those counted that were taken back; beyond it new ones are refused (`limit_reached`).
pub const ACCESS_REQUESTS_PER_DAY: i64 = 50;
/// How long such a request is kept, with the words it was asked and answered in; then the ledger alone knows that there was one.
pub const ACCESS_REQUESTS_KEPT_MS: i64 = 400 * 24 * 60 * 60 * 1_000;
/// How often people's access is compared with the tasks that it demands.
pub const TASKS_FOLLOW_MS: u64 = 15_000;
/// Lines that go and come between two texts of which it is looked for what they share; more are shown as one change.
pub const DIFF_LINES_MAX: usize = 4_000;
/// Longest diff, in bytes; a longer one is cut short.
pub const DIFF_BYTES_MAX: usize = 64 * 1024;
/// Largest file whose fingerprint is kept as the evidence of a task; a larger one is refused unread.
pub const EVIDENCE_FILE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Largest member list; a larger one is refused unread.
pub const MEMBER_LIST_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Largest member list that the API takes, in bytes of its request; a larger one is refused with 413 (`body_too_large`).
pub const MEMBER_UPLOAD_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Largest member list that is pasted into a page of the console: some ten thousand members; a larger one goes by the API or the command line.
pub const MEMBER_PASTE_BYTES_MAX: usize = 512 * 1024;
/// Member lists that one replica checks at the same time for the API; more are told to come back (`overloaded`).
pub const MEMBER_CHECKS_AT_ONCE: usize = 1;
/// Drafts of a policy that one replica holds against everybody at the same time; more are told to come back (`concurrency_limit`).
pub const REHEARSALS_AT_ONCE: usize = 2;
/// Findings of a check that are kept together.
pub const MEMBER_FINDINGS_PIECE: usize = 1_000;
/// Findings that the answer to a check holds; the rest are read page by page.
pub const MEMBER_FINDINGS_ANSWERED: usize = 100;
/// Most rows of a member list; a longer one is refused.
pub const MEMBER_LIST_ROWS_MAX: usize = 200_000;
/// Longest cell of a member list, in characters; a row with a longer one is refused, and the list with it.
pub const MEMBER_LIST_CELL_CHARS_MAX: usize = 1_000;
/// Connections of one replica to the store; beyond it queries wait their turn.
pub const STORE_CONNECTIONS_MAX: u32 = 8;
/// How long a query waits for a connection; then it fails (`store_unavailable`).
pub const STORE_WAIT_MS: u64 = 5_000;
/// How long one answer of the store may take; then the query fails and its transaction is undone.
pub const STORE_ANSWER_MS: u64 = 10_000;
/// How long a replica that starts waits for another one that migrates the schema; then it does not start.
pub const STORE_MIGRATION_MS: u64 = 60_000;
/// Browser sign-ins that may be under way at once; beyond it new ones are refused.
pub const LOGIN_STATES_MAX: i64 = 10_000;
/// Spend limits of one organisation; beyond it new ones are refused. All of them are enforced, so none may be left unread.
pub const SPEND_LIMITS_MAX: i64 = 100_000;
/// People that one answer sorts by what they spent; with more, the request must narrow them down.
pub const PEOPLE_SORTED_MAX: usize = 10_000;
/// Keys of one service that were not revoked; beyond it new ones are refused. All of them must be found when they are taken away.
pub const SERVICE_KEYS_MAX: i64 = 100;
/// Longest life that may be stated for a service key.
pub const SERVICE_KEY_DAYS_MAX: u32 = 3_650;
/// How long `doctor` waits for one provider's answer to its probe; then the check has failed.
pub const DOCTOR_PROBE_MS: u64 = 10_000;
/// How long any one check of `doctor` may take; then it has failed.
pub const DOCTOR_CHECK_MS: u64 = 30_000;
/// Of a certificate that ends in fewer days `doctor` says so.
pub const DOCTOR_CERTIFICATE_DAYS: i64 = 14;
/// Most bytes of a request that `doctor` keeps as it left.
pub const DOCTOR_BODY_BYTES_MAX: usize = 64 * 1024;
/// Most rows of one page of a list.
pub const STORE_PAGE_MAX: u32 = 1_000;
/// Largest configuration of another gateway that `import` reads; a larger one is refused.
pub const IMPORT_BYTES_MAX: usize = 1024 * 1024;
/// Most values of such a configuration, aliases written out; more are refused.
pub const IMPORT_NODES_MAX: usize = 20_000;
/// Deepest nesting of such a configuration; deeper is refused.
pub const IMPORT_DEPTH_MAX: usize = 32;
/// Input tokens that a hard budget holds when a request names a document by URL or file: whatever it says, no model reads more at
/// once. One document is as good as many.
pub const CONTEXT_TOKENS_MAX: u64 = 1_000_000;
/// Input tokens that a hard budget holds for each picture named by URL or file: above the most that any model makes of one.
pub const PICTURE_TOKENS_MAX: u64 = 5_000;
/// Uses of one server tool that a hard budget holds the fee of: as many as the provider makes before it asks whether to go on.
pub const SERVER_TOOL_USES_HELD: u64 = 10;
/// Input tokens that a hard budget holds for each server tool: 20,000 for each of its uses. A bound that is enough for common use, not
/// the most that is possible; what a call costs beyond what it held is part of the reservation error.
pub const SERVER_TOOL_TOKENS_HELD: u64 = 20_000 * SERVER_TOOL_USES_HELD;
/// Users that one directory may provision; beyond it new ones are refused.
pub const DIRECTORY_USERS_MAX: i64 = 1_000_000;
/// Groups that one directory may provision; beyond it new ones are refused.
pub const DIRECTORY_GROUPS_MAX: i64 = 20_000;
/// Members of one group of a directory; a change that would make more is refused.
pub const DIRECTORY_MEMBERS_MAX: i64 = 200_000;
/// Groups of one person that are read from the directory, those the person has left counted; further ones are not seen.
pub const DIRECTORY_GROUPS_OF_PERSON_MAX: usize = 4_000;
/// People named to replicas when one change concerns several; with more, all are told to look again.
pub const DIRECTORY_CHANGES_NAMED_MAX: usize = 100;
/// Names that a group of a directory had and that old credentials may still state; beyond it the group cannot be renamed for a month.
pub const DIRECTORY_FORMER_NAMES_MAX: i64 = 100;
/// How long a membership that ended, or a name that a group had, is remembered: longer than any token that may still state it. What a
/// person's last sign-in stated before it ended keeps it longer.
pub const DIRECTORY_LEFT_MS: i64 = REFRESH_TOKEN_MS + 24 * 60 * 60 * 1_000;
/// Whom a directory brings within this time of its first user is not new, because it is being synchronised for the first time: a pilot
/// group on Monday, everybody on Friday. They open no tasks of coming; whoever leaves always does.
pub const DIRECTORY_FIRST_SYNC_MS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// Directory tokens of one directory that open at once: the one in use and its successor.
pub const SCIM_TOKENS_OPEN_MAX: i64 = 2;
/// How long a directory token, a personal token or a service key that opens nothing any more is still listed, so that a yearly review finds all
/// of its year; then the ledger alone knows of it.
pub const CREDENTIALS_KEPT_MS: i64 = 400 * 24 * 60 * 60 * 1_000;
/// Hours for which a directory token goes on to open beside its successor, at most: a month.
pub const SCIM_TOKEN_OVERLAP_HOURS_MAX: u16 = 31 * 24;
/// Roles given in one organisation; beyond it new ones are refused. All of them are read when somebody comes to the admin API.
pub const ROLE_BINDINGS_MAX: i64 = 1_000;
/// Personal access tokens of one person that were not revoked; beyond it new ones are refused.
pub const PERSONAL_TOKENS_MAX: i64 = 50;
/// Longest life of a personal access token.
pub const PERSONAL_TOKEN_DAYS_MAX: u32 = 366;
/// How often the last use of a token is written down at most.
pub const TOKEN_USE_NOTED_MS: i64 = 60 * 60 * 1_000;
/// How long an `Idempotency-Key` is remembered.
pub const IDEMPOTENCY_KEPT_MS: i64 = 24 * 60 * 60 * 1_000;
/// Keys of one caller that are remembered at once; beyond it new ones are refused (`limit_reached`).
pub const IDEMPOTENCY_KEYS_MAX: i64 = 10_000;
/// Longest `Idempotency-Key`, in characters.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 128;
/// Longest name that an administrator gives to something, in characters.
pub const NAME_CHARS_MAX: usize = 128;
/// Longest reason that an administrator states for a change, in characters.
pub const REASON_CHARS_MAX: usize = 500;
/// Requests of one caller to the admin API that may be under way at once; another is refused with 429 (`concurrency_limit`).
pub const ADMIN_REQUESTS_AT_ONCE_MAX: usize = 16;
/// How long the admin API waits for a request's whole body; then it is refused with 408 (`body_timeout`).
pub const ADMIN_BODY_MS: u64 = 30_000;
/// Largest body of a SCIM request: a group of some fifty thousand members; a larger one is refused with 413.
pub const SCIM_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Largest user of a directory, as we keep it; a larger one is refused (`invalidValue`).
pub const SCIM_USER_BYTES_MAX: usize = 64 * 1024;
/// Longest SCIM filter; a longer one is refused (`invalidFilter`).
pub const SCIM_FILTER_BYTES_MAX: usize = 8 * 1024;
/// Deepest nesting of a SCIM filter; deeper is refused (`invalidFilter`).
pub const SCIM_FILTER_DEPTH_MAX: usize = 8;
/// Most conditions of a SCIM filter; more are refused (`invalidFilter`).
pub const SCIM_FILTER_CONDITIONS_MAX: usize = 128;
/// Most operations of one SCIM PATCH; more are refused (`tooMany`).
pub const SCIM_OPERATIONS_MAX: usize = 1_000;
/// Most values of one SCIM attribute, members apart; more are refused (`invalidValue`).
pub const SCIM_VALUES_MAX: usize = 100;
/// Longest text of a SCIM attribute, in characters; a longer one is refused (`invalidValue`).
pub const SCIM_TEXT_CHARS_MAX: usize = 1_024;
/// Longest id of a member as a directory may write it; a longer one is refused (`invalidValue`).
pub const SCIM_MEMBER_BYTES_MAX: usize = 256;
/// Most resources of one SCIM answer; asked for more, so many are given.
pub const SCIM_PAGE_MAX: u32 = 200;
/// Members in one SCIM list of groups, all groups together; the page ends before the group with which it would hold more, but never before
/// its first.
pub const SCIM_MEMBERS_ANSWERED_MAX: i64 = 10_000;
/// Most users that one SCIM filter may find, since all of them are gathered; more are refused (`tooMany`).
pub const SCIM_FOUND_MAX: usize = 10_000;
/// Requests a second that a directory may make for ever; Microsoft asks for 25.
pub const SCIM_REQUESTS_PER_S: i64 = 250;
/// Requests that a directory may make at once after a pause; beyond it they get 429.
pub const SCIM_BURST: i64 = 2_500;
/// SCIM requests under way at once; beyond it they wait, and then get 429.
pub const SCIM_CALLS_MAX: usize = 16;
/// How long a SCIM request waits for its turn; then it gets 429.
pub const SCIM_WAIT_MS: u64 = 10_000;
/// Lines of one chargeback statement; one that would have more is refused, never cut (`limit_reached`).
pub const STATEMENT_LINES_MAX: usize = 100_000;
/// Records that one look through the ledger reads where no index fits what is sought; from there it is looked on.
pub const LEDGER_SIFT_RECORDS: usize = 2_000;
/// Days that one chargeback statement may cover; more are refused.
pub const STATEMENT_DAYS_MAX: i64 = 400;
/// Groups that one chargeback statement may name; more are refused.
pub const STATEMENT_GROUPS_MAX: usize = 100;
/// How long a console session lives without a request; then its person signs in again.
pub const CONSOLE_IDLE_MS: i64 = 30 * 60 * 1_000;
/// How long a console session lives at most.
pub const CONSOLE_SESSION_MS: i64 = 12 * 60 * 60 * 1_000;
/// How long after somebody proved who they are they may do what is dangerous; then they prove it once more.
pub const CONSOLE_PROOF_MS: i64 = 10 * 60 * 1_000;
/// How old a sign-in at the identity provider may be that counts as a new proof, clock skew apart.
pub const CONSOLE_PROOF_AGE_MS: i64 = 2 * 60 * 1_000;
/// How often the last use of a console session is written down at most.
pub const CONSOLE_SEEN_NOTED_MS: i64 = 60 * 1_000;
/// Rows of a list to which one thing may be done at once; more are refused.
pub const CHOSEN_MAX: usize = 100;
/// What the find box shows of one kind; beyond it there is a list.
pub const FOUND_OF_A_KIND: u32 = 6;
/// Longest address that a sign-in leads back to; a longer one leads to the console's first page.
pub const WAY_BACK_BYTES_MAX: usize = 500;
/// Tests of upstreams under way at once, by the console: each asks a provider one question.
pub const UPSTREAM_TESTS_AT_ONCE: usize = 2;
/// A sensor's last word is noted at most so often, in milliseconds.
pub const SENSOR_NOTED_MS: i64 = 60 * 1_000;
/// Longest name of a connector.
pub const CONNECTOR_NAME_BYTES_MAX: usize = 32;
/// Longest prefix of a connector's actions in the list of all: real clients take 64 characters of a name, their own prefix included.
pub const CONNECTOR_PREFIX_BYTES_MAX: usize = 12;
/// Longest name of an action; a longer one is never offered.
pub const ACTION_NAME_BYTES_MAX: usize = 128;
/// Longest name in the list of all connectors; a longer one gets an alias. With `mcp__`, the name that a client gives to Doorward, of up to
/// 17 characters, and `__` it stays within the 64 that real clients take.
pub const LISTED_NAME_BYTES_MAX: usize = 40;
/// Connectors of one policy; one with more is a mistake.
pub const CONNECTORS_MAX: usize = 200;
/// Calls of one person to one connector within [`BULK_MINUTES`] that are many, where its entry does not say how many are.
pub const BULK_CALLS: u32 = 30;
/// The time in which they are many, in minutes.
pub const BULK_MINUTES: i64 = 10;
/// Rules on arguments of one entry; one with more is a mistake.
pub const ARGUMENT_RULES_MAX: usize = 64;
/// How long a call waits for somebody's approval; then it counts as denied by nobody.
pub const APPROVAL_OPEN_MS: i64 = 15 * 60 * 1_000;
/// How long an approval may be used after it was given; then it is asked for anew.
pub const APPROVAL_GOOD_MS: i64 = 15 * 60 * 1_000;
/// Approvals of one person that wait at the same time; a call that needs one more is refused.
pub const APPROVALS_OPEN_MAX: i64 = 20;
/// How long a client is kept waiting on its own stream for an approval; then it is told where the page is. Real clients give up no sooner
/// than after a minute.
pub const APPROVAL_HOLD_MS: u64 = 50_000;
/// How often a call that is kept waiting looks whether somebody has decided.
pub const APPROVAL_LOOK_MS: u64 = 1_000;
/// At each so many looks the client is told that it still waits.
pub const APPROVAL_TOLD_LOOKS: u32 = 10;
/// Calls that are kept waiting for approvals at once; one more is told at once where the page is.
pub const APPROVALS_HELD_MAX: usize = 256;
/// Largest arguments of a call that can be approved, in their canonical form: a page shows them whole. Larger ones are refused.
pub const APPROVAL_ARGUMENTS_BYTES_MAX: usize = 64 * 1024;
/// Largest form in which they are changed: each byte may take three, and lines are indented.
pub const APPROVAL_FORM_BYTES_MAX: usize = 6 * APPROVAL_ARGUMENTS_BYTES_MAX;
/// How long after an approval is over its arguments are kept, sealed, for its page.
pub const APPROVAL_ARGUMENTS_KEPT_MS: i64 = 24 * 60 * 60 * 1_000;
/// How long approvals are kept without their arguments.
pub const APPROVALS_KEPT_MS: i64 = 400 * 24 * 60 * 60 * 1_000;
/// Approvals that one look at what waits reads; beyond it the oldest are shown.
pub const APPROVALS_LOOKED_AT: u32 = 200;
/// How often a replica notes what expired.
pub const APPROVALS_FOLLOW_MS: u64 = 5_000;
/// How long before its end an access token of a person's grant is renewed.
pub const GRANT_EARLY_MS: i64 = 60 * 1_000;
/// How long one token of Doorward's own account at a connector may take, everything that is looked up for it included.
pub const ACCOUNT_MS: u64 = 20_000;
/// How long nobody asks again for a token of Doorward's own account at a connector, after a no.
pub const ACCOUNT_AGAIN_MS: i64 = 5_000;
/// How long one replica has to renew a grant; then another may. Longer than the whole request by far, for clocks that differ.
pub const GRANT_TURN_MS: i64 = 30 * 1_000;
/// Tasks of a connector that one request listens for; one with more is refused.
pub const TASKS_HEARD_MAX: usize = 64;
/// How often a stream that goes on with what a person gave looks whether they have not taken it back.
/// A look may take as long.
pub const GIVEN_LOOK_MS: u64 = 5_000;
/// So many such looks in a row may fail for an outage; the next one that does ends the stream.
pub const GIVEN_UNSURE_MAX: u32 = 3;
/// How long a call waits while somebody else renews its grant; then it is refused as an outage.
pub const GRANT_WAIT_MS: u64 = 12_000;
/// How often a call that waits for that looks.
pub const GRANT_LOOK_MS: u64 = 100;
/// How often a replica looks for grants to wipe.
pub const GRANTS_FOLLOW_MS: u64 = 1_000;
/// At each so many looks all grants are looked at, also when nothing has changed that may end one.
pub const GRANTS_WHOLE_LOOKS: u64 = 60;
/// Grants that one look for those to wipe takes on; the next looks take the rest.
pub const GRANTS_LOOKED_AT: u32 = 100;
/// How long a person has at the authorization server of a connector; then they begin anew.
pub const GRANT_CONNECT_MS: i64 = 10 * 60 * 1_000;
/// Longest token of a connector's authorization server; with a longer one nothing is connected.
pub const GRANT_TOKEN_BYTES_MAX: usize = 16 * 1_024;
/// Longest scope that is asked for or kept, in bytes; a longer one is cut off at a word.
pub const GRANT_SCOPE_BYTES_MAX: usize = 2_000;
/// Bytes of a person's own API key at a connector.
pub const API_KEY_BYTES_MAX: usize = 4 * 1_024;
/// Bytes of what says where people's own API keys are good for; less than what an index of `PostgreSQL` takes.
pub const OWN_PLACE_BYTES_MAX: usize = 2_048;
/// How often a person may begin to connect while one beginning lives, at each replica; then they wait.
pub const GRANTS_BEGUN_MAX: u32 = 20;
/// Grants that are ended at their authorization servers at once, and how many wait; what is beyond is wiped here all the same.
pub const GRANT_ENDINGS_MAX: usize = 64;
/// How often a replica looks whether somebody is to be told of a call that waits.
pub const NOTICES_FOLLOW_MS: u64 = 2_000;
/// Calls that one look tells of.
pub const NOTICES_AT_ONCE: u32 = 20;
/// Tries to tell of one call; then its page and lists alone do.
pub const NOTICE_TRIES_MAX: u64 = 5;
/// How long after the first try the second one is; each further one waits twice as long.
pub const NOTICE_RETRY_MS: i64 = 10_000;
/// Longest JSON of one action's definition or arguments that is read; a longer one is refused, and a definition so long is blocked.
pub const ACTION_JSON_BYTES_MAX: usize = 256 * 1024;
/// Deepest nesting of it; deeper is refused.
pub const ACTION_JSON_DEPTH_MAX: usize = 64;
/// Most values in it; more are refused.
pub const ACTION_JSON_VALUES_MAX: usize = 20_000;
/// Longest argument that a rule reads; a longer one is in doubt, which blocks.
pub const ACTION_RULE_TEXT_BYTES_MAX: usize = 64 * 1024;
/// Longest canonical definition of an action that is kept; one that is longer stays blocked.
pub const ACTION_KEPT_BYTES_MAX: usize = 64 * 1024;
/// Most actions of one connector that are noted; those beyond stay blocked.
pub const ACTIONS_NOTED_MAX: usize = 500;
/// Longest name of an action that is noted; one that is longer stays blocked.
pub const ACTION_NOTED_NAME_BYTES_MAX: usize = 256;
/// Most names of other connectors' actions that a new one is compared with.
pub const ACTION_NEIGHBOURS_MAX: u32 = 5_000;
/// Connectors, each at a place, whose newest review is read for the policy.
pub const REVIEWED_PLACES_MAX: u32 = 10_000;
/// Most reviews of one connector that are shown.
pub const CONNECTOR_REVIEWS_SHOWN: u32 = 50;
/// How old what is held of a connector's approvals may be, in milliseconds; then it is read again.
pub const PINS_FRESH_MS: i64 = 500;
/// Most connectors at one place each of which approvals are held; beyond it they are read for each request.
pub const PINS_HELD_MAX: usize = 1_000;
/// Lists of actions that wait to be noted; beyond it a list is not noted, and the next one is.
pub const PINS_NOTES_MAX: usize = 64;
/// As many of one connector, so that none takes the places of all.
pub const PINS_NOTES_OF_ONE_MAX: usize = 8;
/// What noting a list of one connector that changed something costs of its time, for each kind apart;
pub const PINS_LIST_MS: i64 = 10_000;
/// and each definition in it that changed.
pub const PINS_CHANGE_MS: i64 = 1_000;
/// So much of it is there at once. A list that comes when it is used up is not noted, and the next one is; what an administrator asks for
/// always is.
pub const PINS_CHANGES_MS: i64 = 600_000;
/// Most findings about one definition that are kept.
pub const ACTION_FINDINGS_MAX: usize = 20;
/// Largest message of a client to a connector; a larger one is refused with 413 (`body_too_large`).
pub const MCP_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Largest message of a connector; with a larger one its answer ends with an error (`upstream_garbled`).
pub const MCP_MESSAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Messages of clients to connectors held in memory at once; beyond it new ones get 503 (`overloaded`).
pub const MCP_BYTES_IN_FLIGHT_MAX: usize = 128 * 1024 * 1024;
/// Members of one object that is taken apart; one with more is refused (`body_malformed`).
pub const MCP_MEMBERS_MAX: usize = 1_024;
/// Longest id of a request; a longer one is refused.
pub const MCP_ID_BYTES_MAX: usize = 256;
/// Longest name of a method; a longer one is refused.
pub const MCP_METHOD_BYTES_MAX: usize = 128;
/// Longest id of an upstream's session that is taken; a longer one is an error of the upstream.
pub const MCP_SESSION_BYTES_MAX: usize = 1_024;
/// Events of one answer's stream; with more it ends with an error.
pub const MCP_EVENTS_MAX: u64 = 100_000;
/// Messages and streams between clients and connectors at once; beyond it new ones get 503 (`overloaded`).
pub const MCP_CALLS_MAX: usize = 4_096;
/// As many of one caller; beyond it they get 429 (`concurrency_limit`).
pub const MCP_CALLS_OF_ONE_MAX: usize = 256;
/// How long a connector may take to begin its answer; then 504 (`upstream_timeout`). Real clients give up no later.
pub const MCP_HEADERS_MS: u64 = 300_000;
/// Events that wait for a client which reads slowly; beyond it the connector is not read on.
pub const MCP_EVENTS_WAITING: usize = 8;
/// Programs that run as connectors at once, on each replica; beyond it new ones get 503 (`overloaded`).
pub const PROGRAMS_MAX: usize = 64;
/// Calls of one program that wait for its answer at once; beyond it new ones get 429 (`concurrency_limit`).
pub const PROGRAM_CALLS_MAX: usize = 256;
/// Messages that wait until a program reads them; beyond it whoever calls waits.
pub const PROGRAM_LINES_WAITING: usize = 64;
/// How long a program may take to answer its greeting; then it is ended.
pub const PROGRAM_START_MS: u64 = 30_000;
/// How long a program that is to end may take after its input was closed; then it is killed.
pub const PROGRAM_STOP_MS: u64 = 2_000;
/// How long a program that ended by itself is not started again; twice as long each time,
pub const PROGRAM_AGAIN_MS: u64 = 1_000;
/// up to this,
pub const PROGRAM_AGAIN_MAX_MS: u64 = 300_000;
/// unless it had run for so long.
pub const PROGRAM_STEADY_MS: u64 = 60_000;
/// How often programs are looked at that nobody needs, or nobody may have, any more.
pub const PROGRAMS_FOLLOW_MS: u64 = 1_000;
/// How long looking up the keys that programs run with may take; then it is tried at the next look.
pub const PROGRAM_KEYS_LOOK_MS: u64 = 5_000;
/// How long a program runs on whose person's key cannot be looked up; then it is ended.
pub const PROGRAM_KEYS_AGE_MAX_MS: u64 = 30_000;
/// What a program may write into each of its own folders; more is an error there.
pub const PROGRAM_SCRATCH_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes below one place whose hash is looked at; with more it is refused.
pub const PROGRAM_PIN_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Files below it; with more it is refused.
pub const PROGRAM_PIN_FILES_MAX: usize = 200_000;
/// Folders in each other below it; with more it is refused.
pub const PROGRAM_PIN_DEPTH_MAX: usize = 32;
/// Connectors that one request for the list of all asks at once; the others wait for their turn.
pub const LISTS_AT_ONCE: usize = 32;
/// As many of all such requests at one replica.
pub const LISTS_OF_ALL_AT_ONCE: usize = 64;
/// How long one connector has to list what it has for the list of all; then it is left out.
pub const LIST_MS: u64 = 5_000;
/// How long all of them have together; real clients give a server they connect to half a minute.
pub const LISTS_MS: u64 = 20_000;
/// Bytes of one connector's list, all its pages together; with a longer one it is left out of the list of all.
pub const LIST_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Pages of one connector's list; what comes behind them is left out.
pub const LIST_PAGES_MAX: usize = 50;
/// Bytes of the list of all; connectors with which it would be longer are left out.
pub const LISTED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long a connector has to begin such a session; then the call that needs it is refused.
pub const LINE_MS: u64 = 20_000;
/// How long a session that Doorward began at a connector for a caller of all connectors is kept without being used.
pub const LINE_IDLE_MS: u64 = 30 * 60 * 1_000;
/// Such sessions of one replica; beyond it those that were not used for longest are forgotten.
pub const LINES_MAX: usize = 10_000;
/// What a connector may ask in the answer to one call, where nobody can be asked; with more its answer ends with an error.
pub const ASKED_IN_VAIN_MAX: usize = 16;
/// Streams of connectors of the old transport of one caller at one replica; beyond it no session begins.
pub const SSE_STREAMS_OF_ONE_MAX: usize = 32;
/// As many of all callers; beyond it new ones get 503.
pub const SSE_STREAMS_MAX: usize = 1_000;
/// How often one is looked at, whether anybody still uses it.
pub const SSE_LOOK_MS: u64 = 60_000;
/// How long an event of one waits for a client that does not read; then it is lost, and its call ends by silence.
pub const SSE_SLOW_MS: u64 = 10_000;
