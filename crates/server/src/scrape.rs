//! The metrics of several organisations as one OpenMetrics text: each family once, each of its samples with the `org` it is of. Where
//! there is one organisation its text stays as it is, without that label. Called by `ops`.

use std::collections::HashMap;
use std::fmt::Write as _;

/// The closing line.
pub const END: &str = "# EOF\n";

/// What is said of a family and its samples.
#[derive(Debug, Default)]
struct Family {
    /// The text that describes it, the first that has it.
    described_by: usize,
    about: String,
    samples: String,
}

/// Puts texts without their closing lines together; `refused` counts requests that were for none of them.
pub fn together(texts: &[(&str, String)], refused: Option<u64>) -> String {
    let mut families: Vec<Family> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for (number, (org, text)) in texts.iter().enumerate() {
        let org = escaped(org);
        let mut current = None;
        for line in text.lines() {
            if let Some(name) = described(line) {
                let index = *known.entry(name).or_insert(families.len());
                if index == families.len() {
                    families.push(Family {
                        described_by: number,
                        ..Family::default()
                    });
                }
                if families[index].described_by == number {
                    let _ = writeln!(families[index].about, "{line}");
                }
                current = Some(index);
            } else if let Some(index) = current {
                let samples: &mut String = &mut families[index].samples;
                let _ = writeln!(samples, "{}", labelled(line, &org));
            }
        }
    }
    let mut whole = String::new();
    for family in families {
        whole.push_str(&family.about);
        whole.push_str(&family.samples);
    }
    let _ = write!(
        whole,
        "# HELP doorward_host_unknown Requests refused because their host is no organisation's.\n\
         # TYPE doorward_host_unknown counter\n\
         doorward_host_unknown_total {}\n{END}",
        refused.unwrap_or_default()
    );
    whole
}

/// The family that a line describes.
fn described(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("# ")?;
    rest.split(' ').nth(1)
}

/// A sample with one label more, in front of its others.
fn labelled(sample: &str, org: &str) -> String {
    let end = sample.find(['{', ' ']).unwrap_or(sample.len());
    let (name, rest) = sample.split_at(end);
    match rest.strip_prefix('{') {
        Some(labels) if labels.starts_with('}') => format!("{name}{{org=\"{org}\"{labels}"),
        Some(labels) => format!("{name}{{org=\"{org}\",{labels}"),
        None => format!("{name}{{org=\"{org}\"}}{rest}"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_stands_once_with_the_samples_of_everybody() {
        let text = |calls: u32| {
            format!(
                "# HELP calls Calls.\n# TYPE calls counter\ncalls_total{{outcome=\"ok\",what=\"a b\"}} {calls}\n\
                 # HELP up Up.\n# TYPE up gauge\nup 1\nup{{}} 2\n"
            )
        };
        let texts = [("Birch", text(1)), ("Kiln \"&\\ Co\"", text(2))];
        let expected = "# HELP calls Calls.\n# TYPE calls counter\n\
            calls_total{org=\"Birch\",outcome=\"ok\",what=\"a b\"} 1\n\
            calls_total{org=\"Kiln \\\"&\\\\ Co\\\"\",outcome=\"ok\",what=\"a b\"} 2\n\
            # HELP up Up.\n# TYPE up gauge\n\
            up{org=\"Birch\"} 1\nup{org=\"Birch\"} 2\n\
            up{org=\"Kiln \\\"&\\\\ Co\\\"\"} 1\nup{org=\"Kiln \\\"&\\\\ Co\\\"\"} 2\n\
            # HELP doorward_host_unknown Requests refused because their host is no organisation's.\n\
            # TYPE doorward_host_unknown counter\ndoorward_host_unknown_total 7\n# EOF\n";
        assert_eq!(together(&texts, Some(7)), expected);
    }

    #[test]
    fn what_only_one_has_is_described_as_well() {
        let text = |name: &str| format!("# HELP {name} X.\n# TYPE {name} gauge\n{name} 1\n");
        let whole = together(&[("a", text("one")), ("b", text("two"))], None);
        assert!(
            whole.contains("# TYPE one gauge\none{org=\"a\"} 1\n"),
            "{whole}"
        );
        assert!(
            whole.contains("# TYPE two gauge\ntwo{org=\"b\"} 1\n"),
            "{whole}"
        );
        assert!(whole.ends_with(END) && whole.matches(END).count() == 1);
    }
}
