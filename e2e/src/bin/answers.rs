//! Answers conformance cases: one JSON case a line on standard input, one answer a line on standard output.
//!
//! A case of the reference is `{"id", "kind", "in"}`, its answer `{"id", "ok"}` or `{"id", "err"}`. Cases of Go itself
//! (regular expressions, gjson paths, YAML, durations) are answered in that form too; where they are given plainly, as in
//! the corpus's own files, the answer is the case with all its results. A line that is no case ends the program with an
//! error. What is made of a case is in the modules `conformance` and `go_answers`.

#[path = "../conformance/mod.rs"]
mod conformance;
#[path = "../go_answers.rs"]
mod go_answers;

use std::io::{self, BufRead as _, Write as _};
use std::process::ExitCode;

use serde_json::{Value, json};

fn main() -> ExitCode {
    match answer_all() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let kinds = [conformance::KINDS, go_answers::KINDS].concat().join(", ");
            let help = format!("{error}; each line must be a case of one of these kinds: {kinds}");
            // Nobody is left to tell when even standard error is closed; the exit code still says it.
            writeln!(io::stderr(), "answers: {help}").unwrap_or_default();
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
        writeln!(out, "{}", answer(&serde_json::from_str(&line)?))?;
    }
    out.flush()
}

fn answer(case: &Value) -> Value {
    let field = |name: &str| case.get(name).cloned().unwrap_or(Value::Null);
    let Some(input) = case.get("in") else { return go_answers::completed(case) };
    let kind = field("kind");
    let kind = kind.as_str().unwrap_or_default();
    let answer = if go_answers::KINDS.contains(&kind) {
        Ok(go_answers::results(input))
    } else {
        conformance::answer(kind, input)
    };
    match answer {
        Ok(ok) => json!({ "id": field("id"), "ok": ok }),
        Err(err) => json!({ "id": field("id"), "err": err }),
    }
}
