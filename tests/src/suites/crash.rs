//! A crash at every call: the database comes back as a prefix that holds all that
//! was acknowledged.
//!
//! ```text
//!   workload 1 ─run─▶ trace of 600 calls ─▶ after each call, under each policy,
//!   workload 2                              an image ─open─▶ oracle
//! ```
//!
//! The policies are those of `stage2_wal::vfs::crash`; the oracle is
//! [`crate::oracle`]. A workload too small to mean anything is a failure.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use stage6_engine::wal::vfs::crash::Image;
use stage6_engine::wal::vfs::{FileId, SimVfs, Vfs};

use crate::oracle::{Violation, judge, judge_crashes, judge_every_crash};
use crate::script::{Run, Step, draw, run, spell};
use crate::shrink::shrink;
use crate::suite::{Course, Failure, Outcome, Suite, Tally};

/// A crash at every call of each workload.
pub const SUITE: Suite = Suite {
    name: "crash",
    about: "the disk as a crash may leave it, after every call of every workload",
    targets: &[("images", 1_000_000), ("workloads", 20), ("% of calls", 100)],
    run: torture,
};

/// Of so many images, one is also written to and opened again.
const AGAIN_EVERY: usize = 5;

/// Of so many images, one is also judged with the room that a mapped log has ahead.
const ROOM_EVERY: usize = 4;

/// Logs are given room in multiples of so much here: more than one of their blocks.
const ROOM_BYTES: usize = 40 << 10;

const STEPS: usize = 220;

fn torture(course: &Course) -> Outcome {
    let only = course.at.as_deref().map(parse_place).transpose()?;
    let mut tally = course.cases(3, 26, |seed| workload(seed, only))?;
    let (boundaries, crashed) = (tally.take("boundaries"), tally.take("crashed"));
    Ok(tally.and("% of calls", crashed * 100 / boundaries.max(1)))
}

/// `132/7`: after 132 calls, the policy numbered 7.
pub(super) fn parse_place(at: &str) -> Result<(usize, usize), Box<Failure>> {
    let parts = at.split_once('/').and_then(|(call, index)| Some((call.parse().ok()?, index.parse().ok()?)));
    parts.ok_or_else(|| Failure::new(format!("--at {at}: expected CALL/POLICY, such as 132/7")))
}

/// Crashes the workload of `seed` everywhere, or at one place only.
fn workload(seed: u64, only: Option<(usize, usize)>) -> Outcome {
    let script = draw(seed, STEPS);
    let run = honest(&script).map_err(Failure::new)?;
    let calls = run.vfs.calls();
    let covered = run.covered;
    if calls < 400 || covered.flushes < 3 || covered.compactions < 2 || covered.rollovers < 1 {
        return Err(Failure::new(format!("the workload shrank: {calls} calls, {covered:?}")));
    }
    let (mut crashed, mut with_room) = (BTreeSet::new(), 0);
    let images = judge_crashes(
        &run.vfs.trace(),
        |call, index| only.is_none_or(|only| only == (call, index)),
        |call, count, image| {
            crashed.insert(call);
            judge(&run, call, image, count % AGAIN_EVERY == 0)?;
            if count % ROOM_EVERY == 0 || only.is_some() {
                with_room += 1;
                judge(&run, call, &padded(image), false).map_err(|what| format!("with room: {what}"))?;
            }
            Ok(())
        },
    );
    let images = images.map_err(|violation| explain(&script, &run, &violation))?;
    Ok(Tally::of("images", images)
        .and("also with room behind their logs", with_room)
        .and("workloads", 1)
        .and("calls", calls as u64)
        .and("flushes", covered.flushes)
        .and("compactions", covered.compactions)
        .and("boundaries", calls as u64 + 1)
        .and("crashed", crashed.len() as u64))
}

/// The same disk, had its logs been given room ahead: zeros follow whatever is there,
/// and pages that did not reach the disk are zeros as they were given.
fn padded(image: &Image) -> Image {
    let padded = |(&file, bytes): (&FileId, &Bytes)| match file {
        FileId::Log(_) => {
            let mut bytes = bytes.to_vec();
            bytes.resize(bytes.len().next_multiple_of(ROOM_BYTES), 0);
            (file, Bytes::from(bytes))
        }
        _ => (file, bytes.clone()),
    };
    image.iter().map(padded).collect()
}

/// Runs `script` on a disk that keeps its word.
///
/// # Errors
/// What the database said: an honest disk gives it no reason.
pub fn honest(script: &[Step]) -> Result<Run, String> {
    let vfs = SimVfs::new();
    run(script, &(Arc::new(vfs.clone()) as Arc<dyn Vfs>), &vfs)
        .map_err(|error| format!("on an honest disk: {error}"))
}

/// The violation with all that is needed to see it again, and the smallest part
/// of the script that has one.
pub(super) fn explain(script: &[Step], run: &Run, violation: &Violation) -> Box<Failure> {
    let step = run.step_at(violation.calls);
    let operation = script.get(step).map_or("the last close".to_owned(), Step::to_string);
    let is_violated = |part: &[Step]| {
        honest(part).is_ok_and(|run| judge_every_crash(&run, &run.vfs.trace(), AGAIN_EVERY).is_err())
    };
    let part = shrink(script, is_violated);
    Box::new(Failure {
        at: Some(format!("{}/{}", violation.calls, violation.index)),
        operation: Some(format!("step {step}: {operation}; {} calls done", violation.calls)),
        policy: Some(violation.policy.to_string()),
        what: violation.what.clone(),
        shrunk: Some(format!("{} steps: {}", part.len(), spell(&part))),
        ..Failure::default()
    })
}
