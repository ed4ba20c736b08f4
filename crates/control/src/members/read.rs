//! A member list as a workspace exports it: CSV with a header, commas, semicolons or tabs between its cells. The whole list is taken
//! or none of it, and then every bad row is named by its line. What is in it is nobody's until [`super::compare`] says whose.

use std::collections::BTreeMap;

use csv::{ReaderBuilder, StringRecord};
use domain::limits;

use crate::tasks::address;
use crate::text::is_hostile;

/// Which column holds what, by the names of the header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// The e-mail address.
    pub email: String,
    /// The name.
    pub name: Option<String>,
    /// The role in the workspace.
    pub role: Option<String>,
    /// Whether the person is in it: `active`, `pending`, `removed`.
    pub status: Option<String>,
}

impl Columns {
    /// From pairs such as `email=E-mail address`.
    pub fn from_pairs(pairs: &[(String, String)]) -> Result<Self, BadList> {
        let mut by_word: BTreeMap<&str, &str> = BTreeMap::new();
        for (word, column) in pairs {
            let is_word = matches!(&**word, "email" | "name" | "role" | "status");
            if !is_word || by_word.insert(word, column).is_some() {
                return Err(BadList::Mapping(word.chars().take(40).collect()));
            }
        }
        let named = |word| by_word.get(word).map(|column| (*column).to_owned());
        Ok(Self {
            email: named("email").ok_or_else(|| BadList::Mapping("email".to_owned()))?,
            name: named("name"),
            role: named("role"),
            status: named("status"),
        })
    }
}

/// One row of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The line it begins on, from 1.
    pub line: u64,
    /// The e-mail address, in lower case.
    pub email: String,
    /// The name, where the list has one.
    pub name: Option<String>,
    /// The role, in lower case, where the list has one.
    pub role: Option<String>,
    /// Whether the list says that the person is in the workspace.
    pub is_in: bool,
}

/// A row that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct BadRow {
    /// Its line, from 1.
    pub line: u64,
    /// What is wrong with it. Never repeats the cell.
    pub what: String,
}

/// Why a list was not taken. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadList {
    /// Too large.
    #[error("the list is larger than {} bytes", limits::MEMBER_LIST_BYTES_MAX)]
    TooLarge,
    /// Not text as it is read.
    #[error("line {0}: the list is not UTF-8; save it as \"CSV UTF-8\"")]
    Encoding(usize),
    /// A quote in the header that is never closed, or stands where none may.
    #[error("line {0}: {quote}", quote = QUOTE)]
    Quote(u64),
    /// No such word of a mapping, or one that is missing or stands twice.
    #[error("`{0}`: a mapping names email, and may name name, role and status, each once")]
    Mapping(String),
    /// A column that the header does not name once.
    #[error("the header has {times} columns named `{name}`; it has: {header}")]
    Column {
        /// As it was asked for.
        name: String,
        /// How often it is there.
        times: usize,
        /// What the header names.
        header: String,
    },
    /// It has rows that cannot be taken.
    #[error("{} rows cannot be taken, and so nothing was:\n{}", .0.len(), lines(.0))]
    Rows(Vec<BadRow>),
    /// It has no rows.
    #[error("the list has a header and no rows")]
    Empty,
}

const QUOTE: &str = "a quotation mark stands inside a cell, or is opened and never closed";

fn lines(rows: &[BadRow]) -> String {
    let lines: Vec<String> = rows.iter().map(|row| format!("  {row}")).collect();
    lines.join("\n")
}

/// Reads a list, or says everything that is wrong with it.
pub fn read(bytes: &[u8], columns: &Columns) -> Result<Vec<Member>, BadList> {
    if bytes.len() > limits::MEMBER_LIST_BYTES_MAX {
        return Err(BadList::TooLarge);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        BadList::Encoding(line_of(&before))
    })?;
    if text.contains('\0') {
        let before = text.split('\0').next().unwrap_or_default();
        return Err(BadList::Encoding(line_of(before)));
    }
    let delimiter = delimiter(text);
    let stray = stray_quote(text, delimiter);
    // From there on it cannot be told which rows there are.
    let readable = stray.map_or(text, |stray| &text[..stray.row]);
    if let Some(stray) = stray.filter(|_| readable.trim().is_empty()) {
        return Err(BadList::Quote(stray.line));
    }
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(readable.as_bytes());
    let mut records = reader.records().map_while(Result::ok);
    let header = records.next().ok_or(BadList::Empty)?;
    let places = Places::find(&header, columns)?;
    let mut lines = Lines::of(text);
    let (mut members, mut bad) = (Vec::new(), Vec::new());
    for record in records {
        let line = lines.at(record.position().map_or(0, csv::Position::byte));
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        match places.member(&record, line, header.len()) {
            Ok(member) => members.push(member),
            Err(what) => bad.push(BadRow { line, what }),
        }
        if members.len() + bad.len() > limits::MEMBER_LIST_ROWS_MAX {
            let what = format!(
                "the list has more than {} rows",
                limits::MEMBER_LIST_ROWS_MAX
            );
            bad.push(BadRow { line, what });
            break;
        }
    }
    if let Some(Stray { line, .. }) = stray {
        let what = format!("{QUOTE}; what follows it was not looked at");
        bad.push(BadRow { line, what });
    }
    match (members.is_empty(), bad.is_empty()) {
        (_, false) => Err(BadList::Rows(bad)),
        (true, true) => Err(BadList::Empty),
        (false, true) => Ok(members),
    }
}

