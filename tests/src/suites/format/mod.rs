//! What was written once is read for ever, and by whoever knows the book.
//!
//! ```text
//!   tests/golden/v*/*  ──▶ engine, read-only    ─┐
//!                      ──▶ engine, a copy, write ├─▶ the listing beside it
//!                      ──▶ decoder.py           ─┘
//!   written just now   ──▶ engine, decoder.py   ───▶ what was written
//!   the same, damaged  ──▶ both              ───▶ both refuse, or both say the same
//! ```
//!
//! The decoder, `tests/decoder/decoder.py`, follows the appendix of the book,
//! `book/chapters/formats.md`, and shares no line with the engine. So where both read
//! the same, the appendix is complete and the engine does what it says. Without a
//! Python its part is counted as skipped.

pub mod decoder;
pub mod golden;
pub mod reading;
pub mod kept;
pub mod hit;
pub mod live;

use self::decoder::{Decoder, check_answer};
use self::golden::write_all;
use self::hit::Hit;
use self::kept::{check_golden, check_written, golden_listing, kept_databases};
use self::live::{Live, OPTION_SETS};
use crate::dice::Dice;
use crate::suite::{Course, Failure, Outcome, Suite, Tally};

/// Golden databases, and a decoder that knows only the book.
pub const SUITE: Suite = Suite {
    name: "format",
    about: "databases of every released format, and a decoder written from the book alone",
    targets: &[("golden databases", 9), ("read by the decoder", 300), ("damages", 1_800)],
    run: torture,
};

fn torture(course: &Course) -> Outcome {
    let only = course.at.as_deref().map(Hit::parse).transpose()?;
    let decoder = Decoder::find().map_err(Failure::new)?;
    let mut tally = golden_databases(decoder.as_ref())?;
    match &decoder {
        Some(decoder) => tally.merge(course.cases(6, 300, |seed| case(decoder, seed, only))?),
        None => tally.add("decoder skipped for want of python3", 1),
    }
    Ok(tally)
}

/// Every golden database of every version is read by all who should be able to, and
/// those of this version are written anew.
fn golden_databases(decoder: Option<&Decoder>) -> Outcome {
    let mut tally = Tally::default();
    for directory in kept_databases().map_err(Failure::new)? {
        let broken = |what: String| Failure::new(format!("{}: {what}", directory.display()));
        check_golden(&directory).map_err(broken)?;
        tally.add("golden databases", 1);
        if let Some(decoder) = decoder {
            let expected = golden_listing(&directory).map_err(broken)?;
            let answer = decoder.read(&directory).map_err(broken)?;
            check_answer(&answer, &expected).map_err(broken)?;
            tally.add("read by the decoder", 1);
        }
    }
    for golden in write_all().map_err(|error| Failure::new(format!("an honest disk: {error}")))? {
        let broken = |what: String| Failure::new(format!("golden database {}: {what}", golden.name));
        check_written(&golden).map_err(broken)?;
        tally.add("written anew", 1);
    }
    Ok(tally)
}

/// Writes a database by chance, lets both readers read it, and damages it.
fn case(decoder: &Decoder, seed: u64, only: Option<Hit>) -> Outcome {
    let (options, builder) = OPTION_SETS[(seed % OPTION_SETS.len() as u64) as usize];
    let broken = |what: String| Box::new(Failure { policy: Some(options.to_owned()), ..*Failure::new(what) });
    let live = Live::write(builder, seed).map_err(|error| broken(format!("an honest disk: {error}")))?;
    let scratch = tempfile::tempdir().map_err(|error| broken(error.to_string()))?;
    live.check(decoder, &scratch).map_err(broken)?;
    let mut tally = Tally::of("read by the decoder", 1);
    let drawn = live.draw_hits(&mut Dice::new(seed ^ 0xda3a6e));
    for hit in only.map_or(drawn, |hit| vec![hit]) {
        let verdict = live
            .check_hit(decoder, hit, &scratch)
            .map_err(|what| Box::new(Failure { at: Some(hit.to_string()), ..*broken(what) }))?;
        tally = tally.and("damages", 1).and(verdict, 1);
    }
    Ok(tally)
}
