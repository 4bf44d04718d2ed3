//! The one way to the disk: what every `Vfs` promises, asked of the operating
//! system's and of the simulated one; then what only a real directory can get
//! wrong.

use std::fs;
use std::path::Path;

use stage2_wal::memtable::error::{Error, ErrorKind};
use stage2_wal::vfs::{FileId, LockMode, OsVfs, SimVfs, Vfs};

const LOG: FileId = FileId::Log(1);
const TABLE: FileId = FileId::Table(2);

/// Runs `story` on an empty directory of either kind.
fn on_both(story: impl Fn(&dyn Vfs)) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    story(&OsVfs::existing(directory.path()).expect("it was just made"));
    story(&SimVfs::new());
}

fn write(vfs: &dyn Vfs, file: FileId, bytes: &[u8]) {
    let created = vfs.create(file).expect("the name is free");
    created.append(bytes).expect("appended");
    created.sync().expect("synced");
}

fn read(vfs: &dyn Vfs, file: FileId) -> Vec<u8> {
    vfs.open(file).and_then(|open| open.read_all()).expect("readable").to_vec()
}

/// The error says what was attempted and on which file.
fn assert_says(error: &Error, operation: &str, file: &str) {
    let text = error.to_string();
    assert!(text.starts_with(&format!("cannot {operation} ")) && text.contains(file), "{text}");
}

#[test]
fn what_was_appended_is_read() {
    on_both(|vfs| {
        let file = vfs.create(LOG).expect("created");
        assert!(vfs.open(LOG).expect("open").is_empty());
        for part in [&b"one "[..], b"", b"two"] {
            file.append(part).expect("appended");
        }
        file.sync().expect("synced");
        file.finish(7).expect("finished");
        let reader = vfs.open(LOG).expect("open");
        assert_eq!(reader.read_all().expect("read"), "one two");
        assert_eq!(reader.read_at(4, 3).expect("read"), "two");
        assert_eq!(reader.read_at(7, 0).expect("nothing wanted"), "");
        assert_eq!(reader.describe(), vfs.describe(LOG));
    });
}

#[test]
fn a_name_is_created_once() {
    on_both(|vfs| {
        write(vfs, LOG, b"mine");
        let error = vfs.create(LOG).expect_err("the name is taken");
        assert_says(&error, "create", "000001.log");
        assert!(!error.is_retryable());
        assert_eq!(read(vfs, LOG), b"mine");
    });
}

#[test]
fn what_is_not_there_is_not_found() {
    on_both(|vfs| {
        for (operation, error) in [
            ("open", vfs.open(LOG).map(|_| ()).expect_err("nothing there")),
            ("remove", vfs.remove(LOG).expect_err("nothing there")),
            ("rename", vfs.rename(LOG, TABLE).expect_err("nothing there")),
        ] {
            assert_says(&error, operation, "000001.log");
            assert!(error.is_not_found(), "{error}");
        }
    });
}

#[test]
fn to_read_beyond_the_end_is_corruption_and_allocates_nothing() {
    on_both(|vfs| {
        write(vfs, LOG, b"12345");
        let file = vfs.open(LOG).expect("open");
        for (offset, length) in
            [(0, 6), (5, 1), (6, 0), (2, usize::MAX), (u64::MAX, 1), (u64::MAX, usize::MAX)]
        {
            let error = file.read_at(offset, length).expect_err("beyond the end");
            assert_eq!(error.kind(), ErrorKind::Corruption);
            let end = format!(
                "000001.log is corrupt at offset {offset}: {length} bytes wanted, the file ends at 5"
            );
            assert!(error.to_string().ends_with(&end), "{error}");
        }
    });
}

#[test]
fn a_reader_sees_the_length_that_the_file_had_when_it_was_opened() {
    on_both(|vfs| {
        let file = vfs.create(LOG).expect("created");
        file.append(b"before").expect("appended");
        let reader = vfs.open(LOG).expect("open");
        file.append(b" and behind").expect("appended");
        assert_eq!(reader.len(), 6);
        assert_eq!(reader.read_all().expect("read"), "before");
        assert_eq!(
            reader.read_at(0, 7).expect_err("not there when it was opened").kind(),
            ErrorKind::Corruption
        );
    });
}