/// Counts lines as an editor does, from one row to the next. A row's own place may still have the end of the line before it ahead.
struct Lines<'t> {
    text: &'t str,
    counted: usize,
    line: u64,
}

impl<'t> Lines<'t> {
    const fn of(text: &'t str) -> Self {
        Self {
            text,
            counted: 0,
            line: 1,
        }
    }

    fn at(&mut self, place: u64) -> u64 {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let is_end = |at: usize| matches!(self.text.as_bytes().get(at), Some(b'\r' | b'\n'));
        let mut place = place.min(self.text.len());
        while is_end(place) {
            place += 1;
        }
        let passed = self.text.get(self.counted..place).unwrap_or_default();
        let ends = passed.matches('\n').count();
        self.line += u64::try_from(ends).unwrap_or(0);
        self.counted = place.max(self.counted);
        self.line
    }
}

/// A quotation mark that stands where none may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stray {
    /// Where its row begins.
    row: usize,
    /// The line of the mark, from 1.
    line: u64,
}

fn line_of(before: &str) -> usize {
    before.matches('\n').count() + 1
}

/// A quotation mark that nothing closes, or that stands where none may: it begins a cell, ends one, or stands doubled
/// in one that it began. Read otherwise, rows would melt into one and their people would be missing.
fn stray_quote(text: &str, delimiter: u8) -> Option<Stray> {
    enum At {
        Begin,
        Plain,
        Quoted(usize),
        Closed(usize),
    }
    let (mut at, mut row) = (At::Begin, 0);
    let found = |row: usize, place: usize| {
        let line = u64::try_from(line_of(&text[..place])).unwrap_or(u64::MAX);
        Some(Stray { row, line })
    };
    for (place, byte) in text.bytes().enumerate() {
        let ends = byte == delimiter || matches!(byte, b'\r' | b'\n');
        at = match (at, byte) {
            (At::Begin | At::Closed(_), b'"') => At::Quoted(place),
            (At::Plain, b'"') => return found(row, place),
            (At::Quoted(from), b'"') => At::Closed(from),
            (At::Quoted(from), _) => At::Quoted(from),
            (_, _) if ends => {
                if byte != delimiter {
                    row = place + 1;
                }
                At::Begin
            }
            (At::Closed(from), _) => return found(row, from),
            (_, _) => At::Plain,
        };
    }
    match at {
        At::Quoted(from) => found(row, from),
        _ => None,
    }
}

/// Whichever of comma, semicolon and tab stands most often in the header.
fn delimiter(text: &str) -> u8 {
    let header = text.lines().next().unwrap_or_default();
    let count = |delimiter: &u8| header.bytes().filter(|byte| byte == delimiter).count();
    let mut best = b',';
    for candidate in [b';', b'\t'] {
        if count(&candidate) > count(&best) {
            best = candidate;
        }
    }
    best
}

struct Places {
    email: usize,
    name: Option<usize>,
    role: Option<usize>,
    status: Option<usize>,
}

impl Places {
    fn find(header: &StringRecord, columns: &Columns) -> Result<Self, BadList> {
        let place = |name: &str| {
            let is_it = |cell: &str| cell.trim().to_lowercase() == name.trim().to_lowercase();
            let mut found = header.iter().enumerate().filter(|(_, cell)| is_it(cell));
            match (found.next(), found.count()) {
                (Some((place, _)), 0) => Ok(place),
                (first, more) => Err(BadList::Column {
                    name: name.chars().take(80).collect(),
                    times: more + usize::from(first.is_some()),
                    header: shown(header),
                }),
            }
        };
        let maybe = |name: &Option<String>| name.as_deref().map(place).transpose();
        Ok(Self {
            email: place(&columns.email)?,
            name: maybe(&columns.name)?,
            role: maybe(&columns.role)?,
            status: maybe(&columns.status)?,
        })
    }

