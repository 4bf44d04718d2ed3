//! The tool in a directory of its own: runs it, and tells how it ended.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A directory in which the tool is run.
pub(crate) struct Shell {
    directory: TempDir,
}

/// What a run of the tool left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) errors: String,
}

impl Shell {
    pub(crate) fn new() -> Shell {
        Shell { directory: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), contents).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lsm"));
        command.args(arguments).current_dir(self.directory.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().unwrap())
    }

    /// Runs what must succeed, in silence but for its output.
    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!((ran.code, &ran.errors[..]), (Some(0), ""), "{arguments:?}: {ran:?}");
        ran.out
    }

    /// Runs what must fail, with one line on stderr and nothing else.
    #[track_caller]
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(
            (ran.code, &ran.out[..], ran.errors.lines().count()),
            (Some(1), "", 1),
            "{arguments:?}: {ran:?}"
        );
        assert!(ran.errors.starts_with("lsm: "), "{arguments:?}: {ran:?}");
        ran.errors["lsm: ".len()..].trim_end().to_owned()
    }

    /// Runs what is a wrong command line.
    #[track_caller]
    pub(crate) fn is_bad_usage(&self, arguments: &[&str]) {
        let ran = self.run(arguments);
        assert_eq!((ran.code, &ran.out[..]), (Some(2), ""), "{arguments:?}: {ran:?}");
        assert!(ran.errors.contains("Usage") || ran.errors.contains("--help"), "{arguments:?}: {ran:?}");
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the tool prints UTF-8");
        Ran { code: output.status.code(), out: text(output.stdout), errors: text(output.stderr) }
    }
}