#[test]
fn a_rename_replaces_its_target() {
    on_both(|vfs| {
        write(vfs, FileId::Current, b"old");
        write(vfs, FileId::Temporary(3), b"new");
        vfs.rename(FileId::Temporary(3), FileId::Current).expect("renamed");
        vfs.sync_directory().expect("synced");
        assert_eq!(read(vfs, FileId::Current), b"new");
        assert_eq!(vfs.list().expect("listed"), [FileId::Current]);
    });
}

#[test]
fn a_removed_file_is_read_by_whoever_has_it_open() {
    on_both(|vfs| {
        write(vfs, TABLE, b"still here");
        let reader = vfs.open(TABLE).expect("open");
        vfs.remove(TABLE).expect("removed");
        assert_eq!(vfs.list().expect("listed"), []);
        assert_eq!(reader.read_all().expect("read"), "still here");
        write(vfs, TABLE, b"another");
        assert_eq!(reader.read_all().expect("read"), "still here");
    });
}

#[test]
fn a_list_is_in_the_order_of_kind_and_number() {
    on_both(|vfs| {
        let order =
            [FileId::Current, FileId::Manifest(7), FileId::Log(9), FileId::Log(1_000_000), FileId::Table(2)];
        order.into_iter().rev().for_each(|file| write(vfs, file, b""));
        assert_eq!(vfs.list().expect("listed"), order);
    });
}

#[test]
fn a_lock_excludes_whom_it_must_and_goes_with_its_holder() {
    use LockMode::{Exclusive, Shared};
    on_both(|vfs| {
        let take = |mode| vfs.lock(mode).expect("asked");
        let writer = take(Exclusive).expect("free");
        assert!(take(Exclusive).is_none(), "a second writer");
        assert!(take(Shared).is_none(), "a reader beside a writer");
        drop(writer);

        let reader = take(Shared).expect("free again");
        let second_reader = take(Shared).expect("readers share");
        assert!(take(Exclusive).is_none(), "a writer beside readers");
        drop(reader);
        assert!(take(Exclusive).is_none(), "one reader is left");
        drop(second_reader);
        assert!(take(Exclusive).is_some(), "all have gone");
    });
}

/// What is in the way, how to put it there, and how an error names it.
type Obstacle = (&'static str, fn(&Path));

fn with_directory(story: impl Fn(&OsVfs, &Path)) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    story(&OsVfs::existing(directory.path()).expect("it was just made"), directory.path());
}

