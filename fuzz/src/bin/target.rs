//! What libFuzzer runs: the target that `FUZZ_TARGET` names, and the law of memory
//! around it.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use peak_alloc::PeakAlloc;
use tests::fuzz::{allowance, target, Target};

/// Counts what Rust code has in use; libFuzzer's own memory is not its.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
    target(&name).expect("FUZZ_TARGET names a target")
});

fuzz_target!(|bytes: &[u8]| {
    let target = *TARGET;
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let input_bytes = (target.run)(bytes);
    let used = ALLOCATOR.peak_usage() - before;
    if target.is_decoder {
        assert!(used <= allowance(input_bytes), "{used} bytes of memory for {input_bytes} bytes");
    }
});
