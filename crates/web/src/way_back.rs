//! Where a sign-in leads back to: a page of ours that was asked for without a session. The address comes from whoever made the
//! link, so anything that could be another site's, or end in a circle, becomes the console's first page.

use std::fmt::Write as _;

use domain::limits;

/// The console's first page.
pub const HOME: &str = "/console";

/// What a person may be sent back to.
const ROOTS: [&str; 4] = ["/console", "/me", "/approvals", "/connect"];

/// Pages that lead to a sign-in, or end one.
const DOORS: [&str; 2] = ["/console/sign-in", "/console/sign-out"];

/// The path and query to go back to: this text, or [`HOME`] where it is not plainly a page of ours.
pub fn way_back(text: &str) -> &str {
    if is_ours(text) { text } else { HOME }
}

fn is_ours(text: &str) -> bool {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let is_plain =
        |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>');
    // Dots and slashes that are written with a percent sign are somebody's trick: no page of ours has them.
    let encoded = path.to_ascii_lowercase();
    text.len() <= limits::WAY_BACK_BYTES_MAX
        && text.bytes().all(is_plain)
        && !text.contains("//")
        && !path.contains("..")
        && !["%2e", "%2f", "%5c"]
            .iter()
            .any(|trick| encoded.contains(trick))
        && ROOTS.iter().any(|root| is_under(path, root))
        && !DOORS.iter().any(|door| is_under(path, door))
}

fn is_under(path: &str, root: &str) -> bool {
    path.strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The address of the sign-in page that leads back to this path and query. `again` asks for a new proof of who it is.
pub fn sign_in_address(path_and_query: &str, again: bool) -> String {
    let mut address = String::from("/console/sign-in?return=");
    for byte in way_back(path_and_query).bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                address.push(char::from(byte));
            }
            other => {
                // a String takes whatever is written
                let _ = write!(address, "%{other:02X}");
            }
        }
    }
    if again {
        address.push_str("&again=1");
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_ours_is_led_back_to() {
        for page in [
            "/console",
            "/console/people",
            "/console/people?text=a%20b&after=per_1",
            "/console?x=1",
            "/me",
            "/me/sessions",
            "/connect/crm",
            "/console/ledger?q=10%2e0",
        ] {
            assert_eq!(way_back(page), page);
        }
    }

    #[test]
    fn what_could_be_another_sites_leads_home() {
        let long = format!("/console/{}", "a".repeat(500));
        for hostile in [
            "",
            "/",
            "//evil.example",
            "///evil.example/console",
            "/\\evil.example",
            "/console\\@evil.example",
            "https://evil.example/console",
            "javascript:alert(1)",
            "data:text/html,x",
            "console",
            " /console",
            "/console /x",
            "/console\t//evil.example",
            "/console\r\nset-cookie: a=b",
            "/console\u{0}",
            "/console\u{2028}",
            "/consoleevil",
            "/console@evil.example",
            "/console.evil.example",
            "/console//evil.example",
            "/console/../oauth/callback?code=1",
            "/console/%2e%2e/oauth/callback",
            "/console/%2E./device",
            "/console%2f%2fevil.example",
            "/console/%5Cevil.example",
            "/console?next=//evil.example",
            "/console/<script>",
            "/console/\"x",
            "/device",
            "/oauth/callback",
            "/api/v1/me",
            "/metrics",
            "/console/sign-in",
            "/console/sign-in?return=/console/sign-in",
            "/console/sign-out",
            "/console/sign-out/x",
            "/CONSOLE",
            "/cönsole",
            &long,
        ] {
            assert_eq!(way_back(hostile), HOME, "{hostile:?}");
        }
    }

    #[test]
    fn the_way_there_and_back_is_the_same_page() {
        let address = sign_in_address("/console/people?text=a%20b&after=x", false);
        assert_eq!(
            address,
            "/console/sign-in?return=/console/people%3Ftext%3Da%2520b%26after%3Dx"
        );
        assert_eq!(
            sign_in_address("//evil.example", true),
            "/console/sign-in?return=/console&again=1"
        );
    }
}
