//! What of a request's query a provider may see: the two parameters that the Messages API and the clouds in front of it know. Clouds
//! take credentials in a query too (`subscription-key`, `sig`, `access_token`), and callers put theirs there. Called by the
//! inference endpoints.

/// Names that pass.
const PASSES: [&str; 2] = ["beta", "api-version"];
/// Longest value that passes: a version's date, and shorter than any credential.
const VALUE_BYTES_MAX: usize = 24;

/// The query that goes out, with its question mark; empty when nothing of it does.
pub fn outgoing(from_client: Option<&str>) -> String {
    let mut out = String::new();
    for pair in from_client.unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if PASSES.contains(&name) && is_plain(value) {
            out.push(if out.is_empty() { '?' } else { '&' });
            out.push_str(pair);
        }
    }
    out
}

/// Nothing that needs decoding, so that nobody decodes it otherwise.
fn is_plain(value: &str) -> bool {
    value.len() <= VALUE_BYTES_MAX
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_credential_or_other_parameter_of_a_query_goes_out() {
        for (from_client, expected) in [
            (None, ""),
            (Some(""), ""),
            (Some("beta=true"), "?beta=true"),
            (Some("beta"), "?beta"),
            (
                Some("api-version=2025-05-01-preview&beta=true"),
                "?api-version=2025-05-01-preview&beta=true",
            ),
            (
                Some("subscription-key=abc&beta=true&access_token=x"),
                "?beta=true",
            ),
            (Some("Subscription-Key=abc;beta=true"), ""),
            (Some("beta=true;subscription-key=abc"), ""),
            (Some("beta=true%26subscription-key=abc"), ""),
            (Some("b%65ta=true&subscription%2Dkey=abc"), ""),
            (Some("beta=dwk_0123456789abcdefghijklmnop"), ""),
            (Some("beta=eyJhbGciOi.secret.token~"), ""),
            (Some("token=dwk_1&&=&?beta=true"), ""),
        ] {
            assert_eq!(outgoing(from_client), expected, "{from_client:?}");
        }
    }
}
