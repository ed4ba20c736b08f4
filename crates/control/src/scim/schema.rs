//! The attributes we keep (RFC 7643, sections 4 and 8.7), as one table: what reads, checks, filters, lists and describes them goes by
//! it. What is not in it is neither kept nor an error. There is no password, and no attribute that could hold one.

use serde_json::{Value, json};

/// The schema of users.
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The schema of groups.
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The schema of what companies add to users.
pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// True or false.
    Truth,
    /// A moment.
    Moment,
    /// The address of something.
    Address,
    /// Several values with names.
    Parts,
}

/// Who writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// The directory.
    Directory,
    /// We alone.
    Us,
}

/// One attribute.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one word of RFC 7643, section 7"
)]
pub struct Attribute {
    /// Its name, in the case that answers have.
    pub name: &'static str,
    /// What a value is.
    pub kind: Kind,
    /// Whether there may be several.
    pub many: bool,
    /// Whether there must be one.
    pub required: bool,
    /// Whether `A` and `a` differ.
    pub case_exact: bool,
    /// Who writes it.
    pub writer: Writer,
    /// Whether one value stands for one resource of the directory.
    pub unique: bool,
    /// The parts of it.
    pub parts: &'static [Attribute],
    /// What it is.
    pub what: &'static str,
}

const fn text(name: &'static str, what: &'static str) -> Attribute {
    Attribute {
        name,
        kind: Kind::Text,
        many: false,
        required: false,
        case_exact: false,
        writer: Writer::Directory,
        unique: false,
        parts: &[],
        what,
    }
}

const fn parts(name: &'static str, parts: &'static [Attribute], what: &'static str) -> Attribute {
    Attribute {
        kind: Kind::Parts,
        parts,
        ..text(name, what)
    }
}

const fn many(name: &'static str, of: &'static [Attribute], what: &'static str) -> Attribute {
    Attribute {
        many: true,
        ..parts(name, of, what)
    }
}

const fn ours(attribute: Attribute) -> Attribute {
    Attribute {
        writer: Writer::Us,
        ..attribute
    }
}

const fn exact(attribute: Attribute) -> Attribute {
    Attribute {
        case_exact: true,
        ..attribute
    }
}

const fn of_kind(kind: Kind, attribute: Attribute) -> Attribute {
    Attribute { kind, ..attribute }
}

const TYPE: Attribute = text("type", "What it is used for: work, home, other.");
const DISPLAY: Attribute = text("display", "For people to read.");
const PRIMARY: Attribute = of_kind(
    Kind::Truth,
    text("primary", "Whether it is the one to use; one at most is."),
);

const NAME: &[Attribute] = &[
    text("formatted", "The whole name."),
    text("familyName", "The family name."),
    text("givenName", "The given name."),
    text("middleName", "The middle names."),
    text("honorificPrefix", "What stands before the name."),
    text("honorificSuffix", "What stands after the name."),
];

const VALUES: &[Attribute] = &[text("value", "The value."), DISPLAY, TYPE, PRIMARY];

const ADDRESS: &[Attribute] = &[
    text("formatted", "The whole address."),
    text("streetAddress", "Street and number."),
    text("locality", "City."),
    text("region", "State or region."),
    text("postalCode", "Postal code."),
    text("country", "Country."),
    TYPE,
    PRIMARY,
];

const REFERENCE: Attribute = exact(of_kind(Kind::Address, text("$ref", "Where it is.")));

const USER_GROUPS: &[Attribute] = &[
    ours(exact(text("value", "The group's id."))),
    ours(REFERENCE),
    ours(text("display", "The group's name.")),
    ours(text("type", "Always direct.")),
];

const MANAGER: &[Attribute] = &[
    text("value", "The manager's id."),
    REFERENCE,
    text("displayName", "The manager's name."),
];

const MEMBER: &[Attribute] = &[exact(text("value", "The member's id.")), REFERENCE];

const META: &[Attribute] = &[
    ours(exact(text("resourceType", "User or Group."))),
    ours(of_kind(Kind::Moment, text("created", "When it was made."))),
    ours(of_kind(
        Kind::Moment,
        text("lastModified", "When it last changed."),
    )),
    ours(of_kind(
        Kind::Address,
        exact(text("location", "Where it is.")),
    )),
    ours(exact(text("version", "Its version, as ETag."))),
];

/// What every resource has.
pub const COMMON: &[Attribute] = &[
    ours(exact(text("id", "Our id of it; never another's."))),
    exact(Attribute {
        unique: true,
        ..text(
            "externalId",
            "The directory's own id of it. For a user: what its tokens state as the stable id.",
        )
    }),
    ours(parts("meta", META, "About the resource.")),
    ours(Attribute {
        many: true,
        ..exact(text("schemas", "The schemas of the resource."))
    }),
];

/// What users have.
pub const USER_ATTRIBUTES: &[Attribute] = &[
    Attribute {
        required: true,
        unique: true,
        ..text(
            "userName",
            "The name that the directory signs the person in by.",
        )
    },
    parts("name", NAME, "The person's name."),
    text("displayName", "The name for people to read."),
    text("nickName", "What the person is called."),
    of_kind(
        Kind::Address,
        text("profileUrl", "A page about the person."),
    ),
    text("title", "The title, such as Vice President."),
    text("userType", "Such as Employee or Contractor."),
    text("preferredLanguage", "The language."),
    text("locale", "The locale."),
    text("timezone", "The time zone."),
    Attribute {
        required: true,
        ..of_kind(
            Kind::Truth,
            text(
                "active",
                "Whether the person may come in. False cuts them off within a second.",
            ),
        )
    },
    many("emails", VALUES, "E-mail addresses, for reading only."),
    many("phoneNumbers", VALUES, "Telephone numbers."),
    many("addresses", ADDRESS, "Addresses."),
    many("entitlements", VALUES, "What the person is entitled to."),
    many("roles", VALUES, "The person's roles in the directory."),
    ours(many("groups", USER_GROUPS, "The groups the person is in.")),
];

