//! On what, and of which versions, it was measured.

use std::fs;

use serde::{Deserialize, Serialize};

/// The machine and the versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) processors: usize,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
    pub(crate) baseline: String,
    pub(crate) versions: Vec<(String, String)>,
}

/// The packages whose versions are reported.
const PACKAGES: [&str; 6] =
    ["stage6-engine", "librocksdb-sys", "fjall", "lmdb-master-sys", "redb", "mimalloc"];

/// Whether this program may use what every engine is compared with.
pub(crate) const HAS_BASELINE: bool = cfg!(any(
    not(target_arch = "x86_64"),
    all(target_feature = "avx2", target_feature = "sse4.2", target_feature = "pclmulqdq")
));

impl Machine {
    pub(crate) fn here() -> Machine {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let memory: u64 =
            field(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
        Machine {
            processor: field(&read("/proc/cpuinfo"), "model name"),
            processors: std::thread::available_parallelism().map_or(1, Into::into),
            memory_mib: memory >> 10,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            baseline: if HAS_BASELINE { "x86-64-v3 + PCLMUL" } else { "x86-64" }.to_owned(),
            versions: versions(include_str!("../../Cargo.lock")),
        }
    }

    /// A sentence or two.
    pub(crate) fn in_words(&self) -> String {
        let Machine { processor, processors, memory_mib, kernel, baseline, .. } = self;
        let versions: Vec<String> =
            self.versions.iter().map(|(package, version)| format!("{package} {version}")).collect();
        format!(
            "{processor}, {processors} processors, {memory_mib} MiB, Linux {kernel}; built for {baseline}. {}.",
            versions.join(", ")
        )
    }
}

/// The text behind `name` and a colon.
fn field(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_once(':')).map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

fn versions(lock: &str) -> Vec<(String, String)> {
    let version_of = |package: &str| {
        let behind = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?.1;
        Some((package.to_owned(), behind.split('"').next()?.to_owned()))
    };
    PACKAGES.into_iter().filter_map(version_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_stand_in_the_lock_file() {
        let versions = Machine::here().versions;
        assert!(versions.iter().any(|(package, version)| package == "fjall" && version.starts_with('3')));
        assert_eq!(versions.len(), PACKAGES.len());
    }

    #[test]
    fn a_field_is_what_stands_behind_its_colon() {
        assert_eq!(field("processor\t: 0\nmodel name\t: Some CPU\n", "model name"), "Some CPU");
        assert_eq!(field("", "model name"), "");
    }
}
