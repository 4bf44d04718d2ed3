//! A bar on stderr while something takes long; nothing when nobody looks.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for `total` entries.
pub(crate) fn of_entries(label: &'static str, total: u64) -> ProgressBar {
    bar(label, total, "{msg:12} [{bar:40}] {human_pos} of {human_len}, {eta} left")
}

/// A bar for the bytes of a file, whose length is not known yet.
pub(crate) fn of_bytes(label: &'static str) -> ProgressBar {
    bar(label, 0, "{msg:12} [{bar:40}] {bytes} of {total_bytes}, {eta} left")
}

/// No bar: something else is shown meanwhile.
pub(crate) fn hidden() -> ProgressBar {
    ProgressBar::hidden()
}

/// It draws to stderr, and hides by itself when that is no terminal.
fn bar(label: &'static str, total: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("the template is ours").progress_chars("█ ");
    ProgressBar::new(total).with_style(style).with_message(label)
}
