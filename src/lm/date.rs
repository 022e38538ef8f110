//! Today's date for chat templates that tell the model what day it is.

use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] =
    ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/// The present moment (UTC) in `strftime`'s format.
///
/// # Errors
/// If the format has a directive that is not known here.
pub fn format_now(format: &str) -> Result<String, String> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format_at(format, since_epoch.as_secs())
}

/// The present moment (UTC) to the minute, as `2026-01-31 12:00`.
pub fn date_and_time() -> String {
    format_now("%Y-%m-%d %H:%M").unwrap_or_default()
}

/// A moment in seconds since 1970 (UTC) in `strftime`'s format.
fn format_at(format: &str, epoch_secs: u64) -> Result<String, String> {
    let (days, secs) = (epoch_secs / 86_400, epoch_secs % 86_400);
    let (year, month, day) = civil_date(days);
    let month_name = MONTHS[month as usize - 1];
    let weekday = WEEKDAYS[(days % 7) as usize];
    let mut text = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        let part = match letters.next() {
            Some('Y') => year.to_string(),
            Some('m') => format!("{month:02}"),
            Some('d') => format!("{day:02}"),
            Some('B') => month_name.to_owned(),
            Some('b') => month_name[..3].to_owned(),
            Some('A') => weekday.to_owned(),
            Some('a') => weekday[..3].to_owned(),
            Some('H') => format!("{:02}", secs / 3600),
            Some('M') => format!("{:02}", secs / 60 % 60),
            Some('S') => format!("{:02}", secs % 60),
            Some('%') => "%".to_owned(),
            other => {
                let directive: String = other.into_iter().collect();
                return Err(format!("strftime_now does not know %{directive}"));
            }
        };
        text.push_str(&part);
    }
    Ok(text)
}

/// Year, month and day of a day since 1970; after Howard Hinnant's `civil_from_days`,
/// <https://howardhinnant.github.io/date_algorithms.html>.
fn civil_date(days: u64) -> (u64, u64, u64) {
    // Years begin in March here, so that the leap day is a year's last; eras of 400 years repeat.
    let since_era = days + 719_468;
    let (era, day_of_era) = (since_era / 146_097, since_era % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(epoch_secs: u64, expected: &str) {
        assert_eq!(format_at("%A %d %B %Y %H:%M:%S", epoch_secs).unwrap(), expected);
    }

    #[test]
    fn moments_have_their_dates() {
        // `date -u -d @… +'%A %d %B %Y %H:%M:%S'`
        check(0, "Thursday 01 January 1970 00:00:00");
        check(951_827_696, "Tuesday 29 February 2000 12:34:56");
        check(1_735_689_599, "Tuesday 31 December 2024 23:59:59");
    }

    #[test]
    fn an_unknown_directive_is_refused() {
        assert_eq!(format_at("%Q", 0).unwrap_err(), "strftime_now does not know %Q");
    }
}
