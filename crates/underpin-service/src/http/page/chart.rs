//! The chart of the last 24 hours, as SVG.
//!
//! Everything outside the plot is placed in shares of the width, so the chart fits any screen and its
//! text keeps its size; only the plot itself is stretched.

use maud::{Markup, PreEscaped, html};
use underpin_models::bot::UserCount;

use super::format;

/// What the chart spans.
pub(super) const SECONDS: i64 = 24 * 3_600;

/// Seconds that one point stands for, and how many points there are.
const STEP: i64 = 600;
const POINTS: usize = 144;
/// Points that may be missing before the line is cut.
const GAP: usize = 3;

/// The plot's own units.
const WIDTH: i64 = 1_440;
const HEIGHT: i64 = 1_000;
/// Pixels: above the plot, of it, and altogether.
const TOP: i64 = 18;
const PLOT: i64 = 210;
const ALL: i64 = 256;

/// The highest numbers of one step: chat, connected.
type Point = Option<(i64, i64)>;

/// The chart of `counts` up to `now`; `None` when there is nothing to draw.
pub(super) fn chart(counts: &[UserCount], now: i64) -> Option<Markup> {
    let since = now - SECONDS;
    let points = points(counts, since);
    let highest = points.iter().flatten().map(|&(chat, connected)| chat.max(connected)).max()?;
    let (step, top) = scale(highest);
    let label = format!("Users in the last 24 hours, at most {}", format::number(highest));
    Some(html! {
        svg.chart role="img" aria-label=(label) width="100%" height=(ALL) {
            @for line in 0..=top / step {
                line.level x1="0" x2="100%" y1=(pixel(line * step, top)) y2=(pixel(line * step, top)) {}
            }
            @for time in hours(since) {
                (hour(time, since))
            }
            svg y=(TOP) width="100%" height=(PLOT) viewBox={ "0 0 " (WIDTH) " " (HEIGHT) }
                preserveAspectRatio="none" {
                path.area d=(area(&points, top)) {}
                path.line.connected d=(path(&points, top, |point| point.1)) {}
                path.line.chat d=(path(&points, top, |point| point.0)) {}
                (hits(&points, since))
            }
            @for line in 1..=top / step {
                text.tick x="2" y=(pixel(line * step, top) - 5) { (format::number(line * step)) }
            }
        }
    })
}

/// The highest numbers of each step; what is outside the 24 hours is left out.
fn points(counts: &[UserCount], since: i64) -> Vec<Point> {
    let mut points = vec![None; POINTS];
    for count in counts {
        let index = usize::try_from((count.timestamp - since).div_euclid(STEP));
        let Some(point) = index.ok().and_then(|index| points.get_mut(index)) else { continue };
        let (chat, connected) = point.unwrap_or((0, 0));
        *point = Some((chat.max(count.chat_users), connected.max(count.connected_users)));
    }
    points
}

/// How far apart the levels are, 1, 2 or 5 times a power of ten, and the last one: at most five lie
/// above zero.
fn scale(highest: i64) -> (i64, i64) {
    let mut step = 1_i64;
    for factor in [2, 5, 10].into_iter().cycle() {
        let power = 10_i64.pow(step.ilog10());
        if highest.div_euclid(step) < 5 || power > i64::MAX / 100 {
            break;
        }
        step = power * factor;
    }
    (step, (highest.div_euclid(step) + 1).saturating_mul(step))
}

/// Where a level lies, from the top.
fn pixel(value: i64, top: i64) -> i64 {
    let height = i128::from(value) * i128::from(PLOT) / i128::from(top);
    TOP + PLOT - i64::try_from(height).unwrap_or(0)
}

/// The hours that are named: every third one of the day, in UTC.
fn hours(since: i64) -> impl Iterator<Item = i64> {
    let every = 3 * 3_600;
    let first = (since.div_euclid(every) + 1) * every;
    (first..=since + SECONDS).step_by(3 * 3_600)
}

/// A named hour: every second one only where there is room. Close to an edge it would be cut off.
fn hour(time: i64, since: i64) -> Markup {
    let x = format::share(time - since, SECONDS);
    let class = if time.div_euclid(3 * 3_600) % 2 == 0 { "tick" } else { "tick extra" };
    let fits = (SECONDS / 40..=SECONDS - SECONDS / 40).contains(&(time - since));
    html! {
        line.hour x1=(x) x2=(x) y1=(TOP + PLOT) y2=(TOP + PLOT + 5) {}
        @if fits {
            text class=(class) x=(x) y=(ALL - 8) text-anchor="middle" { (format::time(time)) }
        }
    }
}

