//! Every kind of damage is found and named, from the files alone.

use std::fs;
use std::sync::LazyLock;
use std::time::Duration;

use ledger::verify::{Damage, Finding, Report, Trust, Verifier, verify, verify_folder};
use ledger::{ChainId, Hash, Line, PublicKey, SigningKey};
use proptest::prelude::*;

use crate::spool::{Spool, outcome};

/// A ledger of eleven records: a checkpoint, nine outcomes, and the closing checkpoint.
struct Sample {
    lines: Vec<Vec<u8>>,
    checkpoints: Vec<u8>,
    key: PublicKey,
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let spool = Spool::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(spool.write(0, 9));
    Sample {
        lines: spool
            .bytes()
            .split_inclusive(|&b| b == b'\n')
            .map(<[u8]>::to_vec)
            .collect(),
        checkpoints: fs::read(spool.path().join("checkpoints.ndjson")).unwrap(),
        key: spool.public(),
    }
});

impl Sample {
    fn trust(&self) -> Trust {
        let mut trust = Trust::none();
        trust.add_key(self.key);
        trust
    }

    fn witness(&self) -> Trust {
        let mut trust = self.trust();
        trust.add_checkpoints("kept", &*self.checkpoints).unwrap();
        trust
    }

    fn damage(&self, alter: impl FnOnce(&mut Vec<Vec<u8>>)) -> Report {
        self.damage_under(self.trust(), alter)
    }

    fn damage_under(&self, trust: Trust, alter: impl FnOnce(&mut Vec<Vec<u8>>)) -> Report {
        let mut lines = self.lines.clone();
        alter(&mut lines);
        verify("ledger", &*lines.concat(), trust).unwrap()
    }
}

/// The findings as (damage, first record, last record, line).
fn named(report: &Report) -> Vec<(Damage, u64, u64, u64)> {
    let name = |finding: &Finding| (finding.damage, finding.first, finding.last, finding.line);
    report.findings.iter().map(name).collect()
}

/// The line with another record, and with hashes that hold for themselves.
fn forge(line: &[u8], prev: Option<Hash>, alter: impl FnOnce(&str) -> String) -> Vec<u8> {
    let old = Line::decode(line.strip_suffix(b"\n").unwrap()).unwrap();
    let body = format!(
        r#"{{"seq":{},"chain":"{}","time":{},"prev":"{}","record":{}"#,
        old.seq,
        old.chain,
        old.time.unix_ms(),
        prev.unwrap_or(old.prev),
        alter(old.record)
    );
    let hash = Hash::of(body.as_bytes());
    format!("{body},\"hash\":\"{hash}\"}}\n").into_bytes()
}

fn hash_of(line: &[u8]) -> Hash {
    Line::decode(line.strip_suffix(b"\n").unwrap())
        .unwrap()
        .hash
}

#[test]
fn an_untouched_ledger_is_clean_and_signed_to_the_end() {
    let report = SAMPLE.damage(|_| ());
    assert!(report.is_clean(), "{report}");
    let chain = &report.chains[0];
    assert_eq!(
        (chain.first, chain.last, chain.records, chain.checkpoints),
        (1, 11, 11, 2)
    );
    assert_eq!(chain.signed_to, Some(10));
    assert!(report.to_string().contains("signed to the end"), "{report}");
    assert!(SAMPLE.damage_under(SAMPLE.witness(), |_| ()).is_clean());
    assert!(
        SAMPLE
            .damage_under(Trust::none(), |_| ())
            .to_string()
            .contains("No key was given")
    );
}

#[test]
fn nothing_at_all_is_clean() {
    assert!(
        verify("empty", &b""[..], SAMPLE.trust())
            .unwrap()
            .is_clean()
    );
}

