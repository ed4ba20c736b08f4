//! Backups that were damaged, cut, forged or stuffed, and disks that are full: nothing of them reaches a place, and what fails
//! leaves nothing behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use secrecy::ExposeSecret as _;
use server::demo::world::Stage;

use super::place::{On, Place, random};
use crate::run::{PROGRAM, done, refused, words};

/// A backup of a small installation that is not running, and an empty place with its key.
struct Scene {
    stage: Stage,
    good: PathBuf,
    target: Place,
}

impl Scene {
    async fn set() -> Self {
        let stage = Stage::set(0).await.unwrap();
        let good = stage.dir.path().join("good");
        done(
            &stage.config_file(),
            &["backup", "--out", good.to_str().unwrap()],
        )
        .await;
        let target = Place::make(&stage, "target", On::Sqlite).await;
        target.bring_key(&stage.dir.path().join("doorward.key"));
        Self {
            stage,
            good,
            target,
        }
    }

    /// A copy of the backup, to be damaged.
    fn copy(&self) -> PathBuf {
        let to = self.stage.dir.path().join(format!("copy-{}", random()));
        let status = Command::new("cp")
            .arg("-a")
            .args([&self.good, &to])
            .status()
            .unwrap();
        assert!(status.success());
        to
    }

    /// Restoring it is refused with these words, and nothing was written.
    async fn is_refused(&self, backup: &Path, expected: &str) {
        let said = refused(&self.target.config, &["restore", backup.to_str().unwrap()]).await;
        assert!(said.contains(expected), "{}: {said}", backup.display());
        assert!(
            !self.target.ledger.exists() && !self.target.folder.join("doorward.db").exists(),
            "{said}"
        );
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn alter(path: &Path, alter: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    alter(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_of_any_file_a_cut_and_a_missing_file_are_noticed() {
    let scene = Scene::set().await;
    let mut all = Vec::new();
    files(&scene.good, &mut all);
    assert!(all.len() > 15, "{all:?}");
    // Each file once, at its beginning, in its middle, at its end, or cut, or gone: five ways over all files.
    for (index, file) in all.iter().enumerate() {
        let copy = scene.copy();
        let bad = copy.join(file.strip_prefix(&scene.good).unwrap());
        let len = fs::metadata(&bad).unwrap().len();
        match index % 5 {
            0 => alter(&bad, |bytes| bytes[0] ^= 1),
            1 => alter(&bad, |bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0x20;
            }),
            2 => alter(&bad, |bytes| *bytes.last_mut().unwrap() ^= 1),
            3 => fs::File::options()
                .write(true)
                .open(&bad)
                .unwrap()
                .set_len(len - 1)
                .unwrap(),
            _ => fs::remove_file(&bad).unwrap(),
        }
        scene.is_refused(&copy, "").await;
        fs::remove_dir_all(copy).unwrap();
    }
    done(
        &scene.target.config,
        &["restore", scene.good.to_str().unwrap()],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_put_into_a_backup_is_named_and_nothing_of_it_used() {
    let scene = Scene::set().await;
    let with = |change: &dyn Fn(&Path)| {
        let copy = scene.copy();
        change(&copy);
        copy
    };
    let foreign = with(&|copy| fs::write(copy.join("store/extra.ndjson"), "x").unwrap());
    scene
        .is_refused(&foreign, "store/extra.ndjson does not belong")
        .await;
    let link = with(&|copy| {
        let people = copy.join("store/people.ndjson");
        fs::remove_file(&people).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", people).unwrap();
    });
    scene.is_refused(&link, "is not a file").await;
    // A policy of somebody's own making, with hashes that fit: the seal does not.
    let forged = with(&|copy| {
        alter(&copy.join("manifest.json"), |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            *bytes = text.replacen("\"rows\": 1", "\"rows\": 2", 1).into_bytes();
        });
    });
    scene
        .is_refused(&forged, "the manifest is not what the backup wrote")
        .await;
    for path in [
        "../../../../tmp/x.ndjson",
        "/etc/passwd",
        "store/../../x.ndjson",
        "ledger/x/lock",
    ] {
        let tricky = with(&|copy| {
            alter(&copy.join("manifest.json"), |bytes| {
                let text = String::from_utf8(bytes.clone()).unwrap();
                *bytes = text.replacen("store/people.ndjson", path, 1).into_bytes();
            });
        });
        scene.is_refused(&tricky, "none of ours is called").await;
        // not even for whoever believes it without a seal
        let arguments = ["restore", "--new-keys", tricky.to_str().unwrap()];
        refused(&scene.target.config, &arguments).await;
    }
    let later = with(&|copy| {
        alter(&copy.join("manifest.json"), |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            *bytes = text
                .replacen(
                    "\"doorward_backup\": 1",
                    "\"doorward_backup\": 2, \"new\": 1",
                    1,
                )
                .into_bytes();
        });
    });
    scene
        .is_refused(&later, "use the version that made it")
        .await;
    let elsewhere = scene.stage.dir.path().join("nothing");
    scene.is_refused(&elsewhere, "is no backup").await;
}

/// Without the seal a wrong schema or rows that do not fit must not get in either, and leave the place empty for the right ones.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_do_not_fit_leave_the_place_empty() {
    let scene = Scene::set().await;
    let copy = scene.copy();
    alter(&copy.join("manifest.json"), |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text
            .replacen("\"schema\": ", "\"schema\": 1", 1)
            .into_bytes();
    });
    let arguments = ["restore", "--new-keys", copy.to_str().unwrap()];
    let said = refused(&scene.target.config, &arguments).await;
    assert!(said.contains("run the newer version"), "{said}");
    alter(&copy.join("manifest.json"), |bytes| {
        let text = fs::read_to_string(scene.good.join("manifest.json")).unwrap();
        *bytes = text.replacen("\"rows\": 1", "\"rows\": 2", 1).into_bytes();
    });
    let said = refused(&scene.target.config, &arguments).await;
    assert!(said.contains("the manifest says 2"), "{said}");
    assert!(
        fs::read_dir(&scene.target.ledger).unwrap().next().is_none(),
        "the ledger's folder is empty again"
    );
    done(
        &scene.target.config,
        &["restore", scene.good.to_str().unwrap()],
    )
    .await;
}

/// Every file of the process may grow to so many bytes.
fn limited(bytes: u64, arguments: &[&str], config: &Path) -> std::process::Output {
    Command::new("prlimit")
        .arg(format!("--fsize={bytes}"))
        .args(["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\"", PROGRAM])
        .args(arguments)
        .arg("--config")
        .arg(config)
        .output()
        .expect("prlimit, of util-linux, is there")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_leaves_neither_half_a_backup_nor_half_a_place() {
    let scene = Scene::set().await;
    let out = scene.stage.dir.path().join("full");
    let store = store::Store::open(scene.stage.config.store.url.expose_secret())
        .await
        .unwrap();
    store.keep_secret("large", &vec![7; 200_000]).await.unwrap();
    store.close().await;
    let output = limited(
        100_000,
        &["backup", "--out", out.to_str().unwrap()],
        &scene.stage.config_file(),
    );
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    assert!(
        words(&output).contains("cannot be written"),
        "{}",
        words(&output)
    );
    assert!(!out.exists() && !out.with_extension("partial").exists());

    let good = scene.good.to_str().unwrap();
    // enough for an empty database and not for what comes into it, then for that and not for the ledger's log of it
    for bytes in [20_000, 300_000] {
        let output = limited(bytes, &["restore", good], &scene.target.config);
        assert_eq!(output.status.code(), Some(1), "{bytes}: {}", words(&output));
        let is_left = |name: &str| scene.target.ledger.join(name).exists();
        assert!(
            !is_left("before") || is_left("restore.unfinished"),
            "half a place that could be served"
        );
    }
    for name in ["doorward.db", "doorward.db-wal", "doorward.db-shm"] {
        let _ = fs::remove_file(scene.target.folder.join(name));
    }
    let _ = fs::remove_dir_all(&scene.target.ledger);
    done(&scene.target.config, &["restore", good]).await;
}
