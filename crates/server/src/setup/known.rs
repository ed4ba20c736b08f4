//! What is known of identity providers: the application to make in each, and the mistakes that others made there. Facts of their own
//! documentation, looked at in 2026; the words that a person sees in their consoles may have moved since.

use pipeline::identity::IssuerKind;
use url::Url;

/// A provider that the walk knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Microsoft Entra ID.
    #[default]
    Entra,
    /// Okta.
    Okta,
    /// Google Workspace.
    Google,
    /// Any other with OpenID Connect.
    Other,
}

impl Kind {
    /// All, in the order of the page.
    pub const ALL: [Self; 4] = [Self::Entra, Self::Okta, Self::Google, Self::Other];

    /// Its word in addresses and forms.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Entra => "entra",
            Self::Okta => "okta",
            Self::Google => "google",
            Self::Other => "other",
        }
    }

    /// The kind of a word; the first for any other.
    pub fn of(word: &str) -> Self {
        let found = Self::ALL.into_iter().find(|kind| kind.word() == word);
        found.unwrap_or_default()
    }

    /// What people call it.
    pub const fn shown(self) -> &'static str {
        match self {
            Self::Entra => "Microsoft Entra ID",
            Self::Okta => "Okta",
            Self::Google => "Google",
            Self::Other => "your identity provider",
        }
    }

    /// On its tab.
    pub const fn tab(self) -> &'static str {
        match self {
            Self::Other => "Another",
            known => known.shown(),
        }
    }

    /// What policy and records may call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Other => "company",
            known => known.word(),
        }
    }

    /// Scopes that are asked for.
    pub const fn scopes(self) -> &'static str {
        match self {
            Self::Okta => "openid profile email groups",
            _ => "openid profile email",
        }
    }

    /// Whether its ID tokens can state groups.
    pub const fn states_groups(self) -> bool {
        !matches!(self, Self::Google)
    }

    /// What the console calls the client id.
    pub const fn client_label(self) -> &'static str {
        match self {
            Self::Entra => "Application (client) ID",
            _ => "Client ID",
        }
    }

    /// Label and hint of what leads to it; none where it is known.
    pub const fn address_field(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Entra => Some((
                "Directory (tenant) ID",
                "On the application's overview page.",
            )),
            Self::Okta => Some((
                "Issuer",
                "https://<your company>.okta.com; with an authorization server of your own https://<your company>.okta.com/oauth2/<its id>.",
            )),
            Self::Google => None,
            Self::Other => Some((
                "Issuer",
                "The address that its tokens state as iss. Below it stands /.well-known/openid-configuration.",
            )),
        }
    }

    /// The issuer, as its tokens state it.
    pub fn issuer(self, address: &str) -> String {
        match self {
            Self::Entra => format!("https://login.microsoftonline.com/{address}/v2.0"),
            Self::Google => "https://accounts.google.com".to_owned(),
            Self::Okta | Self::Other => address.to_owned(),
        }
    }

    /// The kind of an issuer that is configured.
    pub fn of_issuer(issuer: &str, kind: IssuerKind) -> Self {
        let host = Url::parse(issuer).ok();
        let host = host.as_ref().and_then(Url::host_str).unwrap_or_default();
        match (kind, host) {
            (IssuerKind::Entra, "login.microsoftonline.com") => Self::Entra,
            (IssuerKind::Generic, "accounts.google.com") => Self::Google,
            (IssuerKind::Generic, host) if host.ends_with(".okta.com") => Self::Okta,
            _ => Self::Other,
        }
    }

    /// What leads to an issuer that is configured.
    pub fn address_of(self, issuer: &str) -> String {
        match self {
            Self::Entra => issuer.split('/').nth(3).unwrap_or_default().to_owned(),
            Self::Google => String::new(),
            Self::Okta | Self::Other => issuer.to_owned(),
        }
    }

    /// What is wrong with what leads to it.
    pub fn address_mistake(self, address: &str) -> Option<&'static str> {
        match self {
            Self::Google => None,
            _ if address.is_empty() => Some("is needed"),
            Self::Entra => {
                let is_guid = address.len() == 36
                    && address.split('-').map(str::len).eq([8, 4, 4, 4, 12])
                    && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
                (!is_guid).then_some(
                    "must be the tenant's id, such as 72f988bf-86f1-41af-91ab-2d7cd011db47: not its name, and neither common nor organizations, which let every company in",
                )
            }
            Self::Okta | Self::Other => {
                let host = Url::parse(address)
                    .ok()
                    .and_then(|url| url.host_str().map(str::to_owned));
                match host.as_deref() {
                    None => Some("must be a whole address, https://…"),
                    Some("login.microsoftonline.com" | "sts.windows.net") => Some(
                        "is Entra's: choose Microsoft Entra ID above, whose tokens need rules of their own",
                    ),
                    Some("accounts.google.com") => Some("is Google's: choose Google above"),
                    Some(_) => None,
                }
            }
        }
    }

    /// How to make the application, a step each.
    pub const fn make(self) -> &'static [&'static str] {
        match self {
            Self::Entra => &[
                "In the Entra admin center: App registrations, New registration. Supported account types: accounts in this organizational directory only.",
                "Redirect URI: platform Web, and the redirect address below.",
                "Certificates & secrets, New client secret. Copy its Value, not its Secret ID.",
                "Token configuration: Add groups claim (security groups, or groups assigned to the application), and Add optional claim, ID: auth_time and email.",
                "Enterprise applications, your application, Properties: Assignment required, Yes. Users and groups: add the first group.",
            ],
            Self::Okta => &[
                "In the admin console: Applications, Create App Integration, OIDC, Web Application.",
                "Grant type: Authorization Code. Sign-in redirect URI: the redirect address below.",
                "Assignments: the first group.",
                "Sign On, OpenID Connect ID Token: Groups claim filter, name groups, Matches regex, .* or the groups that matter.",
                "General: copy Client ID and secret.",
            ],
            Self::Google => &[
                "In the Google Cloud console: APIs & Services, OAuth consent screen, User type Internal, so that only your organisation signs in.",
                "Credentials, Create credentials, OAuth client ID, application type Web application.",
                "Authorized redirect URIs: the redirect address below.",
                "Copy client ID and secret.",
            ],
            Self::Other => &[
                "Make a confidential web application for the code flow with PKCE.",
                "Redirect address: the one below, exactly.",
                "Let the ID token state the person's groups, and auth_time.",
                "Let only those in who are to use Claude, if it can.",
            ],
        }
    }

    /// Mistakes that others made, and what each looks like.
    pub const fn mistakes(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Entra => &OF_ENTRA,
            Self::Okta => &OF_OKTA,
            Self::Google => &OF_GOOGLE,
            Self::Other => &OF_OTHERS,
        }
    }
}

