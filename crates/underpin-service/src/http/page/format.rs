//! Numbers and times as people read them.

use chrono::DateTime;

/// With a narrow space between thousands.
pub(super) fn number(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = if number < 0 { "−".to_owned() } else { String::new() };
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `21 Nov 2026, 09:14`, in UTC.
pub(super) fn date(unix: i64) -> String {
    with(unix, "%-d %b %Y, %H:%M")
}

/// `09:14`, in UTC.
pub(super) fn time(unix: i64) -> String {
    with(unix, "%H:%M")
}

fn with(unix: i64, format: &str) -> String {
    DateTime::from_timestamp(unix, 0)
        .map_or_else(|| "—".to_owned(), |time| time.format(format).to_string())
}

/// `3:45` or `1:02:03`.
pub(super) fn length(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// `40 s`, `5 min`, `3 h`, `2 d`: the largest unit that fits.
pub(super) fn span(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ ..60 => format!("{seconds} s"),
        seconds @ ..3_600 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// How much of `whole` is `part`, for an attribute that takes a share of a width: `12.34%`.
pub(super) fn share(part: i64, whole: i64) -> String {
    let hundredths = i128::from(part.max(0)) * 10_000 / i128::from(whole.max(1));
    let hundredths = hundredths.min(10_000);
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_readable_whatever_they_are() {
        assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!((number(999), number(-1_000)), ("999".into(), "−1\u{202f}000".into()));
        assert_eq!(date(1_795_252_440), "21 Nov 2026, 09:14");
        assert_eq!((time(0), time(i64::MAX)), ("00:00".into(), "—".into()));
        assert_eq!(
            (length(225), length(3_723), length(-1)),
            ("3:45".into(), "1:02:03".into(), "0:00".into())
        );
        assert_eq!(
            (span(59), span(3_599), span(90_000)),
            ("59 s".into(), "59 min".into(), "25 h".into())
        );
        assert_eq!(
            (share(1, 3), share(5, 0), share(i64::MAX, 1)),
            ("33.33%".into(), "100.00%".into(), "100.00%".into())
        );
    }
}
