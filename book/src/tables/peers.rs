//! What the committed comparison found, as tables and sentences.

use super::table;
use crate::labs::prelude::number;
use crate::measured::{Cell, Grown, LSM_PEERS, Measured, OURS, Outcome, RECORDS, TREES};

/// Whoever keeps less of the processors busy hardly uses a second one.
const LEAST_BUSY: f64 = 1.2;

/// What this engine is called on a page.
const HERE: &str = "this engine";

/// On what machine, how often, and what the checks of fairness found.
pub(super) fn setting() -> Outcome<String> {
    let measured = Measured::committed()?;
    let machine = &measured.machine;
    let text = |name: &str| machine[name].as_str().unwrap_or("?").to_owned();
    let whole = |name: &str| machine[name].as_u64().unwrap_or(0);
    let versions = machine["versions"].as_array().into_iter().flatten();
    let versions =
        versions.filter_map(|version| Some(format!("{} {}", version[0].as_str()?, version[1].as_str()?)));
    Ok(format!(
        "Measured on {}, {} processors, {} MiB, Linux {}; built for {}; {}. {} {} {}\n",
        text("processor"),
        whole("processors"),
        number(whole("memory_mib")),
        text("kernel"),
        text("baseline"),
        versions.collect::<Vec<_>>().join(", "),
        rounds(&measured),
        lost(&measured),
        disagreements(&measured)
    ))
}

fn all(measured: &Measured) -> impl Iterator<Item = &Cell> {
    let of = move |workload| {
        measured.engines().into_iter().filter_map(move |engine| measured.cell(engine, workload))
    };
    measured.workloads().into_iter().flat_map(of)
}

fn rounds(measured: &Measured) -> String {
    let rounds = || all(measured).map(|cell| cell.rounds);
    match (rounds().min().unwrap_or(0), rounds().max().unwrap_or(0)) {
        (1, 1) => "There was one round.".to_owned(),
        (2, 2) => "There were two rounds; of each figure the larger counts.".to_owned(),
        (least, most) if least == most => {
            format!("There were {least} rounds; of each figure the median counts.")
        }
        (least, most) => format!(
            "There were {least} to {most} rounds; of each figure the median counts, of two the larger."
        ),
    }
}

fn lost(measured: &Measured) -> String {
    let asked: Vec<&Cell> = all(measured).filter(|cell| cell.lost.is_some()).collect();
    let guilty = asked.iter().filter(|cell| cell.lost > Some(0));
    let guilty: Vec<String> =
        guilty.map(|cell| format!("{} {}", cell.engine, number(cell.lost.unwrap_or(0)))).collect();
    match guilty.is_empty() {
        true => format!("After the kill of `reopen` none of {} engines had lost a record.", asked.len()),
        false => format!("After the kill of `reopen` records were lost: {}.", guilty.join(", ")),
    }
}

/// Engines that did all of a workload have seen the same, but for one who reads what another
/// thread is overwriting.
fn disagreements(measured: &Measured) -> String {
    let disagree = |workload: &&str| {
        let whole = measured.engines().into_iter().filter_map(|engine| measured.cell(engine, workload));
        let mut seen: Vec<(u64, u64)> =
            whole.filter(|cell| !cell.is_cut_short).map(|cell| cell.seen).collect();
        seen.dedup();
        seen.len() > 1
    };
    let repeats = |name: &&str| *name != "readwhilewriting";
    let found = measured.workloads().into_iter().filter(repeats).filter(|name| disagree(name));
    let found: Vec<&str> = found.collect();
    match found.is_empty() {
        true => "All engines saw the same entries in all workloads that can be repeated.".to_owned(),
        false => {
            format!("Not all engines saw the same entries in {}.", listed(found.into_iter().map(quoted)))
        }
    }
}

/// Operations per second of every engine, and who is behind whom.
pub(super) fn speeds() -> Outcome<String> {
    let measured = Measured::committed()?;
    let engines = measured.engines();
    let rows = measured.workloads().into_iter().map(|workload| {
        let fastest = measured.fastest(workload, &engines).map(|cell| cell.engine.as_str());
        let shown = |engine: &&str| match measured.cell(engine, workload) {
            None => "–".to_owned(),
            Some(cell) if fastest == Some(engine) => format!("**{}**", speed(cell)),
            Some(cell) => speed(cell),
        };
        [quoted(workload)].into_iter().chain(engines.iter().map(shown)).collect()
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let headings: Vec<&str> =
        ["operations per second"].into_iter().chain(engines.iter().map(named)).collect();
    Ok(format!("{}\n{}", table(&headings, &rows), who_is_behind(&measured)))
}

fn speed(cell: &Cell) -> String {
    format!("{}{}", count(cell.per_second), if cell.is_cut_short { "\\*" } else { "" })
}

fn named<'a>(engine: &&'a str) -> &'a str {
    if *engine == OURS { HERE } else { engine }
}

