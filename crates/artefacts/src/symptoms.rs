//! What people see when a client does not work, what it comes from, and what puts it right: one table for `doorward doctor --symptom`, the
//! console and the docs. Facts and their remedies; nothing is looked at here.

/// Who can put it right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Whoever runs the identity provider.
    IdentityProvider,
    /// Whoever runs Doorward.
    Operator,
    /// Whoever runs the network.
    Network,
    /// Whoever manages the devices.
    Devices,
}

impl Whose {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::IdentityProvider => "whoever runs the identity provider",
            Self::Operator => "whoever runs Doorward",
            Self::Network => "whoever runs the network",
            Self::Devices => "whoever manages the devices",
        }
    }
}

/// One thing that people see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symptom {
    /// Its word.
    pub word: &'static str,
    /// What people see.
    pub seen: &'static str,
    /// What it comes from.
    pub cause: &'static str,
    /// What puts it right.
    pub remedy: &'static str,
    /// Who can.
    pub whose: Whose,
}

/// The word of the one that a ring's own list of models answers.
pub const MODEL_LIST: &str = "model-list";

macro_rules! symptoms {
    ($( $word:literal $whose:ident $seen:literal $cause:literal $remedy:literal; )*) => {
        /// Every symptom, sign-in first.
        pub const ALL: &[Symptom] = &[ $( Symptom {
            word: $word,
            seen: $seen,
            cause: $cause,
            remedy: $remedy,
            whose: Whose::$whose,
        }, )* ];
    };
}

