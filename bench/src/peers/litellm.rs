//! LiteLLM's proxy: a master key, one worker, no database. It checks no token of a company; that needs a licence.

use std::fs;

use anyhow::{Context as _, Result};

use super::Peer;
use crate::Options;
use crate::load::Target;
use crate::process::{Running, free_port, tied};
use crate::scene::{PROVIDER_KEY, Scene, bearer};

pub(super) const NAME: &str = "LiteLLM";
const MASTER_KEY: &str = "sk-bench-0123456789abcdef0123456789abcdef";

pub(super) async fn start(scene: &Scene, options: &Options) -> Result<Peer> {
    let folder = scene.folder_of("litellm")?;
    let port = free_port()?;
    let text = format!(
        r"
model_list:
  - model_name: claude-sonnet-5-5
    litellm_params:
      model: anthropic/claude-sonnet-5-5
      api_base: {base}
      api_key: {PROVIDER_KEY}
general_settings:
  master_key: {MASTER_KEY}
litellm_settings:
  telemetry: false
",
        base = scene.provider.base
    );
    let file = folder.join("config.yaml");
    fs::write(&file, text)?;
    let program = options.litellm.as_ref().context("its program")?;
    let mut command = tied(program);
    command
        .args(["--host", "127.0.0.1", "--num_workers", "1", "--port"])
        .arg(port.to_string())
        .arg("--config")
        .arg(&file)
        .env("HOME", &folder)
        .env("LITELLM_LOCAL_MODEL_COST_MAP", "True");
    let mut running = Running::start(&mut command, &folder.join("log"))?;
    let base = format!("http://127.0.0.1:{port}");
    running.listens(&base).await?;
    let callers = vec![bearer(MASTER_KEY)?];
    Ok(Peer::new(NAME, Target::new(base, callers), false, running))
}