#[test]
fn an_edited_record_is_named() {
    let report = SAMPLE.damage(|lines| {
        let text = String::from_utf8(lines[4].clone()).unwrap();
        lines[4] = text
            .replace(r#""duration_ms":3"#, r#""duration_ms":1"#)
            .into_bytes();
    });
    assert_eq!(named(&report), [(Damage::Altered, 5, 5, 5)]);
    assert!(
        report
            .to_string()
            .contains("record 5 of chain gw-1.1 was altered"),
        "{report}"
    );
    assert!(report.to_string().contains("does NOT hold"));
}

#[test]
fn an_edited_record_with_a_fresh_hash_is_named_by_the_next() {
    let report = SAMPLE.damage(|lines| {
        lines[4] = forge(&lines[4], None, |record| {
            record.replace("\"duration_ms\":3", "\"duration_ms\":1")
        });
    });
    assert_eq!(named(&report), [(Damage::Replaced, 5, 5, 6)]);
}

/// Edits record 5 and carries the change through to the end, without the key.
fn rewrite_from_five(lines: &mut [Vec<u8>]) {
    lines[4] = forge(&lines[4], None, |record| {
        record.replace("\"duration_ms\":3", "\"duration_ms\":1")
    });
    for at in 5..lines.len() {
        let prev = hash_of(&lines[at - 1]);
        lines[at] = forge(&lines[at], Some(prev), str::to_owned);
    }
}

#[test]
fn a_change_carried_through_to_the_end_fails_at_the_next_checkpoint() {
    let report = SAMPLE.damage_under(Trust::none(), |lines| rewrite_from_five(lines));
    assert_eq!(
        named(&report),
        [(Damage::Disagrees, 11, 11, 11)],
        "even without a key the old checkpoint is about other bytes"
    );
    let report = SAMPLE.damage(|lines| {
        rewrite_from_five(lines);
        let prev = hash_of(&lines[9]).to_string();
        lines[10] = forge(&lines[10], None, |record| {
            let old = record.find("\"hash\":\"").unwrap() + 8;
            format!("{}{prev}{}", &record[..old], &record[old + 64..])
        });
    });
    assert_eq!(named(&report), [(Damage::BadSignature, 11, 11, 11)]);
}

#[test]
fn a_rewrite_that_drops_the_later_checkpoints_shows_as_unsigned_and_against_a_witness() {
    let drop_last = |lines: &mut Vec<Vec<u8>>| {
        rewrite_from_five(lines);
        lines.pop();
    };
    let report = SAMPLE.damage(drop_last);
    assert!(
        report
            .to_string()
            .contains("signed to record 0: what comes after could be"),
        "{report}"
    );
    let report = SAMPLE.damage_under(SAMPLE.witness(), drop_last);
    assert_eq!(named(&report), [(Damage::Disagrees, 10, 10, 10)]);
}

#[test]
fn a_rewrite_signed_with_another_key_is_named() {
    let spool = Spool::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(spool.write(0, 9));
    let report = verify("other", &*spool.bytes(), SAMPLE.trust()).unwrap();
    let kinds: Vec<_> = report
        .findings
        .iter()
        .map(|finding| finding.damage)
        .collect();
    assert_eq!(
        kinds,
        [Damage::UnknownKey, Damage::UnknownKey, Damage::Unsigned]
    );
}

#[test]
fn a_fork_signed_with_the_right_key_shows_against_a_witness() {
    let spool = Spool::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(spool.write(0, 5));
    let copy: Vec<_> = ["00000000000000000001.ndjson", "checkpoints.ndjson"]
        .map(|name| (name, fs::read(spool.path().join(name)).unwrap()))
        .into();
    runtime.block_on(spool.write(5, 5));
    let kept = fs::read(spool.path().join("checkpoints.ndjson")).unwrap();
    let witnessed = spool.bytes();
    for (name, bytes) in copy {
        fs::write(spool.path().join(name), bytes).unwrap();
    }
    runtime.block_on(spool.write(50, 6));
    let trust = || {
        let mut trust = Trust::none();
        trust.add_key(spool.public());
        trust
    };
    assert!(
        verify_folder(spool.path(), trust()).unwrap().is_clean(),
        "taken alone, the fork holds"
    );
    let mut witness = trust();
    witness.add_checkpoints("kept", &*kept).unwrap();
    let report = verify_folder(spool.path(), witness).unwrap();
    assert_eq!(report.findings[0].damage, Damage::Disagrees, "{report}");
    let mut both = Verifier::new(trust());
    both.read("witnessed", &*witnessed).unwrap();
    both.read("fork", &*spool.bytes()).unwrap();
    let report = both.finish();
    let fork = report
        .findings
        .iter()
        .find(|finding| finding.damage == Damage::Forked)
        .unwrap();
    assert_eq!((fork.first, fork.file.as_str()), (8, "fork"), "{report}");
}

#[test]
fn deleted_records_are_named() {
    for (from, to) in [(1, 1), (1, 3), (4, 8), (9, 9)] {
        let report = SAMPLE.damage(|lines| drop(lines.drain(from..=to)));
        let (first, last) = (
            u64::try_from(from).unwrap() + 1,
            u64::try_from(to).unwrap() + 1,
        );
        assert_eq!(named(&report), [(Damage::Missing, first, last, first)]);
    }
}

#[test]
fn a_deleted_beginning_is_named() {
    let report = SAMPLE.damage(|lines| drop(lines.drain(..3)));
    assert_eq!(named(&report)[0], (Damage::Missing, 1, 3, 1), "{report}");
}

#[test]
fn segments_dropped_before_a_checkpoint_are_no_damage() {
    let mut spool = Spool::new();
    spool.options.segment_bytes = 1_500;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(spool.write(0, 20));
    fs::remove_file(&spool.segments()[0]).unwrap();
    let mut trust = Trust::none();
    trust.add_key(spool.public());
    let report = verify_folder(spool.path(), trust).unwrap();
    assert!(report.is_clean() && report.chains[0].first > 1, "{report}");
}

#[test]
fn a_segment_missing_in_the_middle_is_named() {
    let mut spool = Spool::new();
    spool.options.segment_bytes = 1_500;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(spool.write(0, 20));
    fs::remove_file(&spool.segments()[2]).unwrap();
    let report = verify_folder(spool.path(), Trust::none()).unwrap();
    assert_eq!(
        report
            .findings
            .iter()
            .map(|it| it.damage)
            .collect::<Vec<_>>(),
        [Damage::Missing]
    );
}

#[test]
fn a_cut_off_end_shows_against_a_witness_only() {
    let cut = |lines: &mut Vec<Vec<u8>>| lines.truncate(7);
    let report = SAMPLE.damage(cut);
    assert!(
        report.is_clean() && report.to_string().contains("could be cut off"),
        "{report}"
    );
    let report = SAMPLE.damage_under(SAMPLE.witness(), cut);
    assert_eq!(named(&report), [(Damage::Truncated, 8, 10, 7)]);
    let report = SAMPLE.damage_under(SAMPLE.witness(), Vec::clear);
    assert_eq!(named(&report), [(Damage::Truncated, 1, 10, 0)]);
}

#[test]
fn a_torn_last_line_is_named() {
    let report = SAMPLE.damage(|lines| lines[10].truncate(50));
    assert_eq!(named(&report), [(Damage::Torn, 11, 11, 11)]);
}

#[test]
fn a_last_line_that_only_lacks_its_line_feed_is_whole() {
    let report = SAMPLE.damage(|lines| {
        lines[10].pop();
    });
    assert!(report.is_clean(), "{report}");
}

#[test]
fn swapped_records_are_named() {
    let report = SAMPLE.damage(|lines| lines.swap(3, 4));
    assert_eq!(named(&report), [(Damage::Reordered, 4, 4, 5)]);
    let report = SAMPLE.damage(|lines| lines[2..8].rotate_left(2));
    assert_eq!(named(&report), [(Damage::Reordered, 3, 4, 7)]);
}

#[test]
fn an_inserted_copy_or_line_is_named() {
    let report = SAMPLE.damage(|lines| lines.insert(6, lines[3].clone()));
    assert_eq!(named(&report), [(Damage::Repeated, 4, 4, 7)]);
    let report = SAMPLE.damage(|lines| lines.insert(6, b"{\"seq\":7}\n".to_vec()));
    assert_eq!(named(&report), [(Damage::Inserted, 0, 0, 7)]);
    let report = SAMPLE.damage(|lines| lines.insert(6, b"\n".to_vec()));
    assert_eq!(named(&report), [(Damage::Inserted, 0, 0, 7)]);
}

#[test]
fn an_inserted_record_that_holds_for_itself_is_named() {
    let report = SAMPLE.damage(|lines| {
        let forged = forge(&lines[6], None, |record| {
            record.replace("\"duration_ms\":5", "\"duration_ms\":99")
        });
        lines.insert(6, forged);
    });
    assert_eq!(
        named(&report),
        [(Damage::Forked, 7, 7, 8), (Damage::Replaced, 7, 7, 9)]
    );
}

#[test]
fn unreadable_lines_are_told_from_missing_ones() {
    let report = SAMPLE.damage(|lines| {
        lines[4] = b"garbage\n".to_vec();
        lines.remove(5);
    });
    assert_eq!(
        named(&report),
        [(Damage::Altered, 5, 5, 5), (Damage::Missing, 6, 6, 6)]
    );
    let report = SAMPLE.damage(|lines| lines[0] = b"\xff\xff\n".to_vec());
    assert_eq!(named(&report)[0], (Damage::Altered, 1, 1, 1));
}

#[test]
fn a_line_longer_than_any_record_is_one_unreadable_line() {
    let report = SAMPLE.damage(|lines| lines[4] = [vec![b'x'; 1_000_000], b"\n".to_vec()].concat());
    assert_eq!(named(&report), [(Damage::Altered, 5, 5, 5)]);
}

#[test]
fn chains_side_by_side_are_followed_each() {
    let other = Spool::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let disk = Box::new(ledger::disk::Folder::open(other.path()).unwrap());
        let chain = ChainId::new("gw-2", 1).unwrap();
        let key = other.key();
        let ledger = ledger::Ledger::open_on(
            disk,
            chain,
            key,
            std::sync::Arc::new(crate::spool::Noon),
            other.options,
        )
        .unwrap();
        for number in 0..9 {
            ledger.append(outcome(number)).await.unwrap();
        }
    });
    let bytes = other.bytes();
    let others = bytes.split_inclusive(|&b| b == b'\n').map(<[u8]>::to_vec);
    let mixed: Vec<_> = SAMPLE
        .lines
        .iter()
        .cloned()
        .zip(others)
        .flat_map(|(one, two)| [one, two])
        .collect();
    let report = verify("mixed", &*mixed.concat(), Trust::none()).unwrap();
    assert!(report.is_clean() && report.chains.len() == 2, "{report}");
    let mut altered = mixed;
    altered[8] = b"garbage\n".to_vec();
    let report = verify("mixed", &*altered.concat(), Trust::none()).unwrap();
    assert_eq!(named(&report), [(Damage::Altered, 5, 5, 9)]);
    assert_eq!(report.findings[0].chain.as_deref(), Some("gw-1.1"));
}

