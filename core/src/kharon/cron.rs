//! Times by the calendar, as cron writes them, in UTC.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::InvalidTicket;
use super::time::Timestamp;

const MINUTE: u64 = 60_000_000;
const MINUTES_A_DAY: u64 = 24 * 60;

/// No date that exists is further away than the next 29 February on a certain day of the week: 40 years
/// where a century without a leap day comes between.
const MOST_DAYS: u64 = 41 * 366;

/// Times by the calendar: `minute hour day-of-month month day-of-week`, in UTC.
///
/// Each field is `*`, a number, a range `a-b`, or a list of them with commas, each with a step
/// (`*/15`, `8-18/2`) if need be. Months and days of the week may be named by their first three
/// letters; Sunday is 0 or 7. Where both kinds of days are restricted, either will do, as cron has
/// it. `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly` are understood.
///
/// ```
/// use hersh::kharon::Cron;
/// let workdays: Cron = "30 6 * * mon-fri".parse()?;
/// assert!("61 * * * *".parse::<Cron>().is_err());
/// # Ok::<(), hersh::kharon::InvalidTicket>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether a day of the month or a day of the week will do, rather than both.
    either: bool,
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const NO_SENSE: InvalidTicket = InvalidTicket { problem: "its cron line makes no sense" };

impl FromStr for Cron {
    type Err = InvalidTicket;

    fn from_str(text: &str) -> Result<Self, InvalidTicket> {
        let fields = match text.trim() {
            "@hourly" => "0 * * * *",
            "@daily" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" => "0 0 1 1 *",
            fields => fields,
        };
        let fields: Vec<_> = fields.split_ascii_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else { return Err(NO_SENSE) };
        let sundays = field(weekdays, 0, 7, &WEEKDAYS, 0)?;
        let cron = Self {
            text: text.trim().to_owned(),
            minutes: field(minutes, 0, 59, &[], 0)?,
            hours: field(hours, 0, 23, &[], 0)?,
            days: field(days, 1, 31, &[], 0)?,
            months: field(months, 1, 12, &MONTHS, 1)?,
            weekdays: (sundays | sundays >> 7) & 0x7F,
            either: !days.starts_with('*') && !weekdays.starts_with('*'),
        };
        if cron.next(Timestamp::EPOCH) == Timestamp::NEVER {
            return Err(InvalidTicket { problem: "its cron line names no day that exists" });
        }
        Ok(cron)
    }
}

/// The numbers of a field, as bits.
fn field(
    text: &str,
    least: u64,
    most: u64,
    names: &[&str],
    first: u64,
) -> Result<u64, InvalidTicket> {
    let number = |text: &str| {
        let by_name = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let number = by_name.map(|at| at as u64 + first).or_else(|| text.parse().ok());
        number.filter(|number| (least..=most).contains(number)).ok_or(NO_SENSE)
    };
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<usize>().map_err(|_| NO_SENSE)?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((from, to)) => (number(from)?, number(to)?),
            None if step.is_some() => (number(range)?, most),
            None => (number(range)?, number(range)?),
        };
        let step = step.unwrap_or(1);
        if from > to || step == 0 {
            return Err(NO_SENSE);
        }
        bits |= (from..=to).step_by(step).fold(0, |bits, number| bits | 1 << number);
    }
    Ok(bits)
}

impl Cron {
    /// The first time after a moment; [`Timestamp::NEVER`] at the end of all times.
    pub fn next(&self, after: Timestamp) -> Timestamp {
        let from = after.as_micros() / MINUTE + 1;
        let (first_day, first_minute) = (from / MINUTES_A_DAY, from % MINUTES_A_DAY);
        for day in first_day..=first_day + MOST_DAYS {
            let begin = if day == first_day { first_minute } else { 0 };
            if self.has_day(day)
                && let Some(minute) = (begin..MINUTES_A_DAY).find(|at| self.has_minute(*at))
            {
                return moment(day, minute);
            }
        }
        Timestamp::NEVER
    }

    /// The last time before a moment; `None` when there was none since the epoch.
    pub fn previous(&self, before: Timestamp) -> Option<Timestamp> {
        let until = before.as_micros().div_ceil(MINUTE);
        let (last_day, last_minute) = (until / MINUTES_A_DAY, until % MINUTES_A_DAY);
        for day in (last_day.saturating_sub(MOST_DAYS)..=last_day).rev() {
            let end = if day == last_day { last_minute } else { MINUTES_A_DAY };
            if self.has_day(day)
                && let Some(minute) = (0..end).rev().find(|at| self.has_minute(*at))
            {
                return Some(moment(day, minute));
            }
        }
        None
    }