fn who_is_behind(measured: &Measured) -> String {
    let behind = |peers: &[&str]| {
        let slower = measured.workloads().into_iter().filter_map(|workload| {
            let (ours, best) = (measured.cell(OURS, workload)?, measured.fastest(workload, peers)?);
            let ratio = ours.per_second / best.per_second;
            (ratio < 1.0).then(|| format!("`{workload}` ({ratio:.2} × {})", best.engine))
        });
        listed(slower)
    };
    let costlier = measured.workloads().into_iter().filter_map(|workload| {
        let (ours, least) = (measured.cell(OURS, workload)?, measured.thriftiest(workload, &LSM_PEERS)?);
        let ratio = ours.cpu_nanos / least.cpu_nanos;
        (ratio > 1.0).then(|| format!("`{workload}` ({ratio:.2} × {})", least.engine))
    });
    format!(
        "- Behind the best log-structured peer: {}.\n- Behind the better of LMDB and redb: {}.\n\
         - More processor time than the thriftiest log-structured peer: {}.\n",
        behind(&LSM_PEERS),
        behind(&TREES),
        listed(costlier)
    )
}

/// How much of the processors each keeps busy that writes, where that is more than one.
pub(super) fn processors() -> Outcome<String> {
    let measured = Measured::committed()?;
    let busy = |cell: &Cell| cell.per_second * cell.cpu_nanos / 1e9;
    let writes = |cell: &Cell| cell.user_bytes > 0 || cell.workload.starts_with("delete");
    let rows = measured.workloads().into_iter().filter_map(|workload| {
        let (ours, best) = (measured.cell(OURS, workload)?, measured.fastest(workload, &LSM_PEERS)?);
        (writes(ours) && busy(ours).max(busy(best)) > LEAST_BUSY).then(|| {
            vec![
                quoted(workload),
                best.engine.clone(),
                format!("{:.2}", ours.per_second / best.per_second),
                format!("{:.2}", best.cpu_nanos / ours.cpu_nanos),
                format!("{:.2}", busy(ours)),
                format!("{:.2}", busy(best)),
            ]
        })
    });
    let headings = [
        "workload",
        "fastest log-structured peer",
        "times as fast here",
        "times less processor time here",
        "processor seconds a second, here",
        "there",
    ];
    Ok(table(&headings, &rows.collect::<Vec<_>>()))
}

/// From counts to times: what a line costs more than the one above it, and what is priced for that.
pub(super) fn bill() -> Outcome<String> {
    let measured = Measured::committed()?;
    let cpu = |workload: &str| {
        Ok::<f64, Box<dyn std::error::Error + Send + Sync>>(measured.ours(workload)?.cpu_nanos)
    };
    let far = measured.limit("a load that depends on the one before, in 256 MiB")?;
    let block = measured.limit("pread() a block of 4 KiB that is in the page cache")?;
    let crc_of_block = measured.limit("CRC-32 of a block of 4 KiB")?;
    let crc_of_record = measured.limit("CRC-32 of a record of 116 bytes")?;
    let insert = measured.limit("insert a key into a BTreeMap, up to a million")?;
    let (missing, hot, any, small) =
        (cpu("readmissing")?, cpu("readhot")?, cpu("readrandom")?, cpu("readrandom-8m")?);
    let (ordered, unordered) = (measured.ours("fillseq")?, measured.ours("fillrandom")?);
    let written = |cell: &Cell| cell.written_bytes as f64 / cell.user_bytes.max(1) as f64;
    let row = |what: &str, nanos: f64, more: f64, priced: String| {
        let more = if more == 0.0 { String::new() } else { format!("{more:+.0}") };
        vec![what.to_owned(), format!("{nanos:.0}"), more, priced]
    };
    let rows = [
        row("`readmissing`: memtable and filters say no", missing, 0.0, String::new()),
        row("`readhot`: and a block is searched, all of it near", hot, hot - missing, String::new()),
        row(
            "`readrandom`: the same, and all of it is far",
            any,
            any - hot,
            format!("{:.1} loads in 256 MiB, of {far:.0}", (any - hot) / far),
        ),
        row(
            "`readrandom-8m`: and the block is fetched",
            small,
            small - any,
            format!("`pread()` {block:.0}, CRC {crc_of_block:.0}"),
        ),
        row(
            "`fillseq`: a put in order, and its share of flushes and merges",
            ordered.cpu_nanos,
            0.0,
            format!("CRC {crc_of_record:.0}; {:.1} bytes written for one", written(ordered)),
        ),
        row(
            "`fillrandom`: the same in no order",
            unordered.cpu_nanos,
            unordered.cpu_nanos - ordered.cpu_nanos,
            format!("a place in a sorted map {insert:.0}; {:.1} bytes written for one", written(unordered)),
        ),
    ];
    let headings =
        ["what it does", "processor time of one, ns", "more than the line above", "prices of parts, ns"];
    Ok(table(&headings, &rows))
}

