//! The picture of `docs/performance.md`, made of a run's JSON lines: bars for the cold starts.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use e2e::{Context, Error, Result};

use super::sheet::{Line, Unit};
use crate::say;

/// From where to where.
#[derive(clap::Args, Debug)]
pub(crate) struct ChartOptions {
    /// What `bench --json` wrote.
    from: PathBuf,
    /// The SVG.
    to: PathBuf,
}

const READY: &str = "start to all Ready";
const MEMORY: &str = "peak memory";
/// Each kind of bar: its row, its text, its colour.
const KINDS: [(&str, &str, &str); 3] = [
    ("cold-distinct", "distinct keys", "#2f6db5"),
    ("cold-shared", "10 shared keys", "#5b9bd5"),
    ("cold-slow", "distinct keys, far backend", "#9dc3e6"),
];
const BARE: (&str, &str) = ("bare writer", "#9a9a9a");
const WIDTH: usize = 760;
/// Where bars begin, and how long the longest is.
const LEFT: usize = 290;
const LONGEST: f64 = 390.0;
const BAR: usize = 16;
const STEP: usize = 22;

/// Writes the picture.
pub(crate) fn run(options: &ChartOptions) -> Result {
    let text = fs::read_to_string(&options.from).context(options.from.display())?;
    let lines: Vec<Line> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let picture = picture(&lines).context(format!("{} has no cold start: run `make bench`", options.from.display()))?;
    fs::write(&options.to, picture).context(options.to.display())?;
    say::line(&format!("{} is written.", options.to.display()));
    Ok(())
}

struct Bar {
    label: String,
    value: f64,
    unit: &'static str,
    colour: &'static str,
}

fn picture(lines: &[Line]) -> Option<String> {
    let times = bars(lines, READY);
    let memory = bars(lines, MEMORY);
    if times.is_empty() {
        return None;
    }
    let mut body = String::new();
    let mut y = 24;
    panel(&mut body, &mut y, "Start until all are Ready, seconds for each 1,000 ExternalSecrets", &times).ok()?;
    panel(&mut body, &mut y, "Peak memory of the controller, MiB", &memory).ok()?;
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y}\" viewBox=\"0 0 {WIDTH} {y}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>\n"
    ))
}

/// The bars of one figure, those of few objects first. Times are for each 1,000, so that one scale serves all.
fn bars(lines: &[Line], figure: &str) -> Vec<Bar> {
    let sizes: BTreeSet<usize> = lines.iter().map(|line| line.objects).collect();
    let mut bars = Vec::new();
    for objects in sizes {
        let of = |row: &str| {
            lines.iter().find(|line| line.objects == objects && line.row == row && line.figure.figure == figure)
        };
        let mut bar = |unit: Unit, value: f64, text: &str, colour| {
            let (value, unit) = match unit {
                Unit::Seconds => (value * 1000.0 / objects as f64, "s"),
                Unit::Mebibytes => (value, "MiB"),
                Unit::Percent | Unit::Count => (value, ""),
            };
            bars.push(Bar { label: format!("{objects}, {text}"), value, unit, colour });
        };
        let present: Vec<_> = KINDS.iter().filter_map(|(row, text, colour)| Some((of(row)?, text, colour))).collect();
        if let Some((line, bare)) = present.iter().find_map(|(line, ..)| Some((line, line.figure.bare?))) {
            bar(line.figure.unit, bare, BARE.0, BARE.1);
        }
        for (line, text, colour) in present {
            bar(line.figure.unit, line.figure.value, text, colour);
        }
    }
    bars
}

fn panel(body: &mut String, y: &mut usize, title: &str, bars: &[Bar]) -> Result {
    let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    if most <= 0.0 {
        return Err(Error::new("nothing was measured"));
    }
    writeln!(body, "<text x=\"12\" y=\"{y}\" font-weight=\"bold\">{title}</text>")?;
    *y += 12;
    for Bar { label, value, unit, colour } in bars {
        let length = value / most * LONGEST;
        let text = *y + BAR - 4;
        writeln!(body, "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{label}</text>", LEFT - 8)?;
        writeln!(body, "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.0}\" height=\"{BAR}\" fill=\"{colour}\"/>")?;
        writeln!(body, "<text x=\"{:.0}\" y=\"{text}\">{value:.1} {unit}</text>", LEFT as f64 + length + 6.0)?;
        *y += STEP;
    }
    *y += 24;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::sheet::Figure;

    fn line(row: &str, figure: Figure) -> Line {
        Line { row: row.to_owned(), objects: 2000, figure }
    }

    #[test]
    fn cold_starts_become_bars_beside_the_bare_writer() {
        let ready = Figure::new(READY, Unit::Seconds, 9.0).bare(Some(6.0));
        let lines = [
            line("cold-distinct", ready),
            line("cold-distinct", Figure::new(MEMORY, Unit::Mebibytes, 40.0)),
            line("restart", Figure::new(MEMORY, Unit::Mebibytes, 20.0)),
        ];
        let picture = picture(&lines).unwrap();
        for part in ["2000, bare writer</text>", ">3.0 s<", "2000, distinct keys</text>", ">4.5 s<", ">40.0 MiB<"] {
            assert!(picture.contains(part), "{part} is missing in\n{picture}");
        }
        assert_eq!(picture.matches("<rect x").count(), 3, "{picture}");
        assert!(super::picture(&[]).is_none());
    }
}
