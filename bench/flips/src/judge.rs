//! The process that may die: it flips, opens and answers, one order at a time.
//!
//! ```text
//!   stdin    read 3 1234      check 3 1234      read
//!   stdout   =error what …    =damaged          =unchanged
//!            file 3, bit 1234                   nothing flipped
//! ```
//!
//! Each order gets a directory of its own, which is removed before the reply. Lines
//! that do not begin with `=` are an engine's own talk, and mean nothing.

use std::fs;
use std::io::{self, BufRead, Write};
use std::path::Path;

use crate::engine::{Check, Engine, Outcome};
use crate::image::{Flip, Image};
use crate::observe;
use crate::verdict::judge;
use crate::workload::{State, states};

/// What is to be done with the flipped copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Read everything.
    Read,
    /// Let the engine's own check look at it.
    Check,
}

/// One order: a task, and the bit that is flipped before, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// What to do.
    pub task: Task,
    /// The flip.
    pub flip: Option<Flip>,
}

impl Order {
    /// As a line of the protocol.
    pub fn line(self) -> String {
        let task = match self.task {
            Task::Read => "read",
            Task::Check => "check",
        };
        self.flip.map_or(task.to_owned(), |flip| format!("{task} {} {}", flip.file, flip.bit))
    }

    /// Of a line of the protocol.
    pub fn parse(line: &str) -> Option<Order> {
        let mut words = line.split_whitespace();
        let task = match words.next()? {
            "read" => Task::Read,
            "check" => Task::Check,
            _ => return None,
        };
        let Some(file) = words.next() else { return Some(Order { task, flip: None }) };
        let flip = Flip { file: file.parse().ok()?, bit: words.next()?.parse().ok()? };
        Some(Order { task, flip: Some(flip) })
    }
}

/// Obeys orders until there are none left.
///
/// # Errors
/// Those of the image and of the scratch directory; an engine's are replies.
pub fn obey(engine: &dyn Engine, image: &Path, scratch: &Path) -> Outcome<()> {
    observe::count_panics();
    let (image, states) = (Image::load(image)?, states());
    for (number, line) in io::stdin().lock().lines().enumerate() {
        let order = Order::parse(&line?).ok_or("this is no order")?;
        let directory = scratch.join(number.to_string());
        image.restore(&directory, order.flip)?;
        let reply = reply_to(order.task, engine, &directory, &states);
        fs::remove_dir_all(&directory)?;
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "\n={}", reply.replace('\n', " "))?;
        stdout.flush()?;
    }
    Ok(())
}

fn reply_to(task: Task, engine: &dyn Engine, directory: &Path, states: &[State]) -> String {
    match task {
        Task::Read => {
            let answers = observe::observe(engine, directory);
            let verdict = judge(states, &answers).name();
            format!("{verdict} {}", answers.error.unwrap_or_default())
        }
        Task::Check => match observe::check(engine, directory) {
            Some(Check::Sound) => "sound".to_owned(),
            Some(Check::NotOffered) => "not-offered".to_owned(),
            Some(Check::Damaged) => "damaged".to_owned(),
            None => "panic".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_it_was_written() {
        for task in [Task::Read, Task::Check] {
            for flip in [None, Some(Flip { file: 3, bit: 1_234 })] {
                let order = Order { task, flip };
                assert_eq!(Order::parse(&order.line()), Some(order));
            }
        }
        assert_eq!(Order::parse("read 3"), None);
        assert_eq!(Order::parse("guess"), None);
    }
}
