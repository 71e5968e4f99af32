//! Times as people read them.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970 of an RFC 3339 time in UTC, as `2024-05-01T12:00:00.5Z`; `None` for
/// anything else.
pub fn parse_utc(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00"))?;
    let (date, time) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let time = time.split_once('.').map_or(time, |(seconds, _)| seconds);
    let mut time = time.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let in_range = (1970..10_000).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    in_range
        .then(|| days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

// Counted in years that begin in March, so that the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// How long ago `text` (RFC 3339, UTC) was at `now`: `5s`, `12m`, `3h`, `9d`; `-` if it is no time.
pub fn age(text: &str, now: SystemTime) -> String {
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs());
    let (Some(then), Ok(now)) = (parse_utc(text), i64::try_from(now)) else {
        return "-".to_owned();
    };
    match (now - then).max(0) {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7_200 => format!("{}m", seconds / 60),
        seconds @ 7_200..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn known_instants() {
        assert_eq!(parse_utc("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse_utc("2000-02-29T12:34:56.789Z"), Some(951_827_696));
        assert_eq!(parse_utc("2026-11-20T06:04:00+00:00"), Some(1_795_154_640));
        for wrong in ["", "yesterday", "2024-13-01T00:00:00Z", "2024-01-01T00:00:00", "T:Z"] {
            assert_eq!(parse_utc(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ages() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(age("1970-01-01T00:00:00Z", at(5)), "5s");
        assert_eq!(age("1970-01-01T00:00:00Z", at(600)), "10m");
        assert_eq!(age("1970-01-01T00:00:00Z", at(86_400)), "24h");
        assert_eq!(age("1970-01-01T00:00:00Z", at(864_000)), "10d");
        assert_eq!(age("1970-01-01T00:01:00Z", at(0)), "0s");
        assert_eq!(age("never", at(0)), "-");
    }
}
