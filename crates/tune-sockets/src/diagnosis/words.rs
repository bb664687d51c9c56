//! Phrases that findings share.

use std::time::Duration;

/// `1 connection`, `2 connections`.
pub(crate) fn many(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A verb for so many.
pub(crate) const fn verb(number: u64, one: &'static str, more: &'static str) -> &'static str {
    if number == 1 { one } else { more }
}

/// Says a time as people do: `4s`, `90s`, `5min`, `2h`; what is smaller than the unit is left out.
#[must_use]
pub fn time(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..=120 => format!("{seconds}s"),
        seconds @ ..=7200 => format!("{}min", seconds / 60),
        seconds => format!("{}h", seconds / 3600),
    }
}

/// Says a size as people do: `3 MiB`; what is smaller than the unit is left out.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [(&str, u32); 2] = [("MiB", 20), ("KiB", 10)];
    if bytes >= 1 << 30 {
        let tenths = bytes / ((1 << 30) / 10);
        return format!("{}.{} GiB", tenths / 10, tenths % 10);
    }
    let unit = UNITS.iter().find(|(_, bits)| bytes >> bits > 0);
    unit.map_or_else(|| format!("{bytes} B"), |(unit, bits)| format!("{} {unit}", bytes >> bits))
}

/// The largest parts, as `80 (900), 443 (12)`.
pub(crate) fn parts<K: std::fmt::Display>(parts: &[(K, u64)], most: usize) -> String {
    let shown: Vec<_> = parts.iter().take(most).map(|(key, number)| format!("{key} ({number})")).collect();
    let more = if parts.len() > most { ", ..." } else { "" };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_as_people_say_them() {
        let second = Duration::from_secs;
        assert_eq!(
            [second(0), second(120), second(121), second(7300)].map(time),
            ["0s", "120s", "2min", "2h"]
        );
        assert_eq!([999, 4096, 5 << 20, 3 << 29].map(size), ["999 B", "4 KiB", "5 MiB", "1.5 GiB"]);
        assert_eq!((many(1, "socket"), many(0, "socket")), ("1 socket".to_owned(), "0 sockets".to_owned()));
        assert_eq!(parts(&[(80, 9), (443, 1), (1, 1)], 2), "80 (9), 443 (1), ...");
    }
}
