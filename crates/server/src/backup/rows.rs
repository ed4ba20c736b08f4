//! Rows as lines: first what the columns are called and hold, then one JSON array a row. Numbers are numbers, texts texts, bytes
//! base64, and what is absent is null, so that either engine can take the rows of the other.
//!
//! ```text
//! {"table":"secrets","columns":[["name","text"],["sealed","bytes"]]}
//! ["session-key","AdTf…"]
//! ```

use std::io::{self, Write};

use anyhow::{Context as _, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use store::whole::{Column, Kind, Table, Value};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    table: String,
    columns: Vec<(String, String)>,
}

/// Writes what the columns are.
pub(super) fn write_head(table: &Table, out: &mut impl Write) -> io::Result<()> {
    let column = |column: &Column| (column.name.clone(), column.kind.as_str().to_owned());
    let head = Head {
        table: table.name.clone(),
        columns: table.columns.iter().map(column).collect(),
    };
    serde_json::to_writer(&mut *out, &head)?;
    out.write_all(b"\n")
}

/// Reads what the columns of this table are.
pub(super) fn read_head(table: &str, line: &[u8]) -> anyhow::Result<Vec<Column>> {
    let head: Head =
        serde_json::from_slice(line).context("the first line does not name columns")?;
    ensure!(head.table == table, "the rows are of {:?}", head.table);
    let column = |(name, kind): (String, String)| {
        let kind = Kind::parse(&kind).with_context(|| format!("a column holds {kind:?}"))?;
        Ok(Column { name, kind })
    };
    head.columns.into_iter().map(column).collect()
}

/// Writes a row.
pub(super) fn write_row(row: &[Value], out: &mut impl Write) -> io::Result<()> {
    for (at, value) in row.iter().enumerate() {
        out.write_all(if at == 0 { b"[" } else { b"," })?;
        match value {
            Value::Null => out.write_all(b"null")?,
            Value::Integer(number) => write!(out, "{number}")?,
            Value::Text(text) => serde_json::to_writer(&mut *out, text)?,
            Value::Bytes(bytes) => write!(out, "\"{}\"", BASE64_STANDARD.encode(bytes))?,
        }
    }
    out.write_all(b"]\n")
}

/// Reads a row of these columns.
pub(super) fn read_row(line: &[u8], columns: &[Column]) -> anyhow::Result<Vec<Value>> {
    let row: Vec<Json> = serde_json::from_slice(line).context("it is not a row")?;
    ensure!(row.len() == columns.len(), "it has {} columns", row.len());
    let value = |(json, column): (Json, &Column)| {
        Ok(match (json, column.kind) {
            (Json::Null, _) => Value::Null,
            (Json::Number(number), Kind::Integer) => {
                Value::Integer(number.as_i64().context("a number is too large")?)
            }
            (Json::String(text), Kind::Text) => Value::Text(text),
            (Json::String(text), Kind::Bytes) => Value::Bytes(
                BASE64_STANDARD
                    .decode(text)
                    .context("bytes are not base64")?,
            ),
            _ => anyhow::bail!("`{}` holds something else", column.name),
        })
    };
    row.into_iter().zip(columns).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        [("a", Kind::Integer), ("b", Kind::Text), ("c", Kind::Bytes)]
            .map(|(name, kind)| Column {
                name: name.to_owned(),
                kind,
            })
            .into()
    }

    #[test]
    fn rows_come_back_as_they_were() {
        let table = Table {
            name: "things".to_owned(),
            columns: columns(),
        };
        for row in [
            vec![Value::Null, Value::Null, Value::Null],
            vec![
                Value::Integer(i64::MIN),
                Value::Text(String::new()),
                Value::Bytes(Vec::new()),
            ],
            vec![
                Value::Integer(9_007_199_254_740_993),
                Value::Text("ü\n\"\\\u{1}\u{2028}".to_owned()),
                Value::Bytes((0..=255).collect()),
            ],
        ] {
            let mut text = Vec::new();
            write_head(&table, &mut text).unwrap();
            write_row(&row, &mut text).unwrap();
            let lines: Vec<&[u8]> = text.split_inclusive(|&b| b == b'\n').collect();
            assert_eq!(lines.len(), 2, "one line each");
            assert_eq!(read_head("things", lines[0]).unwrap(), columns());
            assert_eq!(read_row(lines[1], &columns()).unwrap(), row);
        }
    }

    #[test]
    fn what_is_no_row_is_refused() {
        for line in [
            "",
            "{}",
            "[]",
            "[1,2,3]",
            "[\"1\",\"b\",null]",
            "[1.5,\"b\",null]",
            "[99999999999999999999,null,null]",
            "[1,\"b\",\"?\"]",
            "[1,\"b\",null,null]",
        ] {
            read_row(line.as_bytes(), &columns()).unwrap_err();
        }
        for head in [
            "",
            "[]",
            r#"{"table":"x","columns":[]}"#,
            r#"{"table":"things","columns":[["a","float"]]}"#,
        ] {
            read_head("things", head.as_bytes()).unwrap_err();
        }
    }
}
