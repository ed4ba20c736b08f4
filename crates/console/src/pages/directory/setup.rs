//! What is entered at the identity provider so that its directory provisions here: the address as it is, never the token. The facts are
//! those of docs/scim.md.

use control::installation::Installation;

use crate::pages::show::Said;

/// The steps at one issuer's provider.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Its id on the page.
    pub id: String,
    /// The issuer.
    pub issuer: Said,
    /// Which provider's console they are for.
    pub provider: &'static str,
    /// Each value: what the provider calls it, what is entered, and whether that is the text itself.
    pub values: Vec<(&'static str, String, bool)>,
    /// What must be done besides, a sentence each.
    pub steps: Vec<&'static str>,
}

/// For each issuer that vouches for people.
pub fn all(installation: &Installation) -> Vec<Setup> {
    let address = format!("{}/scim/v2", installation.public_url);
    let issuers = installation.issuers.iter().filter(|issuer| issuer.people);
    let setup = |(place, issuer): (usize, &control::installation::IssuerFact)| {
        let id = format!("setup-{place}");
        let issuer_name = Said::from(&issuer.name);
        if issuer.kind == "entra" {
            entra(id, issuer_name, &address)
        } else {
            okta(id, issuer_name, &address)
        }
    };
    issuers.enumerate().map(setup).collect()
}

fn entra(id: String, issuer: Said, address: &str) -> Setup {
    Setup {
        id,
        issuer,
        provider: "Microsoft Entra ID: Enterprise application, Provisioning, Automatic",
        values: vec![
            ("Tenant URL", format!("{address}?aadOptscim062020"), true),
            (
                "Secret token",
                "the token, from the page that made it".to_owned(),
                false,
            ),
            ("Mapping of users: externalId", "objectId".to_owned(), true),
        ],
        steps: vec![
            "Change the one mapping: Entra's default for externalId, mailNickname, says nothing that a token says, and such users stay unlinked.",
            "Test connection asks for somebody who does not exist and must succeed.",
            "Assign the groups themselves: Entra does not provision groups within groups.",
            "Disable a test account and watch it go. Entra's cycle is about 40 minutes; in an emergency shut the person out here, which waits for nobody.",
        ],
    }
}

fn okta(id: String, issuer: Said, address: &str) -> Setup {
    Setup {
        id,
        issuer,
        provider: "Okta: an application with SCIM provisioning, and other directories",
        values: vec![
            ("SCIM connector base URL", address.to_owned(), true),
            (
                "Unique identifier field for users",
                "userName".to_owned(),
                true,
            ),
            ("Authentication mode", "HTTP Header".to_owned(), true),
            (
                "Bearer",
                "the token, from the page that made it".to_owned(),
                false,
            ),
            (
                "Supported actions",
                "push new users, push profile updates, push groups".to_owned(),
                false,
            ),
        ],
        steps: vec![
            "To App: create, update and deactivate users. Push groups under Push Groups.",
            "externalId must be what the issuer's tokens state as sub; Okta's own is. Where a custom authorization server states another sub, map it to externalId.",
            "Okta sends nothing when it suspends a user; deactivate instead.",
            "Any directory that speaks RFC 7644 will do, with the same values.",
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::installation::IssuerFact;

    #[test]
    fn every_issuer_of_people_has_its_providers_own_words_and_this_places_address() {
        let issuer = |name: &str, kind: &str, people| IssuerFact {
            name: name.to_owned(),
            issuer: String::new(),
            kind: kind.to_owned(),
            people,
            audiences: Vec::new(),
            client_id: None,
        };
        let installation = Installation {
            public_url: "https://ai.example.org".to_owned(),
            issuers: vec![
                issuer("entra", "entra", true),
                issuer("ci", "generic", false),
                issuer("okta", "generic", true),
            ],
            ..Installation::default()
        };
        let setups = all(&installation);
        assert_eq!(setups.len(), 2);
        assert_eq!(
            setups[0].values[0].1,
            "https://ai.example.org/scim/v2?aadOptscim062020"
        );
        assert_eq!(setups[1].values[0].1, "https://ai.example.org/scim/v2");
        assert_ne!(setups[0].id, setups[1].id);
    }
}
