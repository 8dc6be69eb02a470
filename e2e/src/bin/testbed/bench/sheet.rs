//! The figures of a run: the one table that people read, and JSON lines that programs read.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use e2e::{Context, Result};
use serde::{Deserialize, Serialize};

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) enum Unit {
    /// Shown to the hundredth below ten.
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "MiB")]
    Mebibytes,
    #[serde(rename = "%")]
    Percent,
    /// Of what the figure names.
    #[serde(rename = "")]
    Count,
}

/// One measured value.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(super) struct Figure {
    pub(super) figure: String,
    pub(super) unit: Unit,
    pub(super) value: f64,
    /// What the bare writer needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bare: Option<f64>,
    /// At most this much is wished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) goal: Option<f64>,
    /// As above, at least this much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) least: Option<f64>,
}

impl Figure {
    pub(super) fn new(figure: impl Into<String>, unit: Unit, value: f64) -> Self {
        Self { figure: figure.into(), unit, value, bare: None, goal: None, least: None }
    }

    pub(super) fn count(figure: impl Into<String>, value: impl Into<f64>) -> Self {
        Self::new(figure, Unit::Count, value.into())
    }

    pub(super) fn bare(self, bare: Option<f64>) -> Self {
        Self { bare, ..self }
    }

    pub(super) fn goal(self, goal: f64) -> Self {
        Self { goal: Some(goal), ..self }
    }

    pub(super) fn least(self, least: f64) -> Self {
        Self { least: Some(least), ..self }
    }

    fn verdict(&self) -> String {
        let Self { figure: _, unit, value, bare: _, goal, least } = self;
        let most = goal.map(|goal| (goal, *value <= goal));
        let verdict = most.or_else(|| least.map(|least| (least, *value >= least)));
        let text = |(wish, met)| format!("{}: {}", shown(*unit, wish), if met { "met" } else { "missed" });
        verdict.map(text).unwrap_or_default()
    }
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(super) struct Line {
    pub(super) row: String,
    pub(super) objects: usize,
    #[serde(flatten)]
    pub(super) figure: Figure,
}

/// All lines so far.
pub(super) struct Sheet {
    lines: Vec<Line>,
    json: Option<File>,
}

impl Sheet {
    pub(super) fn new(json: Option<&Path>) -> Result<Self> {
        let json = json.map(|path| File::create(path).context(path.display())).transpose()?;
        Ok(Self { lines: Vec::new(), json })
    }

    pub(super) fn add(&mut self, row: &str, objects: usize, figures: Vec<Figure>) -> Result {
        for figure in figures {
            let line = Line { row: row.to_owned(), objects, figure };
            if let Some(json) = &mut self.json {
                writeln!(json, "{}", serde_json::to_string(&line)?)?;
            }
            self.lines.push(line);
        }
        Ok(())
    }

    /// Markdown, in columns of one width so that it reads well as it is.
    pub(super) fn table(&self) -> String {
        let mut cells = vec![["row", "N", "figure", "here", "bare writer", "multiple", "goal"].map(str::to_owned)];
        let mut above = None;
        for Line { row, objects, figure } in &self.lines {
            let verdict = figure.verdict();
            let Figure { figure, unit, value, bare, goal: _, least: _ } = figure;
            let group = (row, objects);
            let (row, objects) =
                if above == Some(group) { Default::default() } else { (row.clone(), objects.to_string()) };
            above = Some(group);
            cells.push([
                row,
                objects,
                figure.clone(),
                shown(*unit, *value),
                bare.map(|bare| shown(*unit, bare)).unwrap_or_default(),
                bare.filter(|bare| *bare > 0.0).map(|bare| format!("{:.2}", value / bare)).unwrap_or_default(),
                verdict,
            ]);
        }
        let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
        let widths: [usize; 7] = std::array::from_fn(width);
        let text = |row: &[String; 7]| {
            let padded = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
            format!("| {} |\n", padded.collect::<Vec<_>>().join(" | "))
        };
        let rule = format!("|{}|\n", widths.map(|width| "-".repeat(width + 2)).join("|"));
        let mut lines = cells.iter().map(text);
        lines.next().into_iter().chain([rule]).chain(lines).collect()
    }
}

fn shown(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Seconds if value < 10.0 => format!("{value:.2} s"),
        Unit::Seconds => format!("{value:.1} s"),
        Unit::Mebibytes => format!("{value:.1} MiB"),
        Unit::Percent => format!("{value:.1} %"),
        Unit::Count if value.fract() == 0.0 => format!("{value}"),
        Unit::Count => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_named_once_and_multiples_and_goals_are_worked_out() {
        let mut sheet = Sheet::new(None).unwrap();
        let ready = Figure::new("all Ready", Unit::Seconds, 18.0).bare(Some(12.0)).goal(15.0);
        sheet.add("cold", 5000, vec![ready, Figure::count("provider calls", 15000)]).unwrap();
        sheet.add("restart", 5000, vec![Figure::count("provider calls", 0).goal(0.0)]).unwrap();
        let want = "\
| row     | N    | figure         | here   | bare writer | multiple | goal           |
|---------|------|----------------|--------|-------------|----------|----------------|
| cold    | 5000 | all Ready      | 18.0 s | 12.0 s      | 1.50     | 15.0 s: missed |
|         |      | provider calls | 15000  |             |          |                |
| restart | 5000 | provider calls | 0      |             |          | 0: met         |
";
        assert_eq!(sheet.table(), want);
    }
}
