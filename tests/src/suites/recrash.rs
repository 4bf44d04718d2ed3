//! A crash at every call of a recovery: the next recovery comes to the same end.
//!
//! ```text
//!   workload ─crash─▶ image ─open─▶ the recovery's own trace ─crash at each call─▶
//!                              │                     image² ─open─▶ the same prefix
//!                              └──▶ a prefix that holds what was acknowledged
//! ```
//!
//! What the first recovery found is durable already, so the second finds just
//! that: nothing more is lost, and nothing that was left behind comes back.

use stage6_engine::wal::vfs::SimVfs;
use stage6_engine::wal::vfs::crash::Image;

use super::crash::{honest, parse_place};
use crate::oracle::{Violation, contents, judge_contents, judge_crashes, open};
use crate::script::{Run, Step, draw, spell};
use crate::suite::{Course, Failure, Outcome, Suite, Tally};

/// A crash at every call of recoveries.
pub const SUITE: Suite = Suite {
    name: "recrash",
    about: "a second crash, after every call of the recovery from a first one",
    targets: &[("images", 100_000)],
    run: torture,
};

const STEPS: usize = 160;

/// Of so many images of the first crash, one is recovered under crashes.
const FIRST_EVERY: usize = 400;

fn torture(course: &Course) -> Outcome {
    let only = course.at.as_deref().map(parse_place).transpose()?;
    course.cases(2, 26, |seed| workload(seed, only))
}

fn workload(seed: u64, only: Option<(usize, usize)>) -> Outcome {
    let script = draw(seed, STEPS);
    let run = honest(&script).map_err(Failure::new)?;
    let (mut images, mut seen) = (0, seed as usize);
    let recoveries = judge_crashes(
        &run.vfs.trace(),
        |call, index| {
            seen += 1;
            only.map_or(seen % FIRST_EVERY == 0, |only| only == (call, index))
        },
        |call, _, image| recover_under_crashes(&run, call, image).map(|judged| images += judged),
    );
    let recoveries = recoveries.map_err(|violation| explain(&script, &run, &violation))?;
    Ok(Tally::of("images", images).and("recoveries", recoveries).and("workloads", 1))
}

/// Recovers `image`, and then the image of every crash meanwhile. Returns how
/// many of these there were.
fn recover_under_crashes(run: &Run, calls: usize, image: &Image) -> Result<u64, String> {
    let vfs = SimVfs::from_image(image);
    let db = open(&vfs)?;
    let sequence = judge_contents(run, calls, &db)?;
    let expected = contents(&db)?;
    let judge_second = |_, _, image: &Image| {
        let db = open(&SimVfs::from_image(image))?;
        let second = judge_contents(run, calls, &db)?;
        match second == sequence && contents(&db)? == expected {
            true => Ok(()),
            false => Err(format!("the first recovery ended at sequence {sequence}, the second at {second}")),
        }
    };
    judge_crashes(&vfs.trace(), |_, _| true, judge_second)
        .map_err(|violation| format!("in the recovery, {violation}"))
}

fn explain(script: &[Step], run: &Run, violation: &Violation) -> Box<Failure> {
    Box::new(Failure {
        at: Some(format!("{}/{}", violation.calls, violation.index)),
        operation: Some(format!("the recovery from a crash in step {}", run.step_at(violation.calls))),
        policy: Some(violation.policy.to_string()),
        what: violation.what.clone(),
        shrunk: Some(spell(&script[..script.len().min(run.step_at(violation.calls) + 1)])),
        ..Failure::default()
    })
}