/// What companies add to users.
pub const ENTERPRISE_ATTRIBUTES: &[Attribute] = &[
    text("employeeNumber", "The company's number of the person."),
    text("costCenter", "The cost centre."),
    text("organization", "The organisation."),
    text("division", "The division."),
    text("department", "The department."),
    parts("manager", MANAGER, "The person's manager."),
];

/// What groups have.
pub const GROUP_ATTRIBUTES: &[Attribute] = &[
    Attribute {
        required: true,
        unique: true,
        ..text("displayName", "The group's name; a policy may name it.")
    },
    many("members", MEMBER, "Who is in it."),
];

/// The two kinds of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// A user.
    User,
    /// A group.
    Group,
}

impl Resource {
    /// Its schema.
    pub const fn schema(self) -> &'static str {
        match self {
            Self::User => USER,
            Self::Group => GROUP,
        }
    }

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    /// Where such resources are.
    pub const fn endpoint(self) -> &'static str {
        match self {
            Self::User => "/Users",
            Self::Group => "/Groups",
        }
    }

    const fn own(self) -> &'static [Attribute] {
        match self {
            Self::User => USER_ATTRIBUTES,
            Self::Group => GROUP_ATTRIBUTES,
        }
    }

    /// The attribute of this name, in any case, outside an extension.
    pub fn attribute(self, name: &str) -> Option<&'static Attribute> {
        part(self.own(), name).or_else(|| part(COMMON, name))
    }
}

/// The attribute of this name, in any case.
pub fn part(of: &'static [Attribute], name: &str) -> Option<&'static Attribute> {
    of.iter().find(|one| one.name.eq_ignore_ascii_case(name))
}

/// The schemas as resources; `base` is where SCIM is, without a slash at its end.
pub fn schemas(base: &str) -> Vec<Value> {
    [
        (USER, "User", "User Account", USER_ATTRIBUTES),
        (GROUP, "Group", "Group", GROUP_ATTRIBUTES),
        (
            ENTERPRISE,
            "EnterpriseUser",
            "Enterprise User",
            ENTERPRISE_ATTRIBUTES,
        ),
    ]
    .into_iter()
    .map(|(id, name, what, attributes)| {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
            "id": id,
            "name": name,
            "description": what,
            "attributes": attributes.iter().map(describe).collect::<Vec<_>>(),
            "meta": {"resourceType": "Schema", "location": format!("{base}/Schemas/{id}")},
        })
    })
    .collect()
}

fn describe(attribute: &Attribute) -> Value {
    let kind = match attribute.kind {
        Kind::Text => "string",
        Kind::Truth => "boolean",
        Kind::Moment => "dateTime",
        Kind::Address => "reference",
        Kind::Parts => "complex",
    };
    let mut described = json!({
        "name": attribute.name,
        "type": kind,
        "multiValued": attribute.many,
        "description": attribute.what,
        "required": attribute.required,
        "mutability": match attribute.writer { Writer::Directory => "readWrite", Writer::Us => "readOnly" },
        "returned": "default",
        "uniqueness": if attribute.unique { "server" } else { "none" },
    });
    match attribute.kind {
        Kind::Text => described["caseExact"] = attribute.case_exact.into(),
        Kind::Address => {
            described["caseExact"] = attribute.case_exact.into();
            described["referenceTypes"] = match attribute.name {
                "$ref" => json!(["User", "Group"]),
                _ => json!(["external"]),
            };
        }
        Kind::Parts => {
            described["subAttributes"] = attribute.parts.iter().map(describe).collect();
        }
        Kind::Truth | Kind::Moment => {}
    }
    described
}

/// The kinds of resources as resources.
pub fn resource_types(base: &str) -> Vec<Value> {
    [Resource::User, Resource::Group]
        .into_iter()
        .map(|resource| {
            let name = resource.as_str();
            let mut described = json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
                "id": name,
                "name": name,
                "endpoint": resource.endpoint(),
                "description": name,
                "schema": resource.schema(),
                "meta": {"resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{name}")},
            });
            if resource == Resource::User {
                described["schemaExtensions"] = json!([{"schema": ENTERPRISE, "required": false}]);
            }
            described
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_in_any_case() {
        assert_eq!(
            Resource::User.attribute("USERNAME").unwrap().name,
            "userName"
        );
        assert_eq!(
            Resource::Group.attribute("externalid").unwrap().name,
            "externalId"
        );
        assert!(Resource::User.attribute("password").is_none());
    }

    #[test]
    fn a_schema_holds_no_nulls_and_names_in_camel_case() {
        fn look(value: &Value) {
            match value {
                Value::Null => panic!("a null"),
                Value::Array(all) => all.iter().for_each(look),
                Value::Object(all) => all.values().for_each(look),
                _ => {}
            }
        }
        for schema in schemas("https://x/scim/v2") {
            look(&schema);
            for attribute in schema["attributes"].as_array().unwrap() {
                let name = attribute["name"].as_str().unwrap();
                assert!(name.starts_with(|c: char| c.is_ascii_lowercase()), "{name}");
            }
        }
    }
}
