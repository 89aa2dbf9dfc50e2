//! What `offsets` prints: a table for people, an object a line for programs.

use crate::cli::output::{counted, grouped};
use serde::Serialize;

/// Where a group stands in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) partition: i32,
    /// The next offset that the group would read, where it has committed one.
    pub(super) committed: Option<i64>,
    /// The first offset that is there.
    pub(super) first: i64,
    /// The end: behind the last record that can be read.
    pub(super) end: i64,
}

/// Where a group goes on in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) from: Standing,
    pub(super) to: i64,
}

#[derive(Serialize)]
struct StandingLine<'a> {
    group: &'a str,
    members: usize,
    topic: &'a str,
    partition: i32,
    committed: Option<i64>,
    first: i64,
    end: i64,
    lag: Option<i64>,
}

#[derive(Serialize)]
struct MoveLine<'a> {
    group: &'a str,
    topic: &'a str,
    partition: i32,
    from: Option<i64>,
    to: i64,
    dry_run: bool,
}

impl Standing {
    /// Offsets between what is committed and the end; `None` where nothing is committed.
    fn lag(&self) -> Option<i64> {
        self.committed.map(|committed| (self.end - committed).max(0))
    }

    pub(super) fn json(&self, group: &str, topic: &str, members: usize) -> String {
        let Standing { partition, committed, first, end } = *self;
        line(&StandingLine { group, members, topic, partition, committed, first, end, lag: self.lag() })
    }
}

impl Move {
    pub(super) fn json(&self, group: &str, topic: &str, dry_run: bool) -> String {
        let Standing { partition, committed, .. } = self.from;
        line(&MoveLine { group, topic, partition, from: committed, to: self.to, dry_run })
    }

    /// `in[0]: 15 -> 0: 15 offsets are read again`.
    pub(super) fn text(&self, topic: &str) -> String {
        let Move { from: Standing { partition, committed, .. }, to } = self;
        let place = format!("{topic}[{partition}]");
        let Some(from) = committed else { return format!("{place}: starts at {to}") };
        let distance = counted(from.abs_diff(*to), "offset");
        match to.cmp(from) {
            std::cmp::Ordering::Less => format!("{place}: {from} -> {to}: {distance} read again"),
            std::cmp::Ordering::Equal => format!("{place}: stays at {to}"),
            std::cmp::Ordering::Greater => format!("{place}: {from} -> {to}: {distance} skipped"),
        }
    }
}

fn line(of: &impl Serialize) -> String {
    serde_json::to_string(of).expect("numbers and text")
}

/// A row a partition, the numbers flush right, and their sum.
pub(super) fn of(standings: &[Standing]) -> String {
    let number = |value: i64| if value < 0 { value.to_string() } else { grouped(value.unsigned_abs()) };
    let shown = |value: Option<i64>| value.map_or_else(|| "-".to_owned(), number);
    let mut rows = vec![["partition", "committed", "first", "end", "lag"].map(str::to_owned)];
    rows.extend(standings.iter().map(|at| {
        [at.partition.to_string(), shown(at.committed), number(at.first), number(at.end), shown(at.lag())]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| {
            row.iter()
                .zip(&widths)
                .map(|(cell, &width)| format!("{cell:>width$}"))
                .collect::<Vec<_>>()
                .join("  ")
        })
        .collect();
    let lag: i64 = standings.iter().filter_map(Standing::lag).sum();
    let unknown = standings.iter().filter(|at| at.committed.is_none()).count();
    let mut sum = format!("lag {} in all", number(lag));
    if unknown > 0 {
        let partitions = counted(unknown as u64, "partition");
        sum.push_str(&format!(
            "; {partitions} without a committed offset, where KAFKA_AUTO_OFFSET_RESET decides"
        ));
    }
    lines.push(sum);
    lines.join("\n")
}

/// `2 members (a at 10.0.0.1, b at 10.0.0.2)`, of a large group the first few.
pub(super) fn listed(members: &[String]) -> String {
    const SHOWN_MAX: usize = 8;
    let mut shown: Vec<&str> = members.iter().take(SHOWN_MAX).map(String::as_str).collect();
    if members.len() > SHOWN_MAX {
        shown.push("…");
    }
    format!("{} ({})", counted(members.len() as u64, "member"), shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(partition: i32, committed: Option<i64>, first: i64, end: i64) -> Standing {
        Standing { partition, committed, first, end }
    }

    #[test]
    fn the_table_lines_up_and_adds_up() {
        let table = of(&[
            standing(0, Some(1_234_567), 0, 1_234_600),
            standing(1, None, 0, 7),
            // The topic was made anew: what is committed lies beyond its end.
            standing(2, Some(50), 3, 9),
        ]);
        let expected = "\
partition  committed  first        end  lag
        0  1,234,567      0  1,234,600   33
        1          -      0          7    -
        2         50      3          9    0
lag 33 in all; 1 partition without a committed offset, where KAFKA_AUTO_OFFSET_RESET decides";
        assert_eq!(table, expected);
    }

    #[test]
    fn a_move_says_what_comes_of_it() {
        let text = |committed, to| Move { from: standing(3, committed, 0, 100), to }.text("in");
        assert_eq!(text(Some(15), 14), "in[3]: 15 -> 14: 1 offset read again");
        assert_eq!(text(Some(15), 2_015), "in[3]: 15 -> 2015: 2,000 offsets skipped");
        assert_eq!(text(Some(15), 15), "in[3]: stays at 15");
        assert_eq!(text(None, 15), "in[3]: starts at 15");
    }

    #[test]
    fn programs_get_an_object_a_line() {
        assert_eq!(
            standing(1, None, 0, 7).json("g", "in", 2),
            r#"{"group":"g","members":2,"topic":"in","partition":1,"committed":null,"first":0,"end":7,"lag":null}"#
        );
        let moved = Move { from: standing(1, Some(5), 0, 7), to: 0 };
        assert_eq!(
            moved.json("g", "in", true),
            r#"{"group":"g","topic":"in","partition":1,"from":5,"to":0,"dry_run":true}"#
        );
    }

    #[test]
    fn of_a_large_group_the_first_few_are_named() {
        let members: Vec<String> = (0..9).map(|number| format!("m{number}")).collect();
        assert_eq!(listed(&members[..1]), "1 member (m0)");
        assert_eq!(listed(&members), "9 members (m0, m1, m2, m3, m4, m5, m6, m7, …)");
    }
}