const OF_ENTRA: [(&str, &str); 8] = [
    (
        "Platform Single-page application or Mobile and desktop instead of Web",
        "The sign-in comes back and the exchange fails with AADSTS9002327 or AADSTS700025. Claude Desktop is the other way round: its own application is Mobile and desktop, with http://127.0.0.1/callback.",
    ),
    (
        "127.0.0.1 instead of localhost",
        "For the Web platform Entra takes plain http for localhost alone; with 127.0.0.1 the sign-in ends at Entra with AADSTS50011.",
    ),
    (
        "Multi-tenant: accounts in any organizational directory",
        "Then people of every company can ask for a token. Doorward refuses other tenants, but the registration should not offer it.",
    ),
    (
        "The v1 address, sts.windows.net",
        "The issuer is the v2 one; the tenant's id is all that is asked for here.",
    ),
    (
        "The secret's ID instead of its value",
        "AADSTS7000215. The value is shown once, right after it was made.",
    ),
    (
        "No auth_time",
        "Signing in works, but nobody can do in the console what is dangerous. Add the optional claim.",
    ),
    (
        "Assignment not required",
        "Everybody of the tenant can sign in. They may use nothing without a rule, and they are in the list of people.",
    ),
    (
        "More than 200 groups",
        "Entra leaves the groups out of the token. Choose groups assigned to the application, or give Doorward leave to read them (issuer.entra).",
    ),
];

