//! Findings as CSV for a spreadsheet. A cell never begins as a formula does: what a stranger wrote into a list must not run where an
//! administrator opens the answer.

use domain::limits;

use super::Finding;
use super::check::{Checked, findings};
use crate::{ControlError, Operation, text};

/// The header, and the findings, a row each: finding, line, e-mail, person, particulars.
pub fn as_csv(findings: &[Finding]) -> String {
    header() + &rows(findings)
}

/// Everything that a check found, as CSV.
pub async fn sheet(operation: &Operation<'_>, checked: &Checked) -> Result<String, ControlError> {
    let mut sheet = header();
    let mut from = 0;
    loop {
        let most = limits::MEMBER_FINDINGS_PIECE;
        let found = findings(operation, &checked.record, from, most).await?;
        if found.is_empty() {
            return Ok(sheet);
        }
        from += found.len();
        sheet.push_str(&rows(&found));
    }
}

/// The names of the columns, as the first line.
pub fn header() -> String {
    "finding,line,email,person,particulars\n".to_owned()
}

/// The findings alone, for whoever writes them piece by piece.
pub fn rows(findings: &[Finding]) -> String {
    let mut rows = csv::Writer::from_writer(Vec::new());
    for finding in findings {
        let cells = row(finding).map(|cell| text::cell(&cell));
        // Writing to memory does not fail; a row that did would be left out whole.
        let _ = rows.write_record(cells);
    }
    let bytes = rows.into_inner().unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

fn row(finding: &Finding) -> [String; 5] {
    let (none, word) = (String::new, finding.word().to_owned());
    match finding {
        Finding::LeftButListed {
            line,
            email,
            person,
            since,
        } => [
            word,
            line.to_string(),
            email.clone(),
            person.to_string(),
            format!("left {since}"),
        ],
        Finding::Unknown { line, email } | Finding::Guest { line, email } => {
            [word, line.to_string(), email.clone(), none(), none()]
        }
        Finding::Duplicate { line, first, email } => [
            word,
            line.to_string(),
            email.clone(),
            none(),
            format!("also on line {first}"),
        ],
        Finding::NotListed { person, email } => [
            word,
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
            word,
            line.to_string(),
            email.clone(),
            none(),
            format!("{listed} in the list, {expected} by the directory"),
        ],
        Finding::Owners { owners, what } => {
            [word, none(), none(), none(), format!("{owners}: {what}")]
        }
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
        let text = as_csv(&hostile.map(finding));
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        for record in reader.records().map(Result::unwrap) {
            for cell in &record {
                assert!(!cell.trim_start().starts_with(FORMULA_STARTS), "{cell:?}");
            }
        }
        assert_eq!(text.lines().count(), hostile.len() + 1);
    }
}
