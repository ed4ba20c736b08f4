//! Findings as CSV for a spreadsheet. A cell never begins as a formula does: what a stranger wrote into a list must not run where an
//! administrator opens the answer.

use super::{Compared, Finding};
use crate::text;

/// The findings, a row each: finding, line, e-mail, person, particulars.
pub fn as_csv(compared: &Compared) -> String {
    let mut rows = csv::Writer::from_writer(Vec::new());
    // Writing to memory does not fail; a row that did would be left out whole.
    let mut put = |cells: [String; 5]| {
        let cells = cells.map(|cell| text::cell(&cell));
        let _ = rows.write_record(cells);
    };
    put(["finding", "line", "email", "person", "particulars"].map(str::to_owned));
    for finding in &compared.findings {
        put(row(finding));
    }
    let bytes = rows.into_inner().unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

fn row(finding: &Finding) -> [String; 5] {
    let none = String::new;
    match finding {
        Finding::LeftButListed {
            line,
            email,
            person,
            since,
        } => [
            "left_but_listed".into(),
            line.to_string(),
            email.clone(),
            person.to_string(),
            format!("left {since}"),
        ],
        Finding::Unknown { line, email } => [
            "unknown".into(),
            line.to_string(),
            email.clone(),
            none(),
            none(),
        ],
        Finding::Guest { line, email } => [
            "guest".into(),
            line.to_string(),
            email.clone(),
            none(),
            none(),
        ],
        Finding::Duplicate { line, first, email } => [
            "duplicate".into(),
            line.to_string(),
            email.clone(),
            none(),
            format!("also on line {first}"),
        ],
        Finding::NotListed { person, email } => [
            "not_listed".into(),
            none(),
            email.clone().unwrap_or_default(),
            person.to_string(),
            none(),
        ],
        Finding::RoleDiffers {
            line,
            email,
            listed,
            expected,
        } => [
            "role_differs".into(),
            line.to_string(),
            email.clone(),
            none(),
            format!("{listed} in the list, {expected} by the directory"),
        ],
        Finding::Owners { owners, what } => [
            "owners".into(),
            none(),
            none(),
            none(),
            format!("{owners}: {what}"),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::FORMULA_STARTS;

    #[test]
    fn no_cell_begins_as_a_formula_does() {
        let finding = |email: &str| Finding::Unknown {
            line: 2,
            email: email.to_owned(),
        };
        let hostile = [
            "=cmd|'/c calc'!a@b.c",
            "+1@b.c",
            "-1@b.c",
            "@sum@b.c",
            " =1@b.c",
            "＝1@b.c",
            "\"=1,\"@b.c",
        ];
        let compared = Compared {
            listed: 1,
            present: 1,
            domains_known: false,
            roles_compared: false,
            findings: hostile.map(finding).to_vec(),
        };
        let text = as_csv(&compared);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        for record in reader.records().map(Result::unwrap) {
            for cell in &record {
                assert!(!cell.trim_start().starts_with(FORMULA_STARTS), "{cell:?}");
            }
        }
        assert_eq!(text.lines().count(), hostile.len() + 1);
    }
}