#[test]
fn a_false_checkpoint_from_elsewhere_is_named() {
    let (other, _) = SigningKey::generate().unwrap();
    let mut trust = Trust::none();
    trust.add_key(other.public());
    trust.add_checkpoints("kept", &*SAMPLE.checkpoints).unwrap();
    trust.add_checkpoints("notes", &b"hello\n"[..]).unwrap();
    let report = verify("empty", &b""[..], trust).unwrap();
    let kinds: Vec<_> = report.findings.iter().map(|it| it.damage).collect();
    assert_eq!(
        kinds,
        [
            Damage::UnknownKey,
            Damage::UnknownKey,
            Damage::NotACheckpoint
        ]
    );
    let tampered = String::from_utf8(SAMPLE.checkpoints.clone())
        .unwrap()
        .replace("\"seq\":10", "\"seq\":11");
    let mut trust = SAMPLE.trust();
    trust.add_checkpoints("kept", tampered.as_bytes()).unwrap();
    let report = verify("empty", &b""[..], trust).unwrap();
    assert_eq!(report.findings[0].damage, Damage::BadSignature);
}

#[test]
fn the_words_of_a_hostile_file_do_not_reach_the_terminal() {
    let hostile = forge(&SAMPLE.lines[3], None, str::to_owned);
    let hostile = String::from_utf8(hostile)
        .unwrap()
        .replace("gw-1.1", "\\u001b[2Jgw");
    let report = verify("hostile", hostile.as_bytes(), Trust::none()).unwrap();
    assert!(
        !report.is_clean() && !report.to_string().contains('\u{1b}'),
        "{report:?}"
    );
}

