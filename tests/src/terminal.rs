//! The program as a person at a terminal runs it.

use std::process::{Command, Stdio};

use crate::host::{program, wait};

/// What a run of the program printed, and how it ended.
#[derive(Debug)]
pub struct Ended {
    /// Whether the exit code was 0.
    pub success: bool,
    /// What was printed to stdout.
    pub stdout: String,
    /// What was printed to stderr.
    pub stderr: String,
}

/// Runs the program with these arguments and variables to its end, which must come by itself.
#[track_caller]
pub fn abide(arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut command = program();
    command.args(arguments).envs(variables.iter().copied());
    run(command)
}

/// Runs a command to its end, which must come by itself.
#[track_caller]
pub fn run(mut command: Command) -> Ended {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program");
    let ended = wait(&mut child);
    if ended.is_none() {
        child.kill().expect("a process to kill");
    }
    let output = child.wait_with_output().expect("the program's output");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(ended.is_some(), "the program does not end: {stdout}{stderr}");
    Ended { success: output.status.success(), stdout, stderr }
}

impl Ended {
    /// Checks that it failed, with one line for a person: no panic, no backtrace.
    #[track_caller]
    pub fn refused(&self, expected: &[&str]) {
        assert!(!self.success, "{self:?}");
        let said = self.stderr.trim_end();
        for text in expected {
            assert!(said.contains(text), "{text:?} is not in {said:?}");
        }
        assert!(!said.contains("panicked") && !said.contains("RUST_BACKTRACE"), "{said}");
    }

    /// Checks that it succeeded and printed this among other things.
    #[track_caller]
    pub fn printed(&self, expected: &str) {
        assert!(self.success, "{self:?}");
        assert!(self.stdout.contains(expected), "{expected:?} is not in {:?}", self.stdout);
    }
}