    fn member(&self, row: &StringRecord, line: u64, cells: usize) -> Result<Member, String> {
        if row.len() != cells {
            return Err(format!(
                "has {} cells where the header has {cells}",
                row.len()
            ));
        }
        let is_long = |cell: &str| cell.chars().count() > limits::MEMBER_LIST_CELL_CHARS_MAX;
        if row.iter().any(is_long) {
            let max = limits::MEMBER_LIST_CELL_CHARS_MAX;
            return Err(format!("has a cell of more than {max} characters"));
        }
        let cell = |place: Option<usize>| place.and_then(|at| row.get(at)).map(str::trim);
        let email = cell(Some(self.email)).unwrap_or_default();
        let email = address("email", email).map_err(|_| {
            let what = match email {
                "" => "has no e-mail address: the cell is empty",
                _ => "has a cell for the e-mail address that holds none",
            };
            what.to_owned()
        })?;
        let role = cell(self.role);
        let role_is_wrong = |role: &str| role.is_empty() || role.chars().any(is_hostile);
        if role.is_some_and(role_is_wrong) {
            return Err("has no role that can be read".to_owned());
        }
        let is_in = match cell(self.status).map(str::to_lowercase).as_deref() {
            None | Some("active" | "enabled" | "accepted" | "invited" | "pending" | "yes") => true,
            Some("removed" | "inactive" | "deactivated" | "disabled" | "suspended" | "no") => false,
            Some(_) => return Err("has a status that is not known here".to_owned()),
        };
        let name = cell(self.name).filter(|name| !name.is_empty());
        Ok(Member {
            line,
            email,
            name: name.map(|name| name.chars().map(shown_char).collect()),
            role: role.map(str::to_lowercase),
            is_in,
        })
    }
}

fn shown(header: &StringRecord) -> String {
    let cells = header.iter().take(40);
    let names: Vec<String> = cells
        .map(|cell| cell.trim().chars().take(40).map(shown_char).collect())
        .collect();
    names.join(", ")
}