symptoms! {
    "AADSTS50011" IdentityProvider
        "Sign-in ends with AADSTS50011."
        "The redirect address that was sent is not registered. Where people sign in within Claude Desktop it is most often registered as localhost, and the app sends 127.0.0.1."
        "At the gateway: register https://<your gateway>/oauth/callback under \"Web\". Within Claude Desktop: register http://127.0.0.1/callback under \"Mobile and desktop applications\"; Entra passes over the port.";
    "AADSTS7000218" IdentityProvider
        "Claude Desktop's sign-in ends with AADSTS7000218."
        "The address is registered on the platform \"Web\", so that Entra asks the app for a secret that it does not have; or public client flows are off."
        "Move the address to \"Mobile and desktop applications\" and allow public client flows. Doorward's own /oauth/callback stays under \"Web\".";
    "AADSTS7000215" IdentityProvider
        "Sign-in at the gateway ends with AADSTS7000215."
        "The client secret is not the one: most often the Secret ID was copied."
        "Copy the Value of the client secret into what client_secret refers to, and restart Doorward.";
    "AADSTS7000222" IdentityProvider
        "Sign-in at the gateway ends with AADSTS7000222."
        "The client secret has expired."
        "Make a new one under Certificates & secrets, put its Value where client_secret refers to, and restart Doorward.";
    "AADSTS50105" IdentityProvider
        "Sign-in ends with AADSTS50105."
        "The application demands an assignment, and whoever signed in has none."
        "Add them or their group under Users and groups of the enterprise application.";
    "AADSTS700016" IdentityProvider
        "Sign-in ends with AADSTS700016."
        "The application is not in the tenant that was asked."
        "Hold client id and tenant id against the application's overview in Entra.";
    "AADSTS90009" IdentityProvider
        "Sign-in ends with AADSTS90009."
        "The app asks for an access token to its own application by name."
        "Name the application by its GUID in the scopes, or stay with the ID token, which is the default.";
    "AADSTS90094" IdentityProvider
        "Sign-in ends with AADSTS90094."
        "An administrator must consent to what the application asks for."
        "Give admin consent under API permissions of the application in Entra.";
    "AADSTS65001" IdentityProvider
        "Sign-in ends with AADSTS65001."
        "Nobody has consented to what the application asks for."
        "Give admin consent to the application in Entra.";
    "aud" Operator
        "Sign-in works, and the first request ends with 401."
        "The token is made for another audience than Doorward takes: an ID token for the app's client id where an access token is expected, or the other way; or the issuer is v1 where v2 is configured."
        "Put the application's client id among the issuer's audiences, and let a person's token be looked at: doorward doctor --token-file FILE names the claim.";
    "hourly" IdentityProvider
        "People are asked to sign in again after about an hour."
        "No refresh token was given: offline_access is missing from the scopes. Google gives no ID token on refresh at all."
        "Add offline_access to the scopes; for Google let people sign in at the gateway instead (--sign-in gateway).";
    "not-signed-in" Devices
        "claude -p says \"Not signed in to the Cloud gateway\"."
        "Nobody has signed in on this machine yet, or the sign-in has ended."
        "Run claude and then /login. For a machine without a person use a service key or a workload token in ANTHROPIC_AUTH_TOKEN with CLAUDE_CODE_USE_GATEWAY=1.";
    "certificate" Operator
        "Everybody is \"Not logged in\" at once, a day after it worked."
        "Claude Code keeps the fingerprint of the gateway's own certificate at sign-in; a renewed certificate signs everyone out."
        "Keep the key and renew rarely, tell people beforehand, and let them run /login once.";
    "host-refused" Network
        "/login refuses the gateway's address before anything is asked."
        "Claude Code signs in only at addresses that are private, or in networks that managed settings name (gatewayInternalNetworks, IPv4, at most four)."
        "Let the name lead to a private address inside the company, or set gatewayInternalNetworks; Claude Desktop and ANTHROPIC_BASE_URL have no such rule.";
    "settings-not-loaded" Operator
        "Claude Code does not start: \"Couldn't load settings from Cloud gateway\"."
        "The gateway did not answer /managed/settings, and a signed-in session does not start without its rules."
        "Look at /readyz and at the ledger; doorward doctor looks at everything it stands on.";
    "model-list" Devices
        "Claude Desktop shows no model, or says that the model list has not loaded."
        "The app asks for /v1/models, and something between answers with an error, a redirect or a list without a name that has claude or anthropic in it."
        "Switch discovery off and name the models in the configuration: modelDiscoveryEnabled false and inferenceModels. Every file that Doorward writes has both.";
    "api_not_supported" Operator
        "A request ends with 404 api_not_supported."
        "Foundry has no models, batches or admin endpoints, and the client asked Foundry itself."
        "Point the client at Doorward, which answers /v1/models by the policy, and refuses the others by name.";
    "DeploymentNotFound" Operator
        "A request ends with 404 DeploymentNotFound."
        "The id that was sent is not the name of a deployment in Foundry."
        "Name the deployment for each model in model_map of the upstream.";
    "one-block" Network
        "The answer arrives in one block, or ends with \"stream idle\"."
        "Something between holds the stream back or cuts it: a proxy that buffers, an idle limit of 60 to 240 seconds."
        "Switch buffering off for the gateway's name and raise the idle limit above 60 seconds; Doorward sends a ping after 15 seconds of silence.";
    "code-tab" Devices
        "It works in Claude Desktop and not in Claude Code, or the other way."
        "They are configured apart: Claude Desktop's profile says nothing to Claude Code in a terminal, which reads its own managed settings."
        "Install both files of the ring: desktop-… and code-….";
    "two-headers" Devices
        "A request carries Authorization and x-api-key."
        "apiKeyHelper lets Claude Code send its token in both."
        "Both may be there while they are the same; better let people sign in and take the helper out.";
    "wrong-types" Devices
        "A setting of a hand-made profile does nothing."
        "On macOS and Windows Claude Desktop reads texts alone: \"true\", \"3600\", and JSON inside a text for lists. A native array, dictionary or number is passed over."
        "Use the file that Doorward writes for that system.";
    "hkcu" Devices
        "Settings under HKCU do nothing."
        "Where HKLM\\SOFTWARE\\Policies\\Claude is there, HKCU is passed over whole."
        "Put everything under HKLM.";
    "linux-owner" Devices
        "Claude Desktop on Linux passes over its managed settings."
        "The file or its folder belongs to somebody else than root, or others may write it."
        "chown root:root and chmod 0644 for the file, 0755 for /etc/claude-desktop.";
    "mcp-gone" Devices
        "After a rollout nobody can add an MCP server any more."
        "managed-mcp.json is exclusive: where it is, only its servers count; an empty one switches MCP off."
        "Take it away and state managedMcpServers in the settings instead.";
}

