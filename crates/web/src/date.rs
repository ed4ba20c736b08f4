//! Days as people read them, in UTC. Pure. Called by the sign-in pages and, through its `show`, by the console, so that both write a day
//! alike.

use domain::Timestamp;
use domain::window::DAY_MS;

/// The months' names.
pub const MONTHS: [&str; 12] = [
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

/// Year, month from 1, day from 1.
pub fn date(at: Timestamp) -> (i64, usize, i64) {
    // Days to dates as in the civil calendar: eras of 400 years that begin in March.
    let days = at.unix_ms().div_euclid(DAY_MS) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, usize::try_from(month).unwrap_or(1), day)
}

/// `20 November 2026`.
pub fn day(at: Timestamp) -> String {
    let (year, month, day) = date(at);
    format!("{day} {} {year}", MONTHS[(month - 1) % 12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_as_people_say_it() {
        for (days, said) in [
            (0, "1 January 1970"),
            (-1, "31 December 1969"),
            (11_016, "29 February 2000"),
            (20_775, "18 November 2026"),
        ] {
            let at = Timestamp::from_unix_ms(days * DAY_MS + 5);
            assert_eq!(day(at), said);
        }
    }
}
