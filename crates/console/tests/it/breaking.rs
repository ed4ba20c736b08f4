//! What of a change breaks programs that use the API: an operation or an answer's member that goes, a request that must say more, a
//! type that is another.

use serde_json::Value;

/// What breaks between two descriptions, a sentence each.
pub(crate) fn between(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (path, item) in members(&old["paths"]) {
        for (method, operation) in members(item) {
            let now = &new["paths"][path][method];
            if now.is_null() {
                found.push(format!("{method} {path} is gone"));
                continue;
            }
            let what = format!("{method} {path}");
            new_demands(
                &what,
                &operation["parameters"],
                &now["parameters"],
                &mut found,
            );
            let answers = members(&operation["responses"]);
            for (status, _) in answers.filter(|(status, _)| now["responses"][status].is_null()) {
                found.push(format!("{what} no longer answers {status}"));
            }
        }
    }
    for (name, schema) in members(&old["components"]["schemas"]) {
        let now = &new["components"]["schemas"][name];
        if !now.is_null() {
            changed(name, schema, now, &mut found);
        }
    }
    found
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn new_demands(what: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    let named = |list: &Value, name: &Value| {
        let list = list.as_array().into_iter().flatten().cloned();
        list.into_iter()
            .find(|parameter| parameter["name"] == *name)
    };
    for parameter in new.as_array().into_iter().flatten() {
        let (name, is_required) = (&parameter["name"], parameter["required"] == true);
        let before = named(old, name);
        let was_required = before.is_some_and(|before| before["required"] == true);
        if is_required && !was_required {
            found.push(format!("{what} now demands {name}"));
        }
    }
    for parameter in old.as_array().into_iter().flatten() {
        if named(new, &parameter["name"]).is_none() {
            found.push(format!("{what} no longer takes {}", parameter["name"]));
        }
    }
}

fn changed(name: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    // Only what is sent refuses members it does not know.
    let is_sent = new["additionalProperties"] == false;
    let required = |schema: &Value, member: &str| {
        let list = schema["required"].as_array();
        list.is_some_and(|list| list.iter().any(|one| one == member))
    };
    for (member, schema) in members(&old["properties"]) {
        let now = &new["properties"][member];
        if now.is_null() {
            found.push(format!("{name} has no {member} any more"));
            continue;
        }
        if schema["type"] != now["type"] || schema["$ref"] != now["$ref"] {
            found.push(format!("{name}.{member} is of another type"));
        } else if is_sent && narrower(schema, now) {
            found.push(format!("{name}.{member} takes less than before"));
        }
        if !is_sent && required(old, member) && !required(new, member) {
            found.push(format!("{name}.{member} may be missing now"));
        }
    }
    if is_sent {
        let demanded = members(&new["properties"]);
        for (member, _) in
            demanded.filter(|(member, _)| required(new, member) && !required(old, member))
        {
            found.push(format!("{name} now demands {member}"));
        }
    }
}

fn narrower(old: &Value, new: &Value) -> bool {
    let number = |schema: &Value, key: &str| schema[key].as_i64();
    let less = |key: &str| match (number(old, key), number(new, key)) {
        (Some(old), Some(new)) => new < old,
        (None, Some(_)) => true,
        _ => false,
    };
    let more = |key: &str| match (number(old, key), number(new, key)) {
        (Some(old), Some(new)) => new > old,
        (None, Some(_)) => true,
        _ => false,
    };
    less("maxLength") || less("maximum") || more("minLength") || more("minimum")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({
            "paths": {"/a": {"get": {"parameters": [{"name": "limit"}], "responses": {"200": {}}}}},
            "components": {"schemas": {
                "Sent": {"properties": {"name": {"type": "string", "maxLength": 9}}, "additionalProperties": false},
                "Shown": {"properties": {"id": {"type": "string"}}, "required": ["id"]},
            }},
        })
    }

    fn check(change: impl Fn(&mut Value), expected: &[&str]) {
        let mut new = document();
        change(&mut new);
        assert_eq!(between(&document(), &new), expected);
    }

    #[test]
    fn what_only_adds_breaks_nobody() {
        check(|_| {}, &[]);
        check(|new| new["paths"]["/b"] = json!({"get": {}}), &[]);
        check(
            |new| new["components"]["schemas"]["Shown"]["properties"]["more"] = json!({}),
            &[],
        );
        check(
            |new| new["components"]["schemas"]["Sent"]["properties"]["more"] = json!({}),
            &[],
        );
    }

    #[test]
    fn what_goes_is_demanded_or_narrowed_is_named() {
        check(|new| new["paths"] = json!({}), &["get /a is gone"]);
        check(
            |new| new["paths"]["/a"]["get"]["parameters"][0]["required"] = json!(true),
            &["get /a now demands \"limit\""],
        );
        let sent = |new: &mut Value, what: Value| new["components"]["schemas"]["Sent"] = what;
        check(
            |new| {
                sent(
                    new,
                    json!({"properties": {"name": {"type": "string", "maxLength": 9}}, "required": ["name"], "additionalProperties": false}),
                );
            },
            &["Sent now demands name"],
        );
        check(
            |new| {
                sent(
                    new,
                    json!({"properties": {"name": {"type": "string", "maxLength": 8}}, "additionalProperties": false}),
                );
            },
            &["Sent.name takes less than before"],
        );
        check(
            |new| {
                new["components"]["schemas"]["Shown"] =
                    json!({"properties": {"id": {"type": "integer"}}, "required": ["id"]});
            },
            &["Shown.id is of another type"],
        );
        check(
            |new| new["components"]["schemas"]["Shown"] = json!({"properties": {}}),
            &["Shown has no id any more"],
        );
    }
}