/// Operations per second with more records.
pub(super) fn growth() -> Outcome<String> {
    Ok(growth_of(&Measured::committed()?))
}

fn growth_of(measured: &Measured) -> String {
    let grown = measured.growth();
    if grown.is_empty() {
        let records = number(RECORDS);
        return format!(
            "(The committed run has databases of {records} records alone. As soon as larger ones are committed, \
             their table stands here.)\n"
        );
    }
    let row = |Grown { workload, records, cells }: &Grown<'_>| {
        let ours = cells.iter().find(|cell| cell.engine == OURS);
        let peers = cells.iter().filter(|cell| LSM_PEERS.contains(&cell.engine.as_str()));
        let best = peers.max_by(|a, b| a.per_second.total_cmp(&b.per_second));
        let ratio = ours.zip(best).map(|(ours, best)| format!("{:.2}", ours.per_second / best.per_second));
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
        vec![
            quoted(workload),
            number(*records),
            or_dash(ours.map(|cell| speed(cell))),
            or_dash(best.map(|cell| format!("{} ({})", speed(cell), cell.engine))),
            or_dash(ratio),
        ]
    };
    let rows: Vec<Vec<String>> = grown.iter().map(row).collect();
    table(&["operations per second", "records", HERE, "fastest log-structured peer", "×"], &rows)
}

fn quoted(name: &str) -> String {
    format!("`{name}`")
}

/// `a, b and c`, or that there is nothing.
fn listed(things: impl IntoIterator<Item = String>) -> String {
    let things: Vec<String> = things.into_iter().collect();
    match things.split_last() {
        None => "in none".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// Three digits that matter, and a unit.
fn count(number: f64) -> String {
    match number {
        n if n >= 1e6 => format!("{:.2} M", n / 1e6),
        n if n >= 1e5 => format!("{:.0} k", n / 1e3),
        n if n >= 1e3 => format!("{:.1} k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measured::tests::{report, told};

    #[test]
    fn growth_is_told_as_soon_as_there_is_another_size() {
        let mut cells = vec![told(OURS, "readseq", RECORDS, 9e6), told("leveldb", "readseq", RECORDS, 3e6)];
        let text = |cells: &[serde_json::Value]| growth_of(&Measured::of(&report(cells), None).unwrap());
        assert!(text(&cells).starts_with("(The committed run"));
        cells.extend([told(OURS, "readseq", 10 * RECORDS, 8e6), told("fjall", "readseq", 10 * RECORDS, 4e6)]);
        let text = text(&cells);
        assert!(text.contains("| `readseq` | 1,000,000 | 9.00 M | 3.00 M (leveldb) | 3.00 |"), "{text}");
        assert!(text.contains("| `readseq` | 10,000,000 | 8.00 M | 4.00 M (fjall) | 2.00 |"), "{text}");
    }

    #[test]
    fn whoever_is_ahead_is_named_and_nobody_else() {
        let cells = [(OURS, 4.0), ("leveldb", 5.0), ("fjall", 4.5), ("lmdb", 2.0)];
        let cells = cells.map(|(engine, speed)| told(engine, "readseq", RECORDS, speed));
        let text = who_is_behind(&Measured::of(&report(&cells), None).unwrap());
        assert!(text.contains("log-structured peer: `readseq` (0.80 × leveldb)."), "{text}");
        assert!(text.contains("LMDB and redb: in none."), "{text}");
    }

    #[test]
    fn engines_that_saw_different_entries_are_told() {
        let mut cells = vec![told(OURS, "readseq", RECORDS, 4.0), told("lmdb", "readseq", RECORDS, 2.0)];
        let text = |cells: &[serde_json::Value]| disagreements(&Measured::of(&report(cells), None).unwrap());
        assert!(text(&cells).starts_with("All engines"));
        cells[1]["figures"]["seen"]["digest"] = 8.into();
        assert_eq!(text(&cells), "Not all engines saw the same entries in `readseq`.");
    }
}