#[test]
fn a_flood_of_damage_is_counted_and_not_kept() {
    let mut verifier = Verifier::new(Trust::none());
    let lines = SAMPLE.lines[..2].concat();
    let noise = b"x\n".repeat(50_000);
    verifier
        .read("flood", &*[lines, noise, SAMPLE.lines[2].clone()].concat())
        .unwrap();
    let report = verifier.finish();
    assert_eq!(report.findings.len(), domain::limits::VERIFY_FINDINGS_MAX);
    assert_eq!(report.findings.len() as u64 + report.findings_more, 50_000);
}

#[test]
fn a_long_chain_is_verified_over_its_segments() {
    let mut spool = Spool::new();
    spool.options.segment_bytes = 20_000;
    spool.options.checkpoint_every = Duration::from_millis(1);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let ledger = spool.open();
        for number in 0..5_000 {
            ledger.note(outcome(number)).unwrap();
        }
    });
    let mut trust = Trust::none();
    trust.add_key(spool.public());
    let report = verify_folder(spool.path(), trust).unwrap();
    assert!(
        report.is_clean() && report.chains[0].records > 5_000,
        "{report}"
    );
}

proptest! {
    #[test]
    fn any_altered_byte_of_any_line_is_found_and_its_record_named(
        line in 0usize..11, at in any::<prop::sample::Index>(), flip in 1u8..
    ) {
        let mut at_line = 0;
        let report = SAMPLE.damage(|lines| {
            at_line = at.index(lines[line].len());
            lines[line][at_line] ^= flip;
        });
        let seq = u64::try_from(line).unwrap() + 1;
        let names = |finding: &Finding| (finding.first..=finding.last).contains(&seq) || finding.line == seq;
        prop_assert!(report.findings.iter().any(names), "byte {at_line} of line {seq}: {report}");
    }

    #[test]
    fn any_removed_lines_before_the_end_are_found(keep in prop::collection::vec(any::<bool>(), 11)) {
        prop_assume!(keep.contains(&false) && keep.contains(&true));
        let mut kept = keep.iter();
        let report = SAMPLE.damage_under(SAMPLE.witness(), |lines| lines.retain(|_| *kept.next().unwrap()));
        // the closing checkpoint covers what is before it; itself it may be missed
        let only_last = keep[..10].iter().all(|&kept| kept);
        // what begins with the closing checkpoint looks like a ledger whose older segments were dropped
        let dropped_before = keep[10] && keep[..10].iter().all(|&kept| !kept);
        prop_assert_eq!(report.is_clean(), only_last || dropped_before, "{}", report);
    }

    #[test]
    fn any_other_order_is_found(order in Just((0usize..11).collect::<Vec<_>>()).prop_shuffle()) {
        prop_assume!(!order.is_sorted());
        let report = SAMPLE.damage(|lines| *lines = order.iter().map(|&at| lines[at].clone()).collect());
        prop_assert!(!report.is_clean());
    }

    #[test]
    fn any_bytes_are_verified_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..500), line in 0usize..11, at in any::<prop::sample::Index>()
    ) {
        let _ = verify("noise", &*bytes, SAMPLE.trust()).unwrap();
        let report = SAMPLE.damage(|lines| {
            let at = at.index(lines[line].len());
            lines[line].splice(at..at, bytes);
        });
        let _ = (report.to_string(), serde_json::to_string(&report).unwrap());
    }
}