const OF_OKTA: [(&str, &str); 4] = [
    (
        "Single-Page or Native application instead of Web",
        "There is no secret then, and the exchange fails with invalid_client.",
    ),
    (
        "No groups in the token",
        "The groups claim filter belongs in the application's Sign On page; with an authorization server of your own into its claims, and the scope groups is not asked for.",
    ),
    (
        "Issuer with -admin in it",
        "https://company-admin.okta.com is the console, not the issuer.",
    ),
    (
        "Nobody is assigned",
        "The sign-in comes back with access_denied.",
    ),
];

const OF_GOOGLE: [(&str, &str); 4] = [
    (
        "User type External",
        "Then anybody with a Google account can sign in. Choose Internal.",
    ),
    (
        "Groups",
        "Google puts none into its tokens. Let the directory provision them (SCIM), or name people in the policy.",
    ),
    (
        "Time of sign-in",
        "Google does not state auth_time, so what is dangerous in the console is done on the command line.",
    ),
    (
        "An address with a private top-level domain",
        "Google takes https with a public suffix, or http://localhost.",
    ),
];

const OF_OTHERS: [(&str, &str); 4] = [
    (
        "The address of the discovery document instead of the issuer",
        "The issuer is the part before /.well-known/openid-configuration, with or without a slash at its end as its tokens state it.",
    ),
    (
        "A public application",
        "Without a secret anybody who sees the client id can exchange a code that they stole.",
    ),
    (
        "Another redirect address",
        "It is compared letter by letter: https, host, port, path, no slash at its end.",
    ),
    (
        "Cognito and its like, whose access tokens have no audience",
        "Only ID tokens are accepted from them.",
    ),
];

/// An address as it was typed, without what people copy along with it.
pub fn tidy_address(text: &str) -> String {
    let text = text
        .strip_suffix("/.well-known/openid-configuration")
        .unwrap_or(text);
    text.to_owned()
}

/// Entra's own codes, and what to do.
const CODES: [(&str, &str); 12] = [
    (
        "AADSTS9002327",
        "the redirect address is registered for the platform Single-page application: remove it there and add it under Web",
    ),
    (
        "AADSTS9002326",
        "the redirect address is registered for the platform Single-page application: remove it there and add it under Web",
    ),
    (
        "AADSTS700025",
        "the application is public: add the redirect address under the platform Web, and make a client secret",
    ),
    (
        "AADSTS7000218",
        "the application needs its secret: make one under Certificates & secrets and type its value",
    ),
    (
        "AADSTS7000215",
        "the secret is not the one: copy the Value of the client secret, not its Secret ID",
    ),
    (
        "AADSTS7000222",
        "the secret has expired: make a new one under Certificates & secrets",
    ),
    (
        "AADSTS50105",
        "assignment is required and whoever signed in is not assigned: add them or their group under Users and groups",
    ),
    (
        "AADSTS65001",
        "nobody has consented to the application: an administrator grants consent under API permissions",
    ),
    (
        "AADSTS90094",
        "an administrator must consent: API permissions, Grant admin consent",
    ),
    (
        "AADSTS50194",
        "the application is for one tenant and another was asked: check the tenant's id",
    ),
    (
        "AADSTS700016",
        "the application is not in this tenant: check client id and tenant id",
    ),
    (
        "AADSTS500112",
        "the redirect address at the exchange is another: start the trial again",
    ),
];