#[cfg(unix)]
#[test]
fn nothing_is_read_written_or_locked_through_what_is_no_regular_file() {
    use std::os::unix::fs::symlink;

    let obstacles: [Obstacle; 3] = [
        ("a link to a file", |path| {
            let elsewhere = path.with_file_name("elsewhere");
            fs::write(&elsewhere, b"secret").expect("written");
            symlink(elsewhere, path).expect("linked");
        }),
        ("a link to nothing", |path| symlink(path.with_file_name("nowhere"), path).expect("linked")),
        ("a directory", |path| fs::create_dir(path).expect("made")),
    ];
    for (what, put) in obstacles {
        with_directory(|vfs, path| {
            put(&path.join("000001.log"));
            let error = vfs.open(LOG).map(|_| ()).expect_err(what);
            assert_says(&error, "open", "000001.log");
            assert!(error.to_string().ends_with("it is not a regular file"), "{what}: {error}");
            let error = vfs.create(LOG).map(|_| ()).expect_err(what);
            assert_says(&error, "create", "000001.log");
            assert!(!path.join("nowhere").exists(), "nothing was created through the link");
        });
        with_directory(|vfs, path| {
            put(&path.join("LOCK"));
            for mode in [LockMode::Exclusive, LockMode::Shared] {
                let error = vfs.lock(mode).map(|_| ()).expect_err(what);
                assert_says(&error, "lock", "LOCK");
            }
        });
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_longer_than_the_memory_is_an_error_and_not_the_end_of_the_process() {
    with_directory(|vfs, path| {
        let sparse = fs::File::create(path.join("000001.log")).expect("created");
        sparse.set_len(15 << 40).expect("a sparse file costs nothing");
        let file = vfs.open(LOG).expect("it can be opened");
        let error = file.read_all().expect_err("nobody has 15 TiB of memory");
        assert_says(&error, "read", "000001.log");
        assert!(error.is_retryable(), "{error}");
    });
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_what_was_created() {
    use std::os::unix::fs::PermissionsExt;

    with_directory(|vfs, path| {
        write(vfs, TABLE, b"private");
        let _lock = vfs.lock(LockMode::Exclusive).expect("asked").expect("free");
        for name in ["000002.sst", "LOCK"] {
            let mode = fs::metadata(path.join(name)).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    });
}

#[test]
fn foreign_names_are_passed_over_and_left_alone() {
    with_directory(|vfs, path| {
        for name in ["notes.txt", "1.log", "000001.log.bak", "MANIFEST-1", ".DS_Store"] {
            fs::write(path.join(name), b"not ours").expect("written");
        }
        fs::create_dir(path.join("backup")).expect("made");
        write(vfs, TABLE, b"ours");
        assert_eq!(vfs.list().expect("listed"), [TABLE]);
        assert_eq!(fs::read(path.join("notes.txt")).expect("still there"), b"not ours");
    });
}

#[test]
fn a_file_that_is_cut_while_it_is_open_is_corrupt() {
    with_directory(|vfs, path| {
        write(vfs, TABLE, b"0123456789");
        let reader = vfs.open(TABLE).expect("open");
        fs::write(path.join("000002.sst"), b"0123").expect("cut");
        let error = reader.read_at(2, 6).expect_err("cut");
        let says_cut = "is corrupt at offset 2: the file was cut while it was open";
        assert!(error.to_string().ends_with(says_cut), "{error}");
        let error = reader.read_into(2, &mut [0; 6]).expect_err("cut");
        assert!(error.to_string().ends_with(says_cut), "{error}");
        let error = reader.read_into(2, &mut [0; 9]).expect_err("beyond the end");
        assert_eq!(error.kind(), ErrorKind::Corruption);
    });
    let vfs = SimVfs::new();
    write(&vfs, TABLE, b"0123456789");
    let reader = vfs.open(TABLE).expect("open");
    vfs.corrupt(TABLE, |bytes| bytes.truncate(4)).expect("cut");
    assert_eq!(reader.read_at(2, 6).expect_err("cut").kind(), ErrorKind::Corruption);
}

#[test]
fn a_preallocated_tail_is_given_back_and_a_shorter_file_stays_as_it_is() {
    with_directory(|vfs, path| {
        let file = vfs.create(LOG).expect("created");
        file.append(b"record0000").expect("appended");
        file.finish(6).expect("trimmed");
        assert_eq!(fs::read(path.join("000001.log")).expect("read"), b"record");
        file.finish(100).expect("nothing to trim");
        assert_eq!(read(vfs, LOG), b"record");
    });
}

#[test]
fn a_directory_is_made_with_its_parents() {
    with_directory(|_, path| {
        let deep = path.join("a/b/c");
        let vfs = OsVfs::create(&deep).expect("made");
        write(&vfs, LOG, b"there");
        assert_eq!(vfs.directory(), deep);
        let again = OsVfs::create(&deep).expect("it is there already");
        assert_eq!(read(&again, LOG), b"there");
    });
}

#[test]
fn a_path_that_is_no_directory_is_refused_by_name() {
    with_directory(|_, path| {
        let file = path.join("file");
        fs::write(&file, b"").expect("written");
        let missing = path.join("missing");
        let error = |result: Result<OsVfs, Error>| result.map(|_| ()).expect_err("refused");

        let not_there = error(OsVfs::existing(&missing));
        assert_says(&not_there, "open the directory", &missing.display().to_string());
        assert!(not_there.is_not_found());
        assert!(!missing.exists(), "to look is not to make");

        let no_directory = error(OsVfs::existing(&file));
        assert_says(&no_directory, "open the directory", &file.display().to_string());
        assert!(no_directory.to_string().ends_with("not a directory"), "{no_directory}");

        assert_says(&error(OsVfs::create(&file)), "create the directory", &file.display().to_string());
        let below_a_file = file.join("below");
        let error = error(OsVfs::create(&below_a_file));
        assert_says(&error, "create the directory", &below_a_file.display().to_string());
    });
}