/// The symptoms of a word; else those whose code, or whose message in quotes, stands in the question, which may be a whole message as it
/// was copied; else those in which every word of the question stands, by what is seen or its cause. All of them for no words.
pub fn about(question: &str) -> Vec<&'static Symptom> {
    let question = question.trim().to_lowercase();
    let exact = ALL
        .iter()
        .find(|symptom| symptom.word.to_lowercase() == question);
    if let Some(symptom) = exact {
        return vec![symptom];
    }
    let copied: Vec<&Symptom> = ALL
        .iter()
        .filter(|symptom| stands_in(symptom, &question))
        .collect();
    if !copied.is_empty() {
        return copied;
    }
    let words: Vec<&str> = question
        .split_whitespace()
        .map(|word| word.trim_matches(|letter: char| !letter.is_alphanumeric()))
        .filter(|word| !word.is_empty())
        .collect();
    let speaks = |symptom: &&Symptom| {
        let text = format!("{} {} {}", symptom.word, symptom.seen, symptom.cause).to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    if words.is_empty() && !question.is_empty() {
        return Vec::new();
    }
    ALL.iter().filter(speaks).collect()
}

/// Whether a text in small letters holds the symptom's code whole, or the message that it quotes.
fn stands_in(symptom: &Symptom, text: &str) -> bool {
    let is_code = symptom
        .word
        .contains(|letter: char| letter == '_' || letter.is_ascii_uppercase());
    let code = symptom.word.to_lowercase();
    let after = text.split_once(code.as_str()).map(|(_, after)| after);
    let has_code = is_code
        && after.is_some_and(|after| !after.starts_with(|c: char| c.is_ascii_alphanumeric()));
    let seen = symptom.seen.to_lowercase();
    let quoted = seen.split('"').nth(1);
    has_code || quoted.is_some_and(|message| text.contains(message))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_symptom_has_a_word_of_its_own_and_whole_sentences() {
        let words: BTreeSet<&str> = ALL.iter().map(|symptom| symptom.word).collect();
        assert_eq!(words.len(), ALL.len());
        for symptom in ALL {
            for text in [symptom.seen, symptom.cause, symptom.remedy] {
                assert!(text.ends_with('.'), "{text}");
            }
        }
    }

    #[test]
    fn a_question_finds_the_symptoms_that_speak_of_it() {
        for (question, expected) in [
            ("aadsts7000218", vec!["AADSTS7000218"]),
            ("model-list", vec![MODEL_LIST]),
            ("list loaded", vec![MODEL_LIST]),
            ("proxy buffers", vec!["one-block"]),
            (
                "AADSTS50011: The redirect URI 'http://127.0.0.1:5555/callback' specified in the request does not match",
                vec!["AADSTS50011"],
            ),
            ("AADSTS500112", vec![]),
            (
                "Error: Not signed in to the Cloud gateway. Run /login.",
                vec!["not-signed-in"],
            ),
            ("stream idle timeout", vec!["one-block"]),
            ("certificate!", vec!["certificate"]),
            ("???", vec![]),
            ("banana", vec![]),
        ] {
            let found: Vec<&str> = about(question).iter().map(|symptom| symptom.word).collect();
            assert_eq!(found, expected, "{question}");
        }
        assert_eq!(about("").len(), ALL.len());
    }
}
