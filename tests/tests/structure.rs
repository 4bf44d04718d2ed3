//! The shape of the workspace: the same types all the way up, arrows only
//! downward, and nothing built that nothing uses.

use std::any::TypeId;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const STAGES: [&str; 6] =
    ["stage1-memtable", "stage2-wal", "stage3-sstable", "stage4-bloom", "stage5-compaction", "stage6-engine"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lies in the workspace").to_path_buf()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| unreachable!("{}: {error}", path.display()))
}

/// All Rust files below `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the workspace") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn a_type_is_the_same_at_every_stage() {
    use stage6_engine as top;
    assert_eq!(TypeId::of::<top::memtable::Error>(), TypeId::of::<top::wal::memtable::Error>());
    assert_eq!(
        TypeId::of::<top::memtable::Error>(),
        TypeId::of::<top::compaction::bloom::sstable::memtable::Error>()
    );
    assert_eq!(TypeId::of::<top::WriteBatch>(), TypeId::of::<top::compaction::wal::batch::WriteBatch>());
    assert_eq!(TypeId::of::<top::wal::vfs::SimVfs>(), TypeId::of::<top::sstable::wal::vfs::SimVfs>());
    assert_eq!(TypeId::of::<top::sstable::table::Table>(), TypeId::of::<top::bloom::sstable::table::Table>());
    assert_eq!(
        TypeId::of::<top::bloom::filter::Filter>(),
        TypeId::of::<top::compaction::bloom::filter::Filter>()
    );
}

#[test]
fn a_stage_depends_on_the_one_below_and_on_no_other() {
    for (index, stage) in STAGES.iter().enumerate() {
        let manifest = read(&root().join(stage).join("Cargo.toml"));
        let dependencies: Vec<&str> = STAGES
            .into_iter()
            .filter(|other| {
                manifest.lines().any(|line| {
                    line.starts_with(&format!("{other}.")) || line.starts_with(&format!("{other} "))
                })
            })
            .collect();
        let expected: Vec<&str> = index.checked_sub(1).map(|below| STAGES[below]).into_iter().collect();
        assert_eq!(dependencies, expected, "{stage}");
    }
}

/// The modules of a crate or folder, in the order in which its file lists them.
fn modules(file: &Path) -> Vec<String> {
    let is_module = |line: &str| {
        let line = line.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')).map(str::to_owned)
    };
    read(file).lines().filter_map(is_module).filter(|name| name != "tests").collect()
}

/// The part of a source that is no test and no comment.
fn product(source: &str) -> String {
    let without_tests = source.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    without_tests.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_module_uses_only_modules_above_it_in_its_list() {
    let mut arrows = 0;
    for stage in STAGES {
        let folder = root().join(stage).join("src");
        let order = modules(&folder.join("lib.rs"));
        for (place, module) in order.iter().enumerate() {
            let mut files = vec![folder.join(format!("{module}.rs"))];
            if folder.join(module).is_dir() {
                files.extend(sources(&folder.join(module)));
            }
            for file in files.iter().filter(|file| file.is_file() && !file.ends_with("tests.rs")) {
                let source = product(&read(file));
                for (below, other) in order.iter().enumerate() {
                    let is_used = source.contains(&format!("crate::{other}::"))
                        || source.contains(&format!("crate::{other};"));
                    assert!(
                        !is_used || below <= place,
                        "{}: uses {other}, which comes after {module}",
                        file.display()
                    );
                    arrows += usize::from(is_used);
                }
            }
        }
    }
    println!("structure: {arrows} uses between modules, none upward");
    assert!(arrows > 50, "the scan sees hardly any uses: {arrows}");
}

#[test]
fn every_module_of_a_stage_is_used_above_it() {
    let mut unused = BTreeSet::new();
    for (index, stage) in STAGES.iter().enumerate().take(5) {
        let above: Vec<PathBuf> = STAGES[index + 1..]
            .iter()
            .flat_map(|upper| sources(&root().join(upper).join("src")))
            .chain(sources(&root().join("tests")))
            .collect();
        let text: String = above.iter().map(|file| product(&read(file))).collect();
        let own: String =
            sources(&root().join(stage).join("src")).iter().map(|file| product(&read(file))).collect();
        for module in modules(&root().join(stage).join("src/lib.rs")) {
            let is_used_above =
                text.contains(&format!("::{module}::")) || text.contains(&format!("{module}, "));
            let is_used_beside = own.contains(&format!("crate::{module}::"));
            if !is_used_above && !is_used_beside {
                unused.insert(format!("{stage}: {module}"));
            }
        }
    }
    assert!(unused.is_empty(), "built, and used by nothing above: {unused:?}");
}

/// INV-SYNC-1, as far as names show it. The tool is a program of its own, beside the engine.
#[test]
fn what_threads_tell_one_another_comes_from_one_module() {
    let is_elsewhere = |line: &&str| {
        let of_std = line.contains("std::sync::")
            && ["Mutex", "RwLock", "Condvar", "mpsc"].iter().any(|name| line.contains(name));
        of_std || ["parking_lot::", "arc_swap::", "std::thread::spawn"].iter().any(|name| line.contains(name))
    };
    for stage in STAGES {
        let folder = root().join(stage).join("src");
        let exempt = [folder.join("sync.rs"), folder.join("sync"), folder.join("bin")];
        for file in sources(&folder).iter().filter(|file| !exempt.iter().any(|path| file.starts_with(path))) {
            let source = product(&read(file));
            let found = source.lines().find(is_elsewhere);
            assert_eq!(found, None, "{}: from `memtable::sync`, which shuttle knows", file.display());
        }
    }
}

#[test]
fn unsafe_code_is_allowed_in_one_module() {
    let folders = STAGES.into_iter().chain(["tests/src", "book"]);
    let files: Vec<PathBuf> = folders.flat_map(|folder| sources(&root().join(folder))).collect();
    let allowing = files.iter().filter(|file| read(file).contains("allow(unsafe_code)"));
    let allowing: Vec<&Path> = allowing.filter_map(|file| file.strip_prefix(root()).ok()).collect();
    assert_eq!(allowing, [Path::new("stage2-wal/src/vfs/mapped.rs")]);
}
