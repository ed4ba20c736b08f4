//! The pages people see: a button for each person, and refusals. Plain HTML that works without JavaScript.

use super::Person;

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:28rem;margin:4rem auto;padding:0 1rem;\
background:light-dark(#fff,#181818);color:light-dark(#222,#eee)}:root{color-scheme:light dark}\
button{display:block;width:100%;margin:.5rem 0;padding:.75rem 1rem;font:inherit;text-align:left;border:1px solid #8888;\
border-radius:.5rem;background:none;color:inherit;cursor:pointer}button:hover{border-color:currentColor}small{opacity:.7}";

/// Text as it may stand in HTML, also within quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

fn framed(title: &str, content: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{}</title>\
         <style>{STYLE}</style></head><body><main><h1>{}</h1>{content}</main></body></html>",
        escaped(title),
        escaped(title)
    )
}

/// The page that asks who is there. Pressing a button posts `person=<login>` with the request's own parameters.
pub(super) fn choose(people: &[Person], client_id: &str, query: &str) -> String {
    let buttons: Vec<String> = people.iter().map(button).collect();
    let buttons = buttons.concat();
    let content = format!(
        "<p>This is a pretend identity provider for trying things out. Who are you? <strong>{}</strong> will be told.</p>\
         <form method=\"post\" action=\"?{}\">{buttons}<button name=\"cancel\" value=\"1\">Cancel</button></form>",
        escaped(client_id),
        escaped(query)
    );
    framed("Sign in", &content)
}

fn button(person: &Person) -> String {
    format!(
        "<button name=\"person\" value=\"{}\">{} <small>{}</small></button>",
        escaped(&person.login),
        escaped(&person.name),
        escaped(&person.email)
    )
}

/// A refusal that must not be redirected anywhere, because the redirect itself is not trusted.
pub(super) fn refused(why: &str) -> String {
    framed(
        "Sign-in is not possible",
        &format!("<p>{}</p>", escaped(why)),
    )
}
