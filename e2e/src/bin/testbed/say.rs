//! What these programs print.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "programs for people, whose output is the point")]

use std::io::{IsTerminal, stdout};

/// One line.
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// A heading of a part of the demo.
pub(crate) fn heading(text: &str) {
    let (on, off) = if stdout().is_terminal() { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    println!("\n{on}== {text}{off}");
}

/// A step that begins.
pub(crate) fn step(text: &str) {
    println!("   … {text}");
}

/// A command that is run, as one would type it.
pub(crate) fn command(text: &str) {
    println!("$ {text}");
}

/// Why the program fails.
pub(crate) fn problem(error: &e2e::Error) {
    eprintln!("error: {error}");
}
