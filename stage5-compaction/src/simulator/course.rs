//! What a strategy made of a workload, from flush to flush.

use crate::file::LEVELS;

/// What stood and what had been done at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Writes by the user so far.
    pub writes: u64,
    /// Their bytes.
    pub user_bytes: u64,
    /// Bytes written by flushes so far.
    pub flushed_bytes: u64,
    /// Bytes written by compactions so far.
    pub compacted_bytes: u64,
    /// Compactions so far that wrote tables.
    pub compactions: u64,
    /// Compactions so far that only changed the level of files.
    pub moves: u64,
    /// The most bytes that files took so far, inputs and outcome of a running
    /// compaction included.
    pub peak_bytes: u64,
    /// The bytes of the newest versions of all keys that are not deleted.
    pub live_bytes: u64,
    /// The bytes of the files of each level.
    pub level_bytes: [u64; LEVELS],
    /// How many files there are.
    pub files: u64,
    /// At how many keys a lookup and a scan were tried.
    pub gets: u64,
    /// How many files the lookups asked, without filters, up to their answers.
    pub files_asked_by_gets: u64,
    /// How many files the scans asked.
    pub files_asked_by_scans: u64,
}

impl Sample {
    /// The bytes of all files.
    pub fn disk_bytes(&self) -> u64 {
        self.level_bytes.iter().sum()
    }

    /// How often a byte of the user's was written, the journal not counted.
    pub fn write_amplification(&self) -> f64 {
        ratio(self.flushed_bytes + self.compacted_bytes, self.user_bytes)
    }

    /// How many bytes the files take for a byte that is alive.
    pub fn space_amplification(&self) -> f64 {
        ratio(self.disk_bytes(), self.live_bytes)
    }

    /// How many files a lookup asks.
    pub fn files_per_get(&self) -> f64 {
        ratio(self.files_asked_by_gets, self.gets)
    }

    /// How many files a range scan asks.
    pub fn files_per_scan(&self) -> f64 {
        ratio(self.files_asked_by_scans, self.gets)
    }
}

/// A strategy's samples, one behind every flush.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    name: String,
    samples: Vec<Sample>,
}

impl Course {
    pub(super) fn new(name: &str) -> Course {
        Course { name: name.to_owned(), samples: Vec::new() }
    }

    pub(super) fn note(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    /// What the strategy is called in tables and figures.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The samples, in order.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// How it ended.
    pub fn end(&self) -> Sample {
        self.samples.last().cloned().unwrap_or_default()
    }

    /// The most room that files took, for a byte that was alive at the end.
    pub fn peak_space_amplification(&self) -> f64 {
        let end = self.end();
        ratio(end.peak_bytes, end.live_bytes)
    }

    /// How many files a lookup asked, on average over time.
    pub fn mean_files_per_get(&self) -> f64 {
        ratio(self.sum(|sample| sample.files_asked_by_gets), self.sum(|sample| sample.gets))
    }

    /// How many files a range scan asked, on average over time.
    pub fn mean_files_per_scan(&self) -> f64 {
        ratio(self.sum(|sample| sample.files_asked_by_scans), self.sum(|sample| sample.gets))
    }

    fn sum(&self, of: impl Fn(&Sample) -> u64) -> u64 {
        self.samples.iter().map(of).sum()
    }
}

/// 0 where nothing was counted.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
