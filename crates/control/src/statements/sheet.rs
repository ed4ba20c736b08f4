//! A statement for a spreadsheet. What stands in a name came from a directory or a client: no cell begins as a formula does. Money is
//! exact, in dollars, and never rounded.

use store::UsageSum;

use super::{Line, Statement};
use crate::text;

const HEADER: [&str; 14] = [
    "line",
    "of",
    "name",
    "requests",
    "refused",
    "input_tokens",
    "output_tokens",
    "cache_write_tokens",
    "cache_read_tokens",
    "cost_usd",
    "estimated_requests",
    "estimated_usd",
    "unpriced_requests",
    "unpriced_usd",
];

/// The statement, a row for each line and one for the total. The first cell says which it is: `line`, `not attributed` or `total`.
pub fn as_csv(statement: &Statement) -> String {
    let mut rows = csv::Writer::from_writer(Vec::new());
    // Writing to memory does not fail; a row that did would be left out whole.
    let mut put = |cells: [String; 14]| {
        let cells = cells.map(|cell| text::cell(&cell));
        let _ = rows.write_record(cells);
    };
    put(HEADER.map(str::to_owned));
    for line in &statement.lines {
        put(row(line));
    }
    put(cells("total", ["", ""], &statement.total));
    let bytes = rows.into_inner().unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

fn row(line: &Line) -> [String; 14] {
    let name = line.name.as_deref().unwrap_or_default();
    match &line.of {
        Some(of) => cells("line", [of, name], &line.sum),
        None => cells("not attributed", ["", ""], &line.sum),
    }
}

fn cells(line: &str, [of, name]: [&str; 2], sum: &UsageSum) -> [String; 14] {
    [
        line.to_owned(),
        of.to_owned(),
        name.to_owned(),
        sum.requests.to_string(),
        sum.refused.to_string(),
        sum.input_tokens.to_string(),
        sum.output_tokens.to_string(),
        sum.cache_write_tokens.to_string(),
        sum.cache_read_tokens.to_string(),
        sum.cost.to_string(),
        sum.estimated_requests.to_string(),
        sum.estimated.to_string(),
        sum.unpriced_requests.to_string(),
        sum.unpriced.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::{By, Wanted};
    use super::*;
    use crate::text::FORMULA_STARTS;
    use domain::{Timestamp, Usd};

    #[test]
    fn no_cell_begins_as_a_formula_does_and_no_digit_is_lost() {
        let mut sum = UsageSum {
            cost: Usd::from_nanos(1_234_567_890_123_456_789),
            requests: u64::MAX,
            ..UsageSum::default()
        };
        let hostile = [
            "=cmd|'/c calc'!A0",
            "@sum(1)",
            "+1",
            "-1",
            "\t=1",
            "a\",\n=1",
        ];
        let mut lines: Vec<Line> = hostile
            .iter()
            .map(|name| Line {
                of: Some((*name).to_owned()),
                name: Some(format!(" {name}")),
                sum: sum.clone(),
            })
            .collect();
        sum.cost = Usd::from_nanos(1);
        lines.push(Line {
            of: None,
            name: None,
            sum: sum.clone(),
        });
        let statement = Statement {
            wanted: Wanted {
                from: Timestamp::from_unix_ms(0),
                to: Timestamp::from_unix_ms(1),
                by: By::Model,
                groups: Vec::new(),
            },
            made: Timestamp::from_unix_ms(0),
            lines,
            total: sum,
        };
        let text = as_csv(&statement);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), hostile.len() + 2);
        for cell in rows.iter().flatten() {
            assert!(!cell.trim_start().starts_with(FORMULA_STARTS), "{cell:?}");
        }
        assert_eq!(&rows[0][9], "1234567890.123456789");
        let [rest, total] = [&rows[hostile.len()], &rows[hostile.len() + 1]];
        assert_eq!((&rest[0], &rest[9]), ("not attributed", "0.000000001"));
        assert_eq!((&total[0], &total[3]), ("total", "18446744073709551615"));
    }
}