    fn has_minute(&self, minute: u64) -> bool {
        self.hours >> (minute / 60) & 1 == 1 && self.minutes >> (minute % 60) & 1 == 1
    }

    fn has_day(&self, day: u64) -> bool {
        let (month, of_month) = date(day);
        let of_month = self.days >> of_month & 1 == 1;
        // 1 January 1970 was a Thursday.
        let of_week = self.weekdays >> ((day + 4) % 7) & 1 == 1;
        let right = if self.either { of_month || of_week } else { of_month && of_week };
        right && self.months >> month & 1 == 1
    }
}

fn moment(day: u64, minute: u64) -> Timestamp {
    Timestamp::from_micros((day * MINUTES_A_DAY + minute).saturating_mul(MINUTE))
}

/// The month and the day of the month of a day since the epoch (Hinnant, "chrono-compatible
/// low-level date algorithms": years begin in March, so that the leap day comes last).
const fn date(day: u64) -> (u64, u64) {
    let day = day + 719_468;
    let of_era = day % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    (if month < 10 { month + 3 } else { month - 9 }, of_month)
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Cron> for String {
    fn from(cron: Cron) -> Self {
        cron.text
    }
}

impl TryFrom<String> for Cron {
    type Error = InvalidTicket;

    fn try_from(text: String) -> Result<Self, InvalidTicket> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn cron(text: &str) -> Cron {
        text.parse().unwrap()
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    /// Seconds since the epoch, as `date -u -d … +%s` prints them.
    #[test]
    fn times_are_those_of_the_calendar() {
        let new_year_2026 = 1_767_225_600;
        for (text, expected) in [
            ("* * * * *", new_year_2026 + 60),
            ("0 0 1 1 *", 1_798_761_600),
            ("30 6 * * mon-fri", new_year_2026 + 6 * 3600 + 30 * 60),
            ("0 0 29 2 *", 1_835_395_200),
            ("*/20 8-18/5 * * *", new_year_2026 + 8 * 3600),
            ("0 12 * * 7", 1_767_528_000),
            ("0 0 13 * fri", 1_767_312_000),
            ("@monthly", 1_769_904_000),
            ("59 23 31 dec *", 1_798_761_540),
        ] {
            assert_eq!(cron(text).next(at(new_year_2026)), at(expected), "{text}");
        }
        assert_eq!(cron("0 0 29 2 *").next(at(3_981_312_000)), at(4_233_686_400), "not in 2100");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "*/0 * * * *",
            "5-1 * * * *",
            "a * * * *",
            "1,,2 * * * *",
            "0 0 30 2 *",
            "@never",
        ] {
            assert!(text.parse::<Cron>().is_err(), "{text:?}");
        }
        let json = serde_json::to_string(&cron("@daily")).unwrap();
        assert_eq!(serde_json::from_str::<Cron>(&json).unwrap(), cron("@daily"));
    }

    fn field(most: u32) -> impl Strategy<Value = String> {
        prop_oneof![
            2 => Just("*".to_owned()),
            1 => (1..=most).prop_map(|number| number.to_string()),
            1 => (1..=most, 1..=most).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
            1 => (1..=most).prop_map(|step| format!("*/{step}")),
        ]
    }

    #[test]
    fn a_day_of_the_month_and_of_the_week_may_be_many_years_apart() {
        assert!(cron("* * */7 10 3").next(at(531_014_340)) < Timestamp::NEVER);
    }

    proptest! {
        /// The next time is the first minute that matches, when all are gone through; and what
        /// comes next came before.
        #[test]
        fn no_time_is_missed(
            fields in (field(59), field(23), field(28), field(12), field(6)),
            start in 0..4_000_000_000_u64,
        ) {
            let text = format!("{} {} {} {} {}", fields.0, fields.1, fields.2, fields.3, fields.4);
            let cron = cron(&text);
            let start = at(start);
            let next = cron.next(start);
            prop_assert!(next > start && next.as_micros().is_multiple_of(MINUTE));
            prop_assert_eq!(cron.previous(next + Duration::from_micros(1)), Some(next));
            prop_assert!(cron.previous(next).is_none_or(|previous| previous <= start));
            let first = start.as_micros() / MINUTE + 1;
            for minute in (first..next.as_micros() / MINUTE).take(50_000) {
                let (day, of_day) = (minute / MINUTES_A_DAY, minute % MINUTES_A_DAY);
                prop_assert!(!(cron.has_day(day) && cron.has_minute(of_day)), "{text}: {minute}");
            }
        }
    }
}
