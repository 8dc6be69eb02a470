//! Answers function conformance cases: one JSON case a line on standard input, one answer a line on standard output.
//!
//! A case is `{"id", "kind", "in"}`, an answer `{"id", "ok"}` or `{"id", "err"}`. A line that is no case ends the program
//! with an error. What the functions do with a case is in the module `conformance`.

#[path = "../conformance/mod.rs"]
mod conformance;

use std::io::{self, BufRead as _, Write as _};
use std::process::ExitCode;

use serde_json::{Value, json};

fn main() -> ExitCode {
    match answer_all() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let kinds = conformance::KINDS.join(", ");
            let help = format!("{error}; each line must be a case of one of these kinds: {kinds}");
            // Nobody is left to tell when even standard error is closed; the exit code still says it.
            writeln!(io::stderr(), "conformance: {help}").unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

fn answer_all() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let case: Value = serde_json::from_str(&line)?;
        let field = |name: &str| case.get(name).cloned().unwrap_or(Value::Null);
        let kind = field("kind");
        let answer = match conformance::answer(kind.as_str().unwrap_or_default(), &field("in")) {
            Ok(ok) => json!({ "id": field("id"), "ok": ok }),
            Err(err) => json!({ "id": field("id"), "err": err }),
        };
        writeln!(out, "{answer}")?;
    }
    out.flush()
}
