//! What each workload of the comparison does, in the words of the tool that does it.
//!
//! ```text
//!   enum Workload   ▶ its name and what it does          enum Start ▶ what it begins with
//!   fn start, threads, units_per_operation               the report ▶ how many there were
//! ```

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, Expr, ExprMatch, File, ImplItem, Item, Stmt};

use super::table;
use crate::labs::prelude::number;
use crate::measured::{Measured, OURS, Outcome};

const WORKLOADS: &str = include_str!("../../../bench/peers/src/workload.rs");

pub(super) fn fill() -> Outcome<String> {
    let measured = Measured::committed()?;
    let rows = described(WORKLOADS)?.into_iter().map(|workload| {
        let counted = measured.cell(OURS, &workload.name).map(|cell| number(cell.units));
        let counted =
            counted.map_or_else(|| "–".to_owned(), |counted| format!("{counted} {}", workload.unit));
        vec![format!("`{}`", workload.name), workload.does, workload.begins_with, workload.threads, counted]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    Ok(table(&["workload", "what is done", "begins with", "threads", "counted"], &rows).replacen(
        "|---|---:|---:|",
        "|---|---|---|",
        1,
    ))
}

/// A workload as the tool describes it.
#[derive(Debug, PartialEq)]
struct Described {
    name: String,
    does: String,
    begins_with: String,
    threads: String,
    /// What is counted of it.
    unit: &'static str,
}

fn described(source: &str) -> Outcome<Vec<Described>> {
    let file = syn::parse_file(source)?;
    let (starts, threads) = (Arms::of(&file, "start")?, Arms::of(&file, "threads")?);
    let units = Arms::of(&file, "units_per_operation")?;
    let kinds_of_start = variants(&file, "Start")?;
    let workload = |(variant, name, does): (String, String, String)| {
        let start = starts.body(&variant)?;
        let start = kinds_of_start.iter().find(|(kind, ..)| start.ends_with(kind.as_str()));
        Ok(Described {
            unit: match (units.body(&variant)?, variant.as_str()) {
                ("BATCH_RECORDS", _) => "records",
                ("records", _) => "entries",
                (_, "Reopen") => "records in the log",
                _ => "operations",
            },
            begins_with: start.map_or_else(String::new, |(.., told)| lowered(told)),
            threads: threads.body(&variant)?.to_owned(),
            name,
            does: does.trim_end_matches('.').to_owned(),
        })
    };
    variants(&file, "Workload")?.into_iter().map(workload).collect()
}

/// A sentence as it stands in the middle of a line.
fn lowered(sentence: &str) -> String {
    let mut letters = sentence.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// The variants of an enum: the name, the name as it is typed, and the doc.
fn variants(file: &File, name: &str) -> Outcome<Vec<(String, String, String)>> {
    let found = file.items.iter().find_map(|item| match item {
        Item::Enum(item) if item.ident == name => Some(item),
        _ => None,
    });
    let found = found.ok_or_else(|| format!("there is no enum {name}"))?;
    let told = found.variants.iter().map(|variant| {
        let ident = variant.ident.to_string();
        let typed = renamed(&variant.attrs).unwrap_or_else(|| kebab(&ident));
        (ident, typed, doc(&variant.attrs))
    });
    Ok(told.collect())
}

/// `YcsbA` as `ycsb-a`.
fn kebab(name: &str) -> String {
    let dashed = name.chars().enumerate().flat_map(|(place, letter)| {
        let dash = (place > 0 && letter.is_uppercase()).then_some('-');
        dash.into_iter().chain(letter.to_lowercase())
    });
    dashed.collect()
}

/// What stands in quotes in `#[value(name = "…")]`.
fn renamed(attributes: &[Attribute]) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.path().is_ident("value"))?;
    Some(value.to_token_stream().to_string().split('"').nth(1)?.to_owned())
}

fn doc(attributes: &[Attribute]) -> String {
    let docs = attributes.iter().filter(|attribute| attribute.path().is_ident("doc"));
    let lines = docs.filter_map(|doc| {
        let text = doc.to_token_stream().to_string();
        Some(text.split_once('"')?.1.rsplit_once('"')?.0.trim().to_owned())
    });
    lines.collect::<Vec<_>>().join(" ")
}

/// The arms of a function that is one `match` on a workload.
struct Arms(Vec<(Vec<String>, String)>);

impl Arms {
    fn of(file: &File, function: &str) -> Outcome<Arms> {
        let functions = file.items.iter().filter_map(|item| match item {
            Item::Impl(item) => Some(&item.items),
            _ => None,
        });
        let found = functions.flatten().find_map(|item| match item {
            ImplItem::Fn(item) if item.sig.ident == function => Some(item),
            _ => None,
        });
        let found = found.ok_or_else(|| format!("there is no function {function}"))?;
        let Some(Stmt::Expr(Expr::Match(ExprMatch { arms, .. }), _)) = found.block.stmts.last() else {
            return Err(format!("{function} is no match").into());
        };
        let arm = |(pattern, body): (TokenStream, TokenStream)| {
            let pattern = pattern.to_string();
            let names =
                pattern.split('|').map(|name| name.rsplit("::").next().unwrap_or(name).trim().to_owned());
            let body = body.to_string();
            (names.collect(), body.trim_matches(['{', '}', ' ']).to_owned())
        };
        let arms = arms.iter().map(|each| (each.pat.to_token_stream(), each.body.to_token_stream()));
        Ok(Arms(arms.map(arm).collect()))
    }

    fn body(&self, variant: &str) -> Outcome<&str> {
        let is_meant =
            |(names, _): &&(Vec<String>, String)| names.iter().any(|name| name == variant || name == "_");
        let found = self.0.iter().find(is_meant);
        found.map(|(_, body)| body.as_str()).ok_or_else(|| format!("no arm for {variant}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_told_as_the_tool_tells_it() {
        let all = described(WORKLOADS).unwrap();
        assert_eq!(all.len(), 26);
        let find = |name: &str| all.iter().find(|workload| workload.name == name).unwrap();
        assert_eq!((find("fillsync-8").threads.as_str(), find("ycsb-a").threads.as_str()), ("8", "1"));
        assert_eq!(find("fillseq").begins_with, "an empty directory");
        assert!(find("readrandom").begins_with.starts_with("an image"));
        let unit = |name: &str| find(name).unit;
        assert_eq!(
            ["fillbatch", "readseq", "reopen", "ycsb-e"].map(unit),
            ["records", "entries", "records in the log", "operations"]
        );
    }

    #[test]
    fn whoever_is_measured_is_described() {
        let names: Vec<String> = described(WORKLOADS).unwrap().into_iter().map(|all| all.name).collect();
        let measured = Measured::committed().unwrap();
        assert!(measured.workloads().iter().all(|name| names.iter().any(|known| known == name)));
    }
}
