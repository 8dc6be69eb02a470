//! `lint FILES|FOLDERS…` (or `-` for standard input): prints findings as `file:line: path: severity: text [code]` and a tally.
//! Exit status 0 without errors, 1 with, 2 if it was called wrongly.

use lint::{Linter, Report, paths};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: lint FILE|FOLDER|- ...
Checks manifests of external-secrets.io and generators.external-secrets.io without a cluster.";

fn main() -> ExitCode {
    let given: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let help = given.iter().any(|path| path == Path::new("--help") || path == Path::new("-h"));
    let out = io::stdout().lock();
    let result = if help || given.is_empty() { usage(out, help) } else { lint(out, &given) };
    // A reader that went away, such as `head`, ends the run; there is nobody left to tell.
    result.unwrap_or(ExitCode::FAILURE)
}

fn usage(mut out: impl Write, asked: bool) -> io::Result<ExitCode> {
    writeln!(out, "{USAGE}")?;
    Ok(if asked { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn lint(mut out: impl Write, given: &[PathBuf]) -> io::Result<ExitCode> {
    let linter = Linter::new();
    let mut report = Report::default();
    for path in given {
        let files = if path == Path::new("-") { Ok(vec![path.clone()]) } else { paths(path) };
        match files {
            Ok(files) => {
                for file in files {
                    one(&mut out, &linter, &mut report, &file)?;
                }
            }
            Err(error) => unread(&mut out, &mut report, path, &error)?,
        }
    }
    let Report { files, judged, others, errors, warnings, advice } = report;
    let passed_over = if others == 0 { String::new() } else { format!(", {others} of other groups passed over") };
    writeln!(
        out,
        "{judged} objects in {files} files checked{passed_over}: errors {errors}, warnings {warnings}, advice {advice}"
    )?;
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn one(out: &mut impl Write, linter: &Linter, report: &mut Report, file: &Path) -> io::Result<()> {
    match read(file) {
        Ok(text) => {
            for finding in report.judge(linter, &text) {
                writeln!(out, "{}:{finding}", file.display())?;
            }
            Ok(())
        }
        Err(error) => unread(out, report, file, &error),
    }
}

fn unread(out: &mut impl Write, report: &mut Report, path: &Path, error: &io::Error) -> io::Result<()> {
    report.errors += 1;
    writeln!(out, "{}: error: {error} [unreadable-file]", path.display())
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut text = Vec::new();
        io::stdin().lock().read_to_end(&mut text)?;
        return Ok(text);
    }
    std::fs::read(file)
}
