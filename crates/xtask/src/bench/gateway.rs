//! The gateway under test: its configuration, and how it is started.

use std::{path::Path, process::Command};

use crate::failure::Failure;

/// The configuration. `{listen}` stands for the gateway's address, `{upstream}` for the backend's
/// URL, `{state}` for an empty directory. Everything is on that a deployment has on: policy, schema
/// validation, and records on disk before each call proceeds, synced ten times a second.
pub(super) const CONFIG: Option<&str> = Some(
    r#"
[gateway]
listen = "{listen}"

[auth]
mode = "dev"
danger_dev_principal = "bench"

[audit]
file = "{state}/audit.jsonl"
fsync = "interval:100"

[limits]
response_bytes = 16777216
connections = 10000
connections_per_ip = 10000
concurrent_requests = 10000
requests_per_second = 1000000
sessions = 10000
sessions_per_principal = 10000
streams = 10000

[policy]
files = ["policy.cedar"]

[server.echo]
url = "{upstream}"
"#,
);

/// What the benchmark's caller may do.
const POLICY: &str = r#"@id("bench")
permit (principal == Mcp::User::"dev:bench", action, resource);
"#;

/// Where its standard error goes, beside the configuration.
const SAID: &str = "stderr.log";

/// The name that `CONFIG` gives the backend.
const SERVER: &str = "echo";

pub(super) fn url(listen: &str) -> String {
    format!("http://{listen}/mcp/{SERVER}")
}

/// Writes the configuration below `scratch` and returns the command that serves it.
pub(super) fn command(
    program: &Path,
    scratch: &Path,
    listen: &str,
    backend: &str,
) -> Result<Command, Failure> {
    let template = CONFIG.ok_or_else(|| Failure::Broken("no configuration for the gateway yet".into()))?;
    let home = scratch.join(listen.replace(':', "-"));
    let state = home.join("state");
    let text = fill(template, listen, backend, &state);
    let path = home.join("portcullis.toml");
    std::fs::create_dir_all(&state)
        .and_then(|()| std::fs::write(&path, text))
        .and_then(|()| std::fs::write(home.join("policy.cedar"), POLICY))
        .map_err(|e| Failure::broken(home.display(), e))?;
    let said = std::fs::File::create(home.join(SAID)).map_err(|e| Failure::broken(home.display(), e))?;
    let mut command = Command::new(program);
    command.arg("serve").arg("--config").arg(path).stderr(said);
    Ok(command)
}

fn fill(template: &str, listen: &str, backend: &str, state: &Path) -> String {
    template
        .replace("{listen}", listen)
        .replace("{upstream}", &format!("http://{backend}/mcp"))
        .replace("{state}", &state.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_filled() {
        let filled = fill("a={listen} b={upstream} c={state}", "h:1", "h:2", Path::new("/s"));
        assert_eq!(filled, "a=h:1 b=http://h:2/mcp c=/s");
    }
}
