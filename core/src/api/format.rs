//! Times in the forms that clients of the API know.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment as RFC 3339, in UTC, to the millisecond: `2024-02-29T12:00:00.000Z`. A moment before
/// 1970 is shown as 1970.
pub(super) fn rfc3339(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seconds = since.as_secs();
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let millis = since.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Year, month and day of the Gregorian calendar, from days since 1970-01-01.
///
/// Counted in years that begin in March, so that the leap day is the last of its year, and in eras
/// of 400 years, after which the calendar repeats.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_IN_ERA: u64 = 146_097;
    // 1970-01-01 is day 719,468 from 0000-03-01.
    let days = days + 719_468;
    let day_of_era = days % DAYS_IN_ERA;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March: 153 days in every five of them.
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = days / DAYS_IN_ERA * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// A duration in hours, minutes and tenths of seconds: `5m30.1s`, `1h0m0s`, `300ms`, `0s`.
pub(super) fn uptime(duration: Duration) -> String {
    let tenths = duration.as_millis() / 100;
    let (hours, minutes) = (tenths / 36_000, tenths / 600 % 60);
    let (seconds, tenth) = (tenths / 10 % 60, tenths % 10);
    let seconds = match tenth {
        0 => format!("{seconds}s"),
        _ if tenths < 10 => format!("{tenth}00ms"),
        _ => format!("{seconds}.{tenth}s"),
    };
    match (hours, minutes) {
        (0, 0) => seconds,
        (0, _) => format!("{minutes}m{seconds}"),
        _ => format!("{hours}h{minutes}m{seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(millis: u64) -> String {
        rfc3339(UNIX_EPOCH + Duration::from_millis(millis))
    }

    #[test]
    fn moments_are_shown_as_rfc_3339() {
        assert_eq!(shown(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(shown(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(shown(951_868_799_999), "2000-02-29T23:59:59.999Z");
        assert_eq!(shown(951_868_800_000), "2000-03-01T00:00:00.000Z");
        assert_eq!(shown(1_709_208_000_000), "2024-02-29T12:00:00.000Z");
        assert_eq!(shown(1_735_689_599_000), "2024-12-31T23:59:59.000Z");
        assert_eq!(shown(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_secs(5)), shown(0));
    }

    #[test]
    fn days_follow_each_other() {
        let mut before = civil(0);
        for day in 1..200_000 {
            let (year, month, date) = civil(day);
            let follows = match date {
                1 if month == 1 => before == (year - 1, 12, 31),
                1 => before.0 == year && before.1 == month - 1 && before.2 >= 28,
                _ => before == (year, month, date - 1),
            };
            assert!(follows && (1..=12).contains(&month) && date <= 31, "{before:?} {day}");
            before = (year, month, date);
        }
    }

    #[test]
    fn uptimes_are_short() {
        let cases = [
            (0, "0s"),
            (99, "0s"),
            (300, "300ms"),
            (1_000, "1s"),
            (1_590, "1.5s"),
            (60_000, "1m0s"),
            (330_100, "5m30.1s"),
            (3_600_000, "1h0m0s"),
            (90_061_200, "25h1m1.2s"),
        ];
        for (millis, expected) in cases {
            assert_eq!(uptime(Duration::from_millis(millis)), expected);
        }
    }
}