fn x(index: usize) -> i64 {
    let step = WIDTH / i64::try_from(POINTS).unwrap_or(WIDTH);
    i64::try_from(index).unwrap_or(0) * step + step / 2
}

fn y(value: i64, top: i64) -> i64 {
    let height = i128::from(value.clamp(0, top)) * i128::from(HEIGHT) / i128::from(top);
    HEIGHT - i64::try_from(height).unwrap_or(0)
}

/// The stretches without a hole: indexes with their values.
fn stretches(points: &[Point], of: impl Fn((i64, i64)) -> i64) -> Vec<Vec<(usize, i64)>> {
    let mut stretches: Vec<Vec<(usize, i64)>> = Vec::new();
    for (index, point) in points.iter().enumerate() {
        let Some(value) = point.map(&of) else { continue };
        match stretches.last_mut() {
            Some(last) if last.last().is_some_and(|(before, _)| index - before <= GAP) => {
                last.push((index, value));
            }
            _ => stretches.push(vec![(index, value)]),
        }
    }
    stretches
}

fn path(points: &[Point], top: i64, of: impl Fn((i64, i64)) -> i64) -> String {
    let paths = stretches(points, of).into_iter().map(|stretch| {
        // A single point shows as a dot, by its round end.
        format!("M{}h0", corners(&stretch, top))
    });
    paths.collect::<Vec<_>>().concat()
}

/// What lies below the line of those connected.
fn area(points: &[Point], top: i64) -> String {
    let areas = stretches(points, |point| point.1).into_iter().filter_map(|stretch| {
        let (first, last) = (x(stretch.first()?.0), x(stretch.last()?.0));
        Some(format!("M{first} {HEIGHT}L{}L{last} {HEIGHT}Z", corners(&stretch, top)))
    });
    areas.collect::<Vec<_>>().concat()
}

/// The places of the points, with lines between them.
fn corners(stretch: &[(usize, i64)], top: i64) -> String {
    let corner = |&(index, value): &(usize, i64)| format!("{} {}", x(index), y(value, top));
    stretch.iter().map(corner).collect::<Vec<_>>().join("L")
}

/// What the pointer meets at each point: its numbers.
fn hits(points: &[Point], since: i64) -> Markup {
    let hit = |(index, point): (usize, &Point)| {
        let (chat, connected) = (*point)?;
        let time = since + i64::try_from(index).unwrap_or(0) * STEP;
        let (chat, connected) = (format::number(chat), format::number(connected));
        Some(html! {
            rect.hit x=(x(index) - 5) width="10" height=(HEIGHT) {
                title { (format::time(time)) " UTC: " (chat) " in chat, " (connected) " connected" }
            }
        })
    };
    let hits = points.iter().enumerate().filter_map(hit).map(Markup::into_string);
    PreEscaped(hits.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_252_440;

    fn count(ago: i64, chat_users: i64, connected_users: i64) -> UserCount {
        UserCount { id: 0, timestamp: NOW - ago, chat_users, connected_users }
    }

    #[test]
    fn nothing_counted_is_no_chart() {
        assert!(chart(&[], NOW).is_none());
        assert!(chart(&[count(SECONDS + 1, 1, 1), count(-1_000, 1, 1)], NOW).is_none());
    }

    #[test]
    fn a_step_shows_its_highest_numbers_and_a_long_silence_cuts_the_line() {
        let counts = [count(7_300, 1, 1), count(7_250, 9, 4), count(500, 2, 3)];

        let svg = chart(&counts, NOW).unwrap().into_string();

        assert_eq!(svg.matches('M').count(), 6, "{svg}");
        assert!(svg.contains("9 in chat, 4 connected"), "{svg}");
        assert!(!svg.contains("1 in chat"), "{svg}");
    }

    #[test]
    fn levels_are_round_and_few() {
        for (highest, expected) in [
            (0, (1, 1)),
            (1, (1, 2)),
            (4, (1, 5)),
            (5, (2, 6)),
            (37, (10, 40)),
            (120, (50, 150)),
            (1_000, (500, 1_500)),
        ] {
            assert_eq!(scale(highest), expected, "{highest}");
        }
    }

    #[test]
    fn no_number_breaks_it() {
        let counts = [count(60, i64::MAX, -5), count(1_260, i64::MIN, 0)];

        let svg = chart(&counts, NOW).unwrap().into_string();

        assert!(!svg.contains("NaN"), "{svg}");
    }
}
