//! The committed comparison with other engines, as bars: how many times the best log-structured
//! peer this engine does, and what an operation costs both of processor time.

use super::Drawn;
use super::svg::{Anchor, Area, Drawing};
use crate::measured::{LSM_PEERS, Measured, Outcome};

const LEFT: f64 = 150.0;
const ROW: f64 = 19.0;
const WIDTH: f64 = 520.0;
/// Bars end here: a ratio above it is written behind its bar.
const MOST: f64 = 5.0;

/// How a workload ran here and with the best log-structured peer.
struct Row {
    workload: String,
    /// Operations per second here, times those of the fastest peer.
    ratio: f64,
    /// Which that is.
    peer: String,
    /// Nanoseconds of processor time for an operation, here.
    cpu: f64,
    /// The same of the peer that needs least.
    peer_cpu: f64,
    /// Which that is.
    thrifty_peer: String,
}

pub(super) fn ratios() -> Drawn {
    let rows = rows()?;
    let mut drawing = Drawing::new();
    let x = |ratio: f64| LEFT + WIDTH * ratio.min(MOST) / MOST;
    let bottom = ROW * rows.len() as f64 + 4.0;
    for mark in 1..=5 {
        let class = if mark <= 2 { "dashed" } else { "axis" };
        drawing.line(class, (x(f64::from(mark)), 0.0), (x(f64::from(mark)), bottom));
        drawing.words("faint", Anchor::Middle, (x(f64::from(mark)), bottom + 14.0), format!("{mark} ×"));
    }
    for (place, row) in rows.iter().enumerate() {
        let y = ROW * place as f64;
        drawing.words("small", Anchor::End, (LEFT - 8.0, y + 13.0), &row.workload);
        let class = if row.ratio >= 1.0 { "k1" } else { "k3" };
        drawing.area(class, Area::new(LEFT, y + 1.0, x(row.ratio) - LEFT, ROW - 4.0));
        let told = format!("{:.2} × {}", row.ratio, row.peer);
        drawing.words("small", Anchor::Start, (x(row.ratio) + 6.0, y + 13.0), told);
    }
    let told: Vec<String> =
        rows.iter().map(|row| format!("{} {:.2} × {}", row.workload, row.ratio, row.peer)).collect();
    Ok((
        drawing,
        format!("Times the operations per second of the best log-structured peer: {}.", told.join(", ")),
    ))
}

pub(super) fn costs() -> Drawn {
    let rows = rows()?;
    let mut drawing = Drawing::new();
    // From 50 ns to 100 µs, each step ten times as long.
    let x = |nanos: f64| LEFT + WIDTH * ((nanos.max(50.0) / 50.0).log10() / 2000_f64.log10()).min(1.0);
    let bottom = ROW * rows.len() as f64 + 4.0;
    for (nanos, name) in [(100.0, "100 ns"), (1e3, "1 µs"), (1e4, "10 µs"), (1e5, "100 µs")] {
        drawing.line("axis", (x(nanos), 0.0), (x(nanos), bottom));
        drawing.words("faint", Anchor::Middle, (x(nanos), bottom + 14.0), name);
    }
    for (place, row) in rows.iter().enumerate() {
        let y = ROW * place as f64;
        drawing.words("small", Anchor::End, (LEFT - 8.0, y + 13.0), &row.workload);
        drawing.line("line", (x(row.cpu), y + 9.0), (x(row.peer_cpu), y + 9.0));
        drawing.dot("k3", (x(row.peer_cpu), y + 9.0), 4.5);
        drawing.dot("k1", (x(row.cpu), y + 9.0), 5.5);
        let behind = x(row.cpu.max(row.peer_cpu)) + 10.0;
        drawing.words("faint", Anchor::Start, (behind, y + 13.0), &row.thrifty_peer);
    }
    drawing.dot("k1", (LEFT, bottom + 30.0), 5.5);
    drawing.words("small", Anchor::Start, (LEFT + 10.0, bottom + 34.0), "this engine");
    drawing.dot("k3", (LEFT + 130.0, bottom + 30.0), 4.5);
    drawing.words(
        "small",
        Anchor::Start,
        (LEFT + 140.0, bottom + 34.0),
        "the log-structured peer that needs least",
    );
    let told: Vec<String> = rows
        .iter()
        .map(|row| {
            format!("{} {:.0} and {:.0} ns ({})", row.workload, row.cpu, row.peer_cpu, row.thrifty_peer)
        })
        .collect();
    Ok((
        drawing,
        format!("Processor time of an operation, here and with the thriftiest peer: {}.", told.join(", ")),
    ))
}

/// What the machine itself takes, from the same run.
pub(super) fn limits() -> Drawn {
    let measured = Measured::committed()?;
    // What moves megabytes is no part of an operation.
    let limits: Vec<(&str, f64)> = measured
        .limits
        .iter()
        .map(|(what, nanos)| (what.as_str(), *nanos))
        .filter(|(_, nanos)| *nanos < 1e6)
        .collect();
    let mut drawing = Drawing::new();
    let left = 400.0;
    let x = |nanos: f64| left + 320.0 * nanos.max(1.0).log10() / 6.0;
    let bottom = ROW * limits.len() as f64 + 4.0;
    for (nanos, name) in [(1.0, "1 ns"), (1e3, "1 µs"), (1e6, "1 ms")] {
        drawing.line("axis", (x(nanos), 0.0), (x(nanos), bottom));
        drawing.words("faint", Anchor::Middle, (x(nanos), bottom + 14.0), name);
    }
    for (place, (what, nanos)) in limits.iter().enumerate() {
        let y = ROW * place as f64 + 10.0;
        drawing.words("small", Anchor::End, (left - 8.0, y + 4.0), what);
        drawing.line("line", (x(1.0), y), (x(*nanos), y));
        drawing.dot("k2", (x(*nanos), y), 4.5);
        drawing.words("small", Anchor::Start, (x(*nanos) + 9.0, y + 4.0), format!("{nanos:.0}"));
    }
    let told: Vec<String> = limits.iter().map(|(what, nanos)| format!("{what}: {nanos:.0} ns")).collect();
    Ok((drawing, told.join("; ")))
}

/// The workloads with decimal keys, in the order of the report.
fn rows() -> Outcome<Vec<Row>> {
    let measured = Measured::committed()?;
    let row = |workload| {
        let (ours, fastest) = (measured.ours(workload)?, measured.fastest(workload, &LSM_PEERS));
        let thriftiest = measured.thriftiest(workload, &LSM_PEERS);
        Ok(Row {
            workload: workload.to_owned(),
            ratio: fastest.map_or(f64::INFINITY, |peer| ours.per_second / peer.per_second),
            peer: fastest.map_or_else(String::new, |peer| peer.engine.clone()),
            cpu: ours.cpu_nanos,
            peer_cpu: thriftiest.map_or(f64::INFINITY, |peer| peer.cpu_nanos),
            thrifty_peer: thriftiest.map_or_else(String::new, |peer| peer.engine.clone()),
        })
    };
    measured.workloads().into_iter().map(row).collect()
}
