//! Tokens of machines, as CI systems and clusters issue them.

use serde_json::{Value, json};

use super::Idp;
use crate::limits::TOKEN_S;

/// A run of a GitHub Actions job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GithubJob {
    /// `owner/name`.
    pub repository: String,
    /// The git ref: `refs/heads/main`.
    pub git_ref: String,
    /// The deployment environment, if the job names one; it then takes the ref's place in `sub`.
    pub environment: Option<String>,
    /// The workflow's file below `.github/workflows`.
    pub workflow: String,
    /// Who started the run.
    pub actor: String,
    /// Why it runs: `push`, `pull_request`, …
    pub event: String,
}

impl GithubJob {
    /// A push to `main`, by `octocat`, running `ci.yml`.
    pub fn on_main(repository: &str) -> Self {
        Self {
            repository: repository.to_owned(),
            git_ref: "refs/heads/main".to_owned(),
            environment: None,
            workflow: "ci.yml".to_owned(),
            actor: "octocat".to_owned(),
            event: "push".to_owned(),
        }
    }

    /// Its `sub`.
    pub fn subject(&self) -> String {
        let repository = &self.repository;
        match (&self.environment, &*self.event) {
            (Some(environment), _) => format!("repo:{repository}:environment:{environment}"),
            (None, "pull_request") => format!("repo:{repository}:pull_request"),
            (None, _) => format!("repo:{repository}:ref:{}", self.git_ref),
        }
    }
}

impl Idp {
    /// The claims of GitHub's OIDC token for a job (docs.github.com, "OpenID Connect reference").
    pub fn github_claims(&self, job: &GithubJob, audience: &str) -> Value {
        let owner = job.repository.split('/').next().unwrap_or_default();
        let workflow = format!(
            "{}/.github/workflows/{}@{}",
            job.repository, job.workflow, job.git_ref
        );
        let mut claims = json!({
            "sub": job.subject(), "repository": job.repository, "repository_id": "74",
            "repository_owner": owner, "repository_owner_id": "65", "repository_visibility": "private",
            "ref": job.git_ref, "ref_type": "branch", "ref_protected": "true",
            "sha": "0123456789abcdef0123456789abcdef01234567",
            "workflow": job.workflow, "workflow_ref": workflow, "job_workflow_ref": workflow,
            "actor": job.actor, "actor_id": "12", "event_name": job.event,
            "run_id": "1234567890", "run_number": "10", "run_attempt": "1",
            "runner_environment": "github-hosted", "head_ref": "", "base_ref": "",
        });
        if let Some(environment) = &job.environment {
            claims["environment"] = json!(environment);
        }
        self.machine_claims(claims, audience)
    }

    /// The claims of a Kubernetes projected service-account token.
    pub fn kubernetes_claims(&self, namespace: &str, account: &str, audience: &str) -> Value {
        let claims = json!({
            "sub": format!("system:serviceaccount:{namespace}:{account}"),
            "kubernetes.io": {
                "namespace": namespace,
                "pod": {"name": format!("{account}-0"), "uid": super::person::stable_guid(account)},
                "serviceaccount": {"name": account, "uid": super::person::stable_guid(namespace)},
            },
        });
        let mut claims = self.machine_claims(claims, audience);
        claims["aud"] = json!([audience]);
        claims
    }

    /// A signed GitHub token for a job.
    pub fn github_token(&self, job: &GithubJob, audience: &str) -> String {
        self.mint(&self.github_claims(job, audience))
    }

    fn machine_claims(&self, mut claims: Value, audience: &str) -> Value {
        let now = self.state.clock.now().unix_s();
        claims["iss"] = json!(self.issuer());
        claims["aud"] = json!(audience);
        claims["jti"] = json!(self.state.secret());
        claims["iat"] = json!(now);
        claims["nbf"] = json!(now - 5);
        claims["exp"] = json!(now + TOKEN_S);
        claims
    }
}