fn shown_char(character: char) -> char {
    if is_hostile(character) {
        '\u{fffd}'
    } else {
        character
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn columns() -> Columns {
        Columns {
            email: "Email".to_owned(),
            name: Some("Name".to_owned()),
            role: Some("Role".to_owned()),
            status: None,
        }
    }

    fn brief(found: Result<Vec<Member>, BadList>) -> Result<String, String> {
        let line = |m: &Member| {
            let (name, role) = (m.name.as_deref(), m.role.as_deref());
            format!(
                "{} {} {:?} {:?}",
                m.line,
                m.email,
                name.unwrap_or("-"),
                role.unwrap_or("-")
            )
        };
        found
            .map(|members| members.iter().map(line).collect::<Vec<_>>().join("|"))
            .map_err(|bad| bad.to_string())
    }

    #[test]
    fn a_quote_begins_a_cell_ends_it_or_stands_doubled_in_it() {
        let check = |text: &str, line: Option<u64>| {
            let found = stray_quote(text, b',').map(|stray| stray.line);
            assert_eq!(found, line, "{text:?}");
        };
        for fine in [
            "",
            "a,b\n",
            "\"a\",b\r\n\"x, \"\"y\"\"\",\"\"\r\"z\"",
            "\"a\nb\",c",
        ] {
            check(fine, None);
        }
        check("a\n\"b", Some(2));
        check("a\nb\"x,c\"\n", Some(2));
        check("a\n\"b\"x\"y\n", Some(2));
        check("a\nb\",1\nc,2\nd,\"3", Some(2));
    }

    #[test]
    fn a_list_reads_however_a_spreadsheet_saved_it() {
        let expected = Ok(r#"2 ada@acme.example "Ada" "owner""#.to_owned());
        for text in [
            "Email,Name,Role\nADA@acme.example,Ada,Owner\n",
            "\u{feff}Email,Name,Role\r\nada@acme.example,Ada,Owner\r\n",
            "email;name;role\nada@acme.example;Ada;owner",
            "EMAIL\tNAME\tROLE\nada@acme.example\tAda\towner\n\n",
            "Role,Team,Email,Name\nOwner,x, ada@acme.example ,\"Ada\"\n,,,\n",
        ] {
            assert_eq!(
                brief(read(text.as_bytes(), &columns())),
                expected,
                "{text:?}"
            );
        }
        let nested = "Email,Name,Role\n\"ada@acme.example\",\"A \"\"x\"\"\nB, C\",Owner\nb@acme.example,B,User\n";
        let found = read(nested.as_bytes(), &columns()).unwrap();
        assert_eq!(found[0].name.as_deref(), Some("A \"x\"\u{fffd}B, C"));
        assert_eq!((found[0].line, found[1].line), (2, 4));
    }

    fn refused(text: &[u8], says: &str) {
        let told = brief(read(text, &columns())).unwrap_err();
        assert!(told.contains(says), "{told}");
    }

    #[test]
    fn one_bad_row_takes_nothing_and_every_bad_row_is_named_by_its_line() {
        refused(
            b"Email,Name,Role\nada@acme.example,Ada,Owner\nnobody,X,User\n\"a\nb\",B,User\nc@acme.example,C\nd@acme.example,D,\n",
            "4 rows cannot be taken, and so nothing was:\n  line 3: has a cell for the e-mail address that holds none\n  \
             line 4: has a cell for the e-mail address that holds none\n  \
             line 6: has 2 cells where the header has 3\n  line 7: has no role that can be read",
        );
        let long = format!(
            "Email,Name,Role\na@acme.example,{},User\n",
            "x".repeat(2_000)
        );
        refused(long.as_bytes(), "line 2: has a cell of more than");
    }

    #[test]
    fn bad_rows_before_a_stray_quote_are_named_beside_it() {
        refused(
            b"Email,Name,Role\nnobody,X,User\na@b.c,\"x\ny\",User\n\"b@b.c\",\"x\ny\",\"User\nc,d\n",
            "2 rows cannot be taken, and so nothing was:\n  line 2: has a cell for the e-mail address that holds none\n  \
             line 6: a quotation mark stands inside a cell, or is opened and never closed; what follows it was not looked at",
        );
    }

    #[test]
    fn what_is_no_list_is_refused_with_a_sentence_that_helps() {
        refused(b"", "no rows");
        refused(b"Email,Name,Role\n", "no rows");
        refused(
            b"Mail,Name,Role\na@b.c,x,y\n",
            "0 columns named `Email`; it has: Mail, Name, Role",
        );
        refused(
            b"Email,email,Name,Role\na@b.c,x,y,z\n",
            "2 columns named `Email`",
        );
        refused(b"Email,Name,Role\n,x,y\n", "line 2: has no e-mail address");
        refused(
            b"Email,Name,\"Role\na@b.c,x,y\n",
            "line 1: a quotation mark stands inside a cell, or is opened and never closed",
        );
        refused(
            b"Email,Name,Role\na@b.c,\xff,y\n",
            "line 2: the list is not UTF-8",
        );
        refused(b"\xff\xfeE\0m\0", "line 1: the list is not UTF-8");
        refused(
            b"Email,Name,Role\na@b.c,\0,y\n",
            "line 2: the list is not UTF-8",
        );
        refused(
            &vec![b'x'; limits::MEMBER_LIST_BYTES_MAX + 1],
            "larger than",
        );
    }

    #[test]
    fn a_status_says_whether_somebody_is_in() {
        let columns = Columns {
            status: Some("Status".to_owned()),
            name: None,
            role: None,
            ..columns()
        };
        let text = b"Email,Status\na@b.c,Active\nd@b.c,Removed\n";
        let found: Vec<bool> = read(text, &columns)
            .unwrap()
            .iter()
            .map(|m| m.is_in)
            .collect();
        assert_eq!(found, [true, false]);
        assert!(read(b"Email,Status\na@b.c,perhaps\n", &columns).is_err());
    }

    #[test]
    fn a_mapping_names_each_word_once() {
        let pairs = |pairs: &[(&str, &str)]| {
            let own = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
            Columns::from_pairs(&pairs.iter().map(own).collect::<Vec<_>>())
        };
        assert!(pairs(&[("email", "E"), ("role", "R")]).is_ok());
        for wrong in [
            &[][..],
            &[("role", "R")],
            &[("email", "a"), ("email", "b")],
            &[("email", "a"), ("x", "b")],
        ] {
            assert!(pairs(wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[a-z@.,;\"\n]{0,80}") {
            let _any = read(&bytes, &columns());
            let text = format!("Email,Name,Role\n{text}");
            if let Ok(members) = read(text.as_bytes(), &columns()) {
                prop_assert!(members.iter().all(|m| m.email.contains('@') && m.line > 1));
            }
        }
    }
}
