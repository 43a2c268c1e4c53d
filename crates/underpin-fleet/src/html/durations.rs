//! How long the databases took, as a histogram in SVG.
//!
//! Bars are placed in shares of the width and in pixels of the height, so that the chart fits any screen
//! and its text keeps its size.

use maud::{Markup, html};

use super::number;
use crate::time;

/// Bars at most, with the last one, which holds all that took longer than 99 of 100.
const BARS: i64 = 24;
/// Pixels: of the bars, above them, and altogether.
const PLOT: i64 = 150;
const TOP: i64 = 20;
const ALL: i64 = 196;
/// Bars from one label to the next.
const LABELS: usize = 4;

/// So many databases took from `from` to below `to` milliseconds; the last bar has no end.
#[derive(Debug, PartialEq, Eq)]
struct Bar {
    from: i64,
    to: Option<i64>,
    count: i64,
}

/// The chart of `durations`, which ascend, in milliseconds; `None` when there are none.
pub(super) fn chart(durations: &[i64]) -> Option<Markup> {
    let bars = bars(durations)?;
    let most = bars.iter().map(|bar| bar.count).max()?.max(1);
    let x = |index: usize| format!("{:.2}%", percent(index, bars.len()));
    let width = format!("{:.2}%", percent(9, bars.len() * 10));
    let median = durations.get(durations.len() / 2)?;
    let label = format!("Time per database; half took less than {}", time(*median));
    Some(html! {
        svg.chart role="img" aria-label=(label) width="100%" height=(ALL) {
            text.tick x="100%" y="12" text-anchor="end" { "half took less than " (time(*median)) }
            @for (index, bar) in bars.iter().enumerate() {
                @let height = if bar.count == 0 { 0 } else { (bar.count * PLOT / most).max(2) };
                rect x=(x(index)) width=(width) y=(TOP + PLOT - height) height=(height) rx="2" {
                    title { (bar.name()) ": " (number(bar.count)) " databases" }
                }
                @if index % LABELS == 0 {
                    text.tick x=(x(index)) y=(TOP + PLOT + 18) { (time(bar.from)) }
                }
            }
            line.axis x1="0" x2="100%" y1=(TOP + PLOT) y2=(TOP + PLOT) {}
            text.tick x="0" y="12" { (number(most)) " in the highest bar" }
        }
    })
}

#[expect(clippy::cast_precision_loss, reason = "of small numbers")]
fn percent(part: usize, whole: usize) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

impl Bar {
    fn name(&self) -> String {
        match self.to {
            Some(to) => format!("{} to {}", time(self.from), time(to)),
            None => format!("{} and more", time(self.from)),
        }
    }
}

/// Bars of one width, a round number, from the shortest on.
fn bars(durations: &[i64]) -> Option<Vec<Bar>> {
    let (first, last) = (*durations.first()?, *durations.last()?);
    let usual = *durations.get(durations.len() * 99 / 100)?;
    let width = round_up((usual - first) / (BARS - 1) + 1);
    let start = first / width * width;
    let count = ((usual - start) / width + 1).min(BARS - 1);
    let mut bars: Vec<_> = (0..count)
        .map(|index| start + index * width)
        .map(|from| Bar { from, to: Some(from + width), count: 0 })
        .collect();
    let end = start + count * width;
    if last >= end {
        bars.push(Bar { from: end, to: None, count: 0 });
    }
    for duration in durations {
        let index = usize::try_from((duration - start) / width).unwrap_or(0).min(bars.len() - 1);
        bars[index].count += 1;
    }
    Some(bars)
}

/// 1, 2 or 5 times a power of ten.
fn round_up(least: i64) -> i64 {
    let mut ten = 1;
    loop {
        for step in [ten, 2 * ten, 5 * ten] {
            if step >= least {
                return step;
            }
        }
        ten *= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_no_chart() {
        assert!(chart(&[]).is_none());
    }

    #[test]
    fn one_is_one_bar() {
        assert_eq!(bars(&[7]), Some(vec![Bar { from: 7, to: Some(8), count: 1 }]));
    }

    #[test]
    fn every_duration_is_in_a_bar_and_outliers_share_the_last() {
        let mut durations: Vec<i64> = (0..1_000).map(|n| 20 + n % 40).collect();
        durations.extend([9_000, 30_000]);
        durations.sort_unstable();

        let bars = bars(&durations).unwrap_or_default();

        assert!(bars.len() <= 24, "{bars:?}");
        assert_eq!(bars.iter().map(|bar| bar.count).sum::<i64>(), 1_002);
        assert_eq!(bars.last(), Some(&Bar { from: 60, to: None, count: 2 }));
    }
}
