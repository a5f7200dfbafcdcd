//! The gateway under test: its configurations, and how it is started.

use std::{path::Path, process::Command};

use crate::failure::Failure;

/// What the gateway does to each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    /// The spine: development authentication, Cedar, schema validation, pins, flow labels, and records on disk
    /// before each call proceeds, synced ten times a second.
    Spine,
    /// That, and every detector of the defaults: over every text in both directions, and over the records.
    Content,
}

impl Variant {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Variant::Spine => "portcullis",
            Variant::Content => "portcullis-content",
        }
    }

    fn settings(self) -> String {
        match self {
            Variant::Spine => no_detectors(),
            Variant::Content => String::new(),
        }
    }
}

/// `{listen}` stands for the gateway's address, `{upstream}` for the backend's URL, `{state}` for an empty
/// directory.
const CONFIG: &str = r#"
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
"#;

const SURFACES: [&str; 6] = ["tool_description", "schema", "tool_output", "resource", "prompt", "argument"];
const GRADES: [&str; 4] = ["unusual", "suspicious", "attack", "hidden"];
const DIRECTIONS: [&str; 2] = ["requests", "results"];
const CLASSES: [&str; 9] =
    ["private_key", "cloud_key", "token", "jwt", "password", "card", "iban", "national_id", "canary"];

/// Switches off what looks for orders to a model, for secrets, and for behaviour.
fn no_detectors() -> String {
    format!(
        "\n[behaviour]\nwatch = false\n[content]\n{}\n[content.data]\n{}",
        passing(&SURFACES, &GRADES),
        passing(&DIRECTIONS, &CLASSES)
    )
}

fn passing(settings: &[&str], members: &[&str]) -> String {
    let members: Vec<String> = members.iter().map(|name| format!("{name} = \"danger_pass\"")).collect();
    settings.iter().map(|name| format!("{name} = {{ {} }}\n", members.join(", "))).collect()
}

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
    variant: Variant,
    program: &Path,
    scratch: &Path,
    listen: &str,
    backend: &str,
) -> Result<Command, Failure> {
    let home = scratch.join(listen.replace(':', "-"));
    let state = home.join("state");
    let text = fill(CONFIG, listen, backend, &state) + &variant.settings();
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
