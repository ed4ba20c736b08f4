//! A company's directory that provisions by SCIM: what an identity provider sends, in Entra's and Okta's own words.

use http::Method;
use serde_json::{Value, json};

use crate::client::{Answer, ClientError, Http};

/// The provisioning side of an identity provider.
#[derive(Clone)]
pub struct Directory {
    http: Http,
    base: String,
    token: String,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Directory")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl Directory {
    /// With its token. `base` is the gateway's address, without a slash at its end.
    pub fn new(base: &str, token: &str) -> Self {
        Self {
            http: Http::new(),
            base: format!("{base}/scim/v2"),
            token: token.to_owned(),
        }
    }

    /// Sends a request to a path below `/scim/v2`.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, ClientError> {
        let asking = self.http.request(method, &format!("{}{path}", self.base));
        let asking = asking.bearer(&self.token);
        let asking = match body {
            Some(body) => asking
                .body(body.to_string())
                .header("content-type", "application/scim+json"),
            None => asking,
        };
        asking.send().await
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Result<Answer, ClientError> {
        self.send(Method::GET, path, None).await
    }

    /// Makes.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer, ClientError> {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Changes what operations name.
    pub async fn patch(&self, path: &str, operations: &Value) -> Result<Answer, ClientError> {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": operations,
        });
        self.send(Method::PATCH, path, Some(&body)).await
    }

    /// Provisions somebody as Entra does, and returns the id to speak of them by.
    pub async fn provision(
        &self,
        user_name: &str,
        external_id: &str,
    ) -> Result<String, ClientError> {
        let body = json!({
            "schemas": [
                "urn:ietf:params:scim:schemas:core:2.0:User",
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
            ],
            "externalId": external_id,
            "userName": user_name,
            "active": true,
            "emails": [{"primary": true, "type": "work", "value": user_name}],
            "meta": {"resourceType": "User"},
            "name": {"formatted": user_name, "familyName": "family", "givenName": "given"},
            "roles": [],
        });
        let made = self.post("/Users", &body).await?.expect_status(201)?;
        Ok(made.json()["id"].as_str().unwrap_or_default().to_owned())
    }

    /// Provisions a group as Entra does, then its members.
    pub async fn provision_group(
        &self,
        name: &str,
        external_id: &str,
        members: &[&str],
    ) -> Result<String, ClientError> {
        let body = json!({
            "schemas": [
                "urn:ietf:params:scim:schemas:core:2.0:Group",
                "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group",
            ],
            "externalId": external_id,
            "displayName": name,
            "meta": {"resourceType": "Group"},
        });
        let made = self.post("/Groups", &body).await?.expect_status(201)?;
        let id = made.json()["id"].as_str().unwrap_or_default().to_owned();
        if !members.is_empty() {
            self.add_members(&id, members).await?;
        }
        Ok(id)
    }

    /// Adds members as Entra does.
    pub async fn add_members(&self, group: &str, members: &[&str]) -> Result<(), ClientError> {
        let members: Vec<Value> = members
            .iter()
            .map(|member| json!({"$ref": null, "value": member}))
            .collect();
        let add = json!([{"op": "Add", "path": "members", "value": members}]);
        let done = self.patch(&format!("/Groups/{group}"), &add).await?;
        done.expect_status(204).map(drop)
    }

    /// Takes a member away as Entra does.
    pub async fn remove_member(&self, group: &str, member: &str) -> Result<(), ClientError> {
        let gone = json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": member}]}]);
        let done = self.patch(&format!("/Groups/{group}"), &gone).await?;
        done.expect_status(204).map(drop)
    }

    /// Disables somebody as Entra does: by a text.
    pub async fn disable(&self, user: &str) -> Result<(), ClientError> {
        self.say_active(user, "False").await
    }

    /// Lets somebody in again.
    pub async fn enable(&self, user: &str) -> Result<(), ClientError> {
        self.say_active(user, "True").await
    }

    async fn say_active(&self, user: &str, active: &str) -> Result<(), ClientError> {
        let say = json!([{"op": "Replace", "path": "active", "value": active}]);
        let done = self.patch(&format!("/Users/{user}"), &say).await?;
        done.expect_status(200).map(drop)
    }
}
