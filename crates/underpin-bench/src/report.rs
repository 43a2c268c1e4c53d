//! What a run prints: one Markdown table.

use std::{
    fmt::Display,
    io::Write as _,
    time::{Duration, Instant},
};

/// Prints a paragraph.
pub(crate) fn paragraph(text: impl Display) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "\n{text}\n")?)
}

/// Prints a line.
pub(crate) fn line(text: impl Display) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

/// Prints the head of a table; what is not in the first `words` columns is a number.
pub(crate) fn head(columns: &[&str], words: usize) -> anyhow::Result<()> {
    row(columns)?;
    let kinds = columns.iter().enumerate();
    let kinds: Vec<_> = kinds.map(|(at, _)| if at < words { "---" } else { "--:" }).collect();
    Ok(writeln!(std::io::stdout(), "|{}|", kinds.join("|"))?)
}

/// Prints one line of a table.
pub(crate) fn row<S: Display>(cells: &[S]) -> anyhow::Result<()> {
    let cells: Vec<_> = cells.iter().map(ToString::to_string).collect();
    Ok(writeln!(std::io::stdout(), "| {} |", cells.join(" | "))?)
}

/// The value below which `part` (0 to 1) of `values` lie.
pub(crate) fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "between 0 and the number of values"
    )]
    let at = ((sorted.len().saturating_sub(1)) as f64 * part).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The ratio of each round, as `median (quartile–quartile)`.
pub(crate) fn ratio(ours: &[f64], theirs: &[f64]) -> (f64, String) {
    let ratios: Vec<_> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
    let quartiles = format!("{:.2}–{:.2}", quantile(&ratios, 0.25), quantile(&ratios, 0.75));
    (median(&ratios), quartiles)
}

/// How often per second something was done that took `elapsed` for `count`.
pub(crate) fn per_second(count: usize, elapsed: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / elapsed.as_secs_f64()
}

/// Milliseconds since `start`.
pub(crate) fn millis(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

/// The CPU time of this process in milliseconds, user and system; `NaN` where `/proc` is missing.
pub(crate) fn cpu_millis() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let numbers = text.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11);
    // In hundredths of a second, whatever the machine.
    numbers.take(2).map(|ticks| ticks.parse::<f64>().unwrap_or(f64::NAN) * 10.0).sum()
}

/// What the process at `proc` holds: open files and connections, and memory in MiB.
pub(crate) fn size(proc: &str) -> (String, String) {
    let descriptors = std::fs::read_dir(format!("{proc}/fd")).map(Iterator::count);
    let status = std::fs::read_to_string(format!("{proc}/status")).unwrap_or_default();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = memory.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    let shown = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |one| one.to_string());
    let descriptors = descriptors.ok().and_then(|count| count.try_into().ok());
    (shown(descriptors), shown(kib.map(|kib| kib / 1024)))
}

/// The machine's load average of the last minute.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("?").to_owned()
}
