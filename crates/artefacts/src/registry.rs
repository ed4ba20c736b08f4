//! Windows registry files, version 5: UTF-16 with a mark of its order, and lines that end as Windows ends them, because `reg import` reads
//! anything else in the machine's own code page. Used by every format for Windows.

use std::fmt::Write as _;

/// A file that sets texts under one key. What stands there already and is not in the file goes when `is_whole`.
pub(crate) fn file(
    key: &str,
    remarks: &[String],
    values: &[(String, String)],
    is_whole: bool,
) -> Vec<u8> {
    let mut text = "Windows Registry Editor Version 5.00\r\n\r\n".to_owned();
    for remark in remarks {
        let line: String = remark
            .chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect();
        let _ = write!(text, "; {line}\r\n");
    }
    if is_whole {
        let _ = write!(text, "\r\n[-{key}]\r\n");
    }
    let _ = write!(text, "\r\n[{key}]\r\n");
    for (name, value) in values {
        let _ = write!(text, "\"{}\"={}\r\n", escaped(name), data(value));
    }
    let mut bytes = vec![0xff, 0xfe];
    bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    bytes
}

/// A text between quotes; as bytes when it has a line end, which quotes cannot hold.
fn data(value: &str) -> String {
    if !value.chars().any(char::is_control) {
        return format!("\"{}\"", escaped(value));
    }
    let units = value.encode_utf16().chain(std::iter::once(0));
    let bytes: Vec<String> = units
        .flat_map(u16::to_le_bytes)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("hex(1):{}", bytes.join(","))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_back_strokes_are_escaped_and_line_ends_become_bytes() {
        assert_eq!(data(r#"{"a":"C:\\x"}"#), r#""{\"a\":\"C:\\\\x\"}""#);
        assert_eq!(data("a\nb"), "hex(1):61,00,0a,00,62,00,00,00");
    }

    #[test]
    fn the_file_is_utf_16_with_its_mark_and_a_remark_stays_on_its_line() {
        let bytes = file("HKEY_X\\Y", &["ring\r\n[-HKEY_Z]".to_owned()], &[], true);
        assert_eq!(&bytes[..4], &[0xff, 0xfe, b'W', 0]);
        let units = bytes[2..]
            .chunks(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let text: String = char::decode_utf16(units).map(Result::unwrap).collect();
        assert!(!text.lines().any(|line| line == "[-HKEY_Z]"));
        assert!(text.contains("\r\n[-HKEY_X\\Y]\r\n\r\n[HKEY_X\\Y]\r\n"));
    }
}
