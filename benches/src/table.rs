//! The report as one reads it: Markdown tables whose columns line up.

use std::io::{self, Write};

use crate::report::{Report, Row};

/// Prints what was measured on what, the figures and the ratios.
pub(crate) fn print(report: &Report, output: &mut impl Write) -> io::Result<()> {
    print_conditions(report, output)?;
    print_rows(report, output)?;
    print_ratios(report, output)
}

fn print_conditions(report: &Report, output: &mut impl Write) -> io::Result<()> {
    let machine = &report.machine;
    let versions: Vec<String> =
        machine.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    writeln!(output, "- {}", versions.join(", "))?;
    writeln!(
        output,
        "- {} cores, shared with the load generator; Linux {}; load average before: {}",
        machine.cores, machine.kernel, machine.load_average,
    )?;
    writeln!(
        output,
        "- data on {}, where 4 KiB with their sync take {} us",
        machine.file_system, machine.sync_us,
    )?;
    writeln!(
        output,
        "- {} connections; {} rounds of {} s after {} s of warm-up",
        report.connections, report.rounds, report.measured_seconds, report.warm_up_seconds,
    )?;
    writeln!(output)
}

fn print_rows(report: &Report, output: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new(&[
        "workload",
        "server",
        "fsync first",
        "requests/s",
        "smallest",
        "largest",
        "p50 ms",
        "p99 ms",
        "errors",
    ]);
    for row in &report.rows {
        let rate = row.requests_per_second;
        table.push([
            row.workload.title(report.objects),
            row.server.word().to_owned(),
            syncs_first(row).to_owned(),
            grouped(rate.median),
            grouped(rate.smallest),
            grouped(rate.largest),
            milliseconds(row.p50_us),
            milliseconds(row.p99_us),
            row.errors.to_string(),
        ]);
    }
    table.print(output)
}

fn syncs_first(row: &Row) -> &'static str {
    match (row.workload.writes(), row.syncs_before_it_answers) {
        (false, _) => "nothing to",
        (true, true) => "yes",
        (true, false) => "no",
    }
}

fn print_ratios(report: &Report, output: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new(&["workload", "ratio", "median", "smallest", "largest"]);
    for ratio in &report.ratios {
        table.push([
            ratio.workload.title(report.objects),
            format!("{} / {}", ratio.of.word(), ratio.to.word()),
            format!("{:.2}", ratio.quotient.median),
            format!("{:.2}", ratio.quotient.smallest),
            format!("{:.2}", ratio.quotient.largest),
        ]);
    }
    table.print(output)
}

/// Columns of text, the first two to the left and all others to the right.
struct Table {
    lines: Vec<Vec<String>>,
}

const COLUMNS_TO_THE_LEFT: usize = 2;

impl Table {
    fn new(header: &[&str]) -> Self {
        Self { lines: vec![header.iter().map(|&title| title.to_owned()).collect()] }
    }

    fn push<const N: usize>(&mut self, cells: [String; N]) {
        self.lines.push(cells.into());
    }

    /// Prints the table and an empty line; of a table without rows, nothing.
    fn print(&self, output: &mut impl Write) -> io::Result<()> {
        let [header, rows @ ..] = &*self.lines else { return Ok(()) };
        if rows.is_empty() {
            return Ok(());
        }
        let widths: Vec<usize> = (0..header.len()).map(|column| self.width(column)).collect();
        print_line(output, header, &widths)?;
        for (column, width) in widths.iter().enumerate() {
            let dashes = "-".repeat(width + 1);
            let to_the_left = column < COLUMNS_TO_THE_LEFT;
            write!(output, "|{dashes}{}", if to_the_left { '-' } else { ':' })?;
        }
        writeln!(output, "|")?;
        for row in rows {
            print_line(output, row, &widths)?;
        }
        writeln!(output)
    }

    fn width(&self, column: usize) -> usize {
        self.lines.iter().map(|line| line[column].len()).max().unwrap_or(0)
    }
}

fn print_line(output: &mut impl Write, cells: &[String], widths: &[usize]) -> io::Result<()> {
    for (column, (cell, &width)) in cells.iter().zip(widths).enumerate() {
        if column < COLUMNS_TO_THE_LEFT {
            write!(output, "| {cell:<width$} ")?;
        } else {
            write!(output, "| {cell:>width$} ")?;
        }
    }
    writeln!(output, "|")
}

/// A whole number with commas between its thousands.
fn grouped(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn milliseconds(us: u32) -> String {
    format!("{:.2}", f64::from(us) / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let texts = [0.4, 999.0, 1_000.0, 1_234_567.8].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,568"]);
    }
}
