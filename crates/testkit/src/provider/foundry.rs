//! What is different at Azure Foundry: credentials, errors of the outer door, deployments in place of models, no model list.

use domain::Clock;
use http::Response;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::azure::FOUNDRY_AUDIENCE;
use crate::net::{Ask, Body, reply};
use crate::token::Keys;

const AUDIENCES: [&str; 2] = [FOUNDRY_AUDIENCE, "https://cognitiveservices.azure.com"];

/// A Foundry resource's door.
#[derive(Debug, Default)]
pub(super) struct Foundry {
    entra: Option<(Keys, Vec<String>)>,
    roles: Option<Vec<String>>,
    keys_off: bool,
}

/// An error in Azure's own shape.
pub(super) struct AzureError(u16, &'static str, &'static str);

impl AzureError {
    pub(super) const DEPLOYMENT_NOT_FOUND: Self = Self(
        404,
        "DeploymentNotFound",
        "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, \
         please wait a moment and try again.",
    );
    pub(super) const API_NOT_SUPPORTED: Self = Self(
        404,
        "api_not_supported",
        "This API is not supported for this resource.",
    );

    pub(super) fn answer(&self) -> Response<Body> {
        reply::json(
            self.0,
            &json!({"error": {"code": self.1, "message": self.2}}),
        )
    }
}

impl Foundry {
    pub(super) fn trust(&mut self, keys: Keys, issuers: &[&str]) {
        self.entra = Some((keys, issuers.iter().map(|one| (*one).to_owned()).collect()));
    }

    pub(super) fn grant_role(&mut self, client_ids: &[&str]) {
        self.roles = Some(client_ids.iter().map(|one| (*one).to_owned()).collect());
    }

    pub(super) const fn switch_keys_off(&mut self) {
        self.keys_off = true;
    }

    /// Lets a request in by key or by a verified Entra token with a role.
    pub(super) fn admit(
        &self,
        ask: &Ask,
        keys: &[SecretString],
        clock: &dyn Clock,
    ) -> Result<(), AzureError> {
        if let Some(given) = ask.header("api-key").or_else(|| ask.header("x-api-key")) {
            return match keys.iter().any(|key| key.expose_secret() == given) {
                _ if self.keys_off => Err(AzureError(
                    403,
                    "AuthenticationTypeDisabled",
                    "Key based authentication is disabled for this resource.",
                )),
                true => Ok(()),
                false => Err(AzureError(
                    401,
                    "401",
                    "Access denied due to invalid subscription key or wrong API endpoint.",
                )),
            };
        }
        let unauthorized = AzureError(
            401,
            "Unauthorized",
            "Access token is missing, invalid, audience is incorrect (https://ai.azure.com), or has expired.",
        );
        let (Some(token), Some((trusted, issuers))) = (ask.bearer(), &self.entra) else {
            return Err(unauthorized);
        };
        let issuers: Vec<&str> = issuers.iter().map(String::as_str).collect();
        let claims = trusted
            .verify_for(token, clock, &issuers, &AUDIENCES)
            .map_err(|_| unauthorized)?;
        let who = claims["appid"]
            .as_str()
            .or_else(|| claims["azp"].as_str())
            .unwrap_or_default();
        match &self.roles {
            Some(roles) if !roles.iter().any(|role| role == who) => Err(AzureError(
                403,
                "PermissionDenied",
                "The principal lacks the required data action Microsoft.CognitiveServices/accounts/MaaS/chat/completions/action \
                 to perform this operation.",
            )),
            _ => Ok(()),
        }
    }
}