/// What an error of an identity provider means, where we know it: what to do.
pub fn remedy_of(error: &str, description: &str) -> Option<&'static str> {
    let known = CODES.iter().find(|(code, _)| {
        let after = description.split_once(code).map(|(_, after)| after);
        after.is_some_and(|after| !after.starts_with(|c: char| c.is_ascii_digit()))
    });
    if let Some((_, remedy)) = known {
        return Some(remedy);
    }
    Some(match error {
        "invalid_client" => {
            "client id or secret is not the one of the application, or the application is not a web application with a secret"
        }
        "invalid_grant" => {
            "the code was not taken: check that the redirect address is registered exactly, and that the clocks agree"
        }
        "redirect_uri_mismatch" => "register the redirect address exactly as it stands above",
        "unauthorized_client" => "allow the application the authorization code grant",
        "access_denied" => {
            "whoever signed in is not let in there, or said no: assign them to the application"
        }
        "invalid_scope" => "take the scope that the provider does not know out of the field Scopes",
        "unsupported_response_type" => "allow the application the authorization code flow",
        "login_required" | "interaction_required" | "consent_required" => {
            "sign in again and answer what the provider asks"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_anothers_or_everybodys_is_refused_beside_its_field() {
        let check = |kind: Kind, address: &str, fine: bool| {
            assert_eq!(
                kind.address_mistake(address).is_none(),
                fine,
                "{kind:?} {address}"
            );
        };
        check(Kind::Entra, "72f988bf-86f1-41af-91ab-2d7cd011db47", true);
        check(Kind::Entra, "common", false);
        check(Kind::Entra, "organizations", false);
        check(Kind::Entra, "northwind.example", false);
        check(Kind::Google, "", true);
        check(Kind::Okta, "https://northwind.okta.com", true);
        check(Kind::Okta, "northwind.okta.com", false);
        check(
            Kind::Other,
            "https://login.microsoftonline.com/x/v2.0",
            false,
        );
        check(Kind::Other, "https://accounts.google.com", false);
        check(Kind::Other, "", false);
    }

    #[test]
    fn a_known_error_says_what_to_do_and_a_longer_code_is_another() {
        let spa = remedy_of("invalid_request", "AADSTS9002327: Tokens issued for the …").unwrap();
        assert!(spa.contains("Single-page"), "{spa}");
        let secret = remedy_of("invalid_client", "AADSTS7000215: Invalid client secret").unwrap();
        assert!(secret.contains("Value"), "{secret}");
        let other = remedy_of("invalid_client", "AADSTS70002159: another").unwrap();
        assert!(other.contains("client id or secret"), "{other}");
        assert_eq!(remedy_of("odd", "nothing known"), None);
    }

    #[test]
    fn an_issuer_that_is_configured_is_known_again() {
        let check = |issuer: &str, kind: IssuerKind, expected: Kind| {
            let found = Kind::of_issuer(issuer, kind);
            assert_eq!(found, expected, "{issuer}");
            assert_eq!(found.issuer(&found.address_of(issuer)), issuer);
        };
        let tenant = "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0";
        check(tenant, IssuerKind::Entra, Kind::Entra);
        check(
            "https://accounts.google.com",
            IssuerKind::Generic,
            Kind::Google,
        );
        check(
            "https://northwind.okta.com/oauth2/default",
            IssuerKind::Generic,
            Kind::Okta,
        );
        check(
            "https://idp.example/realm",
            IssuerKind::Generic,
            Kind::Other,
        );
        check(
            "https://okta.com.evil.example",
            IssuerKind::Generic,
            Kind::Other,
        );
    }

    #[test]
    fn the_address_of_the_document_is_cut_to_the_issuer() {
        let typed = "https://idp.example/realm/.well-known/openid-configuration";
        assert_eq!(tidy_address(typed), "https://idp.example/realm");
        assert_eq!(tidy_address("https://idp.example/"), "https://idp.example/");
    }
}
