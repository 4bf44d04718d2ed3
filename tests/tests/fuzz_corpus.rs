//! Every input that a campaign found worth keeping, and every seed, through its
//! target again: no crash, and no more memory than the law allows.
//!
//! The campaign itself is a command of its own: see `fuzz/`.

use std::fs;
use std::path::PathBuf;

use peak_alloc::PeakAlloc;
use tests::fuzz::{TARGETS, Target, allowance, corpora, seeds};

/// Counts what is in use; a test binary with one test, so nobody else allocates.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

#[test]
fn every_input_of_the_corpora_keeps_the_laws() {
    let (mut inputs, mut most) = (0, 0.0);
    for target in TARGETS {
        let kept: Vec<PathBuf> = files(target);
        assert!(!kept.is_empty(), "the corpus of {} is there", target.name);
        let kept = kept.iter().map(|path| fs::read(path).expect("a committed file"));
        for bytes in kept.chain(seeds(target.name)) {
            let share = share_of_allowance(target, &bytes);
            assert!(share <= 1.0 || !target.is_decoder, "{}: {share} times the memory", target.name);
            if target.is_decoder {
                most = f64::max(most, share);
            }
            inputs += 1;
        }
    }
    println!(
        "fuzz: {inputs} inputs, {} targets, 0 crashes, peak memory within {:.0} % of 4 x input + 1 MiB",
        TARGETS.len(),
        most * 100.0
    );
}

fn files(target: Target) -> Vec<PathBuf> {
    let entries = fs::read_dir(corpora().join(target.name)).expect("a corpus for each target");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.sort();
    files
}

/// Runs the target; the memory that it took, as a share of what it may take.
fn share_of_allowance(target: Target, bytes: &[u8]) -> f64 {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let input_bytes = (target.run)(bytes);
    (ALLOCATOR.peak_usage() - before) as f64 / allowance(input_bytes) as f64
}
