//! The committed comparison with other engines, as bars: how many times the best log-structured
//! peer this engine does, and what an operation costs both of processor time.

use serde_json::Value;

use super::Drawn;
use super::svg::{Anchor, Area, Drawing};

const REPORT: &str = include_str!("../../../bench/peers/results/report.json");
const LSM_PEERS: [&str; 4] = ["rocksdb", "rocksdb@16", "leveldb", "fjall"];
const RECORDS: u64 = 1_000_000;

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
    /// Nanoseconds of processor time for an operation, here.
    cpu: f64,
    /// The same of the peer that needs least.
    peer_cpu: f64,
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
        drawing.words("small", Anchor::Start, (x(row.ratio) + 6.0, y + 13.0), format!("{:.2}", row.ratio));
    }
    let told: Vec<String> = rows.iter().map(|row| format!("{} {:.2}", row.workload, row.ratio)).collect();
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
        .map(|row| format!("{} {:.0} and {:.0} ns", row.workload, row.cpu, row.peer_cpu))
        .collect();
    Ok((
        drawing,
        format!("Processor time of an operation, here and with the thriftiest peer: {}.", told.join(", ")),
    ))
}

/// What the machine itself takes, from the same run.
pub(super) fn limits() -> Drawn {
    let report: Value = serde_json::from_str(REPORT)?;
    let limits = report["limits"].as_array().ok_or("the report has no limits")?;
    let limits: Vec<(&str, f64)> = limits
        .iter()
        .filter_map(|limit| Some((limit["what"].as_str()?, limit["nanos"].as_f64()?)))
        // What moves megabytes is no part of an operation.
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
fn rows() -> Result<Vec<Row>, Box<dyn std::error::Error + Send + Sync>> {
    let report: Value = serde_json::from_str(REPORT)?;
    let cells = report["cells"].as_array().ok_or("the report has no cells")?;
    let counts = |cell: &&Value| cell["keys"] == "decimal" && cell["records"] == RECORDS;
    let cells: Vec<&Value> = cells.iter().filter(counts).collect();
    let figure = |cell: &Value, name: &str| cell["figures"][name].as_f64().unwrap_or(0.0);
    let row = |ours: &&Value| {
        let of_peers = cells.iter().filter(|cell| {
            cell["workload"] == ours["workload"] && LSM_PEERS.iter().any(|peer| cell["engine"] == *peer)
        });
        let fastest = of_peers.clone().map(|cell| figure(cell, "per_second")).fold(0.0, f64::max);
        let thriftiest =
            of_peers.map(|cell| figure(cell, "cpu_nanos_per_unit")).fold(f64::INFINITY, f64::min);
        Row {
            workload: ours["workload"].as_str().unwrap_or("").to_owned(),
            ratio: figure(ours, "per_second") / fastest,
            cpu: figure(ours, "cpu_nanos_per_unit"),
            peer_cpu: thriftiest,
        }
    };
    Ok(cells.iter().filter(|cell| cell["engine"] == "stage6").map(row).collect())
}
