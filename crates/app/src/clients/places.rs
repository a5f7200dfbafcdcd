//! Where each client keeps its settings, on each operating system.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;

/// The systems clients run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Linux,
    MacOs,
    Windows,
}

impl System {
    /// The one this program was built for.
    pub(crate) const HERE: Self = if cfg!(windows) {
        Self::Windows
    } else if cfg!(target_os = "macos") {
        Self::MacOs
    } else {
        Self::Linux
    };
}

/// Whose settings a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    /// One user's, wherever he works.
    User,
    /// A project's, for everybody who opens it.
    Project,
    /// The machine's, set by its administrator.
    Managed,
}

/// What a path is relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    /// The home directory: `~`, `%USERPROFILE%`.
    Home,
    /// Where programs keep their settings: `$XDG_CONFIG_HOME` or `~/.config`, `~/Library/Application Support`,
    /// `%APPDATA%`.
    Settings,
    /// `$XDG_CONFIG_HOME` or `~/.config` on every system but Windows, where it is `%APPDATA%`.
    DotConfig,
    /// `%LOCALAPPDATA%`, which only Windows has.
    Local,
    /// The root of a project.
    Project,
    /// Nothing: the path is absolute.
    Root,
}

/// One place where one client keeps servers.
#[derive(Debug)]
struct Place {
    /// The `id` of the client.
    client: &'static str,
    /// Systems it is on; empty for all.
    on: &'static [System],
    base: Base,
    /// Parts between slashes; a part may hold one `*`.
    path: &'static str,
}

use Base::{DotConfig, Home, Local, Project, Root, Settings};
use System::{Linux, MacOs, Windows};

const fn at(client: &'static str, base: Base, path: &'static str) -> Place {
    Place { client, on: &[], base, path }
}

const fn only(on: &'static [System], client: &'static str, base: Base, path: &'static str) -> Place {
    Place { client, on, base, path }
}

/// Every known place.
const PLACES: &[Place] = &[
    at("claude-desktop", Settings, "Claude/claude_desktop_config.json"),
    only(&[Linux], "claude-desktop", Settings, "claude/claude_desktop_config.json"),
    // The package from Microsoft's store sees a directory of its own.
    only(
        &[Windows],
        "claude-desktop",
        Local,
        "Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude/claude_desktop_config.json",
    ),
    at("claude-code", Home, ".claude.json"),
    at("claude-code", Project, ".mcp.json"),
    only(&[Linux], "claude-code", Root, "/etc/claude-code/managed-mcp.json"),
    only(&[MacOs], "claude-code", Root, "/Library/Application Support/ClaudeCode/managed-mcp.json"),
    only(&[Windows], "claude-code", Root, "C:/Program Files/ClaudeCode/managed-mcp.json"),
    at("vscode", Settings, "Code/User/mcp.json"),
    at("vscode", Settings, "Code/User/profiles/*/mcp.json"),
    at("vscode", Settings, "Code/User/settings.json"),
    at("vscode", Settings, "Code - Insiders/User/mcp.json"),
    at("vscode", Settings, "VSCodium/User/mcp.json"),
    at("vscode", Home, ".vscode-server/data/User/mcp.json"),
    at("vscode", Project, ".vscode/mcp.json"),
    at("copilot-cli", Home, ".copilot/mcp-config.json"),
    at("cursor", Home, ".cursor/mcp.json"),
    at("cursor", Project, ".cursor/mcp.json"),
    at("windsurf", Home, ".codeium/windsurf/mcp_config.json"),
    at("windsurf", Home, ".codeium/mcp_config.json"),
    only(&[Linux, MacOs], "zed", DotConfig, "zed/settings.json"),
    only(&[Windows], "zed", Settings, "Zed/settings.json"),
    at("zed", Project, ".zed/settings.json"),
    at("codex", Home, ".codex/config.toml"),
    at("codex", Project, ".codex/config.toml"),
    at("gemini", Home, ".gemini/settings.json"),
    at("gemini", Home, ".gemini/extensions/*/gemini-extension.json"),
    at("gemini", Project, ".gemini/settings.json"),
    at("antigravity", Home, ".gemini/antigravity/mcp_config.json"),
    only(&[Linux, MacOs], "goose", DotConfig, "goose/config.yaml"),
    only(&[Windows], "goose", Settings, "Block/goose/config/config.yaml"),
    at("lm-studio", Home, ".lmstudio/mcp.json"),
    at("lm-studio", Home, ".cache/lm-studio/mcp.json"),
    at("junie", Home, ".junie/mcp/mcp.json"),
    at("junie", Project, ".junie/mcp/mcp.json"),
    only(&[Linux, MacOs], "copilot-jetbrains", DotConfig, "github-copilot/intellij/mcp.json"),
    only(&[Windows], "copilot-jetbrains", Local, "github-copilot/intellij/mcp.json"),
    at("cline", Settings, "Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json"),
    at(
        "cline",
        Settings,
        "Cursor/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
    ),
    at("roo", Settings, "Code/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json"),
    at("roo", Settings, "Cursor/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json"),
    at("roo", Project, ".roo/mcp.json"),
    at("continue", Home, ".continue/config.yaml"),
    at("continue", Project, ".continue/mcpServers/*.yaml"),
    at("continue-json", Home, ".continue/config.json"),
    at("kiro", Home, ".kiro/settings/mcp.json"),
    at("kiro", Project, ".kiro/settings/mcp.json"),
    at("opencode", Home, ".config/opencode/opencode.json"),
    at("opencode", Home, ".config/opencode/opencode.jsonc"),
    at("opencode", Project, "opencode.json"),
    at("opencode", Project, "opencode.jsonc"),
    only(&[Linux, MacOs], "crush", DotConfig, "crush/crush.json"),
    only(&[Windows], "crush", Local, "crush/crush.json"),
    at("crush", Project, ".crush.json"),
    at("amp", DotConfig, "amp/settings.json"),
    at("trae", Settings, "Trae/User/mcp.json"),
    at("kimi", Home, ".kimi/mcp.json"),
    at("factory", Home, ".factory/mcp.json"),
    only(&[Linux, MacOs], "qoder", Home, ".qoder/mcp.json"),
    only(&[Windows], "qoder", Settings, "Qoder/SharedClientCache/mcp.json"),
    at("mistral-vibe", Home, ".vibe/config.toml"),
    at("inspector", Home, ".mcp-inspector/mcp.json"),
];

/// Variables with which a user moves one client's directory.
const MOVED: &[(&str, &str, &str)] = &[
    ("claude-code", "CLAUDE_CONFIG_DIR", ".claude.json"),
    ("codex", "CODEX_HOME", "config.toml"),
    ("copilot-cli", "COPILOT_HOME", "mcp-config.json"),
];

/// A user's directories.
#[derive(Clone, Debug)]
pub(crate) struct Directories {
    system: System,
    home: PathBuf,
    settings: PathBuf,
    dot_config: PathBuf,
    local: Option<PathBuf>,
}

impl Directories {
    /// Those of whoever runs this program.
    pub(crate) fn of_this_user() -> Option<Self> {
        let home = std::env::home_dir().filter(|home| home.is_absolute())?;
        let variable =
            |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        Some(Self::new(System::HERE, home, variable))
    }

    /// Those of a user of `system`, whose environment is asked for what it says about them.
    fn new(system: System, home: PathBuf, variable: impl Fn(&str) -> Option<PathBuf>) -> Self {
        let roaming = || variable("APPDATA").unwrap_or_else(|| home.join("AppData/Roaming"));
        let xdg = || variable("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
        let (settings, dot_config) = match system {
            System::Linux => (xdg(), xdg()),
            System::MacOs => (home.join("Library/Application Support"), xdg()),
            System::Windows => (roaming(), roaming()),
        };
        let local = (system == System::Windows)
            .then(|| variable("LOCALAPPDATA").unwrap_or_else(|| home.join("AppData/Local")));
        Self { system, home, settings, dot_config, local }
    }

    fn base(&self, base: Base, project: Option<&Path>) -> Option<PathBuf> {
        match base {
            Base::Home => Some(self.home.clone()),
            Base::Settings => Some(self.settings.clone()),
            Base::DotConfig => Some(self.dot_config.clone()),
            Base::Local => self.local.clone(),
            Base::Project => project.map(Path::to_owned),
            Base::Root => Some(PathBuf::new()),
        }
    }
}

/// A file that may hold a client's servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The `id` of the client.
    pub(crate) client: &'static str,
    pub(crate) scope: Scope,
    /// May hold `*`.
    pub(crate) path: PathBuf,
}

/// Every file in which a client of these directories, or one working in `project`, keeps servers.
pub(crate) fn candidates(directories: &Directories, project: Option<&Path>) -> Vec<Candidate> {
    let here = |place: &&Place| place.on.is_empty() || place.on.contains(&directories.system);
    let known = PLACES.iter().filter(here).filter_map(|place| {
        let scope = match place.base {
            Base::Project => Scope::Project,
            Base::Root => Scope::Managed,
            _ => Scope::User,
        };
        let path = directories.base(place.base, project)?.join(place.path);
        Some(Candidate { client: place.client, scope, path })
    });
    known.collect()
}

/// Files of clients whose directory the environment moves.
pub(crate) fn moved() -> Vec<Candidate> {
    let candidate = |(client, variable, file): &(&'static str, &str, &str)| {
        let directory = PathBuf::from(std::env::var_os(variable)?);
        directory.is_absolute().then(|| Candidate { client, scope: Scope::User, path: directory.join(file) })
    };
    MOVED.iter().filter_map(candidate).collect()
}

/// The files there are of a path with `*` in it, in order.
pub(crate) fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let name = part.as_os_str().to_str().unwrap_or_default();
        match name.split_once('*') {
            None => found.iter_mut().for_each(|path| path.push(part)),
            Some((before, after)) => {
                found = found.iter().flat_map(|path| matching(path, before, after)).collect();
            }
        }
    }
    found.retain(|path| path.is_file());
    found
}

/// The most members of a directory that are looked at.
const MAX_MATCHES: usize = 1000;

fn matching(directory: &Path, before: &str, after: &str) -> Vec<PathBuf> {
    let matches = |name: &str| {
        name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
    };
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().take(MAX_MATCHES);
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(matches))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::CLIENTS;

    fn check(system: System, home: &str, variables: &[(&str, &str)], client: &str, expected: &[&str]) {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| PathBuf::from(value))
        };
        let directories = Directories::new(system, PathBuf::from(home), variable);
        let found: Vec<String> = candidates(&directories, Some(Path::new("/p")))
            .into_iter()
            .filter(|candidate| candidate.client == client)
            .map(|candidate| candidate.path.to_string_lossy().into_owned())
            .collect();
        assert_eq!(found, expected, "{client} on {system:?}");
    }

    #[test]
    fn paths_by_system() {
        let appdata: &[(&str, &str)] = &[("APPDATA", "C:/U/me/Roaming"), ("LOCALAPPDATA", "C:/U/me/Local")];
        for (system, home, variables, client, expected) in [
            (
                Linux,
                "/home/me",
                &[][..],
                "zed",
                &["/home/me/.config/zed/settings.json", "/p/.zed/settings.json"][..],
            ),
            (
                Linux,
                "/home/me",
                &[("XDG_CONFIG_HOME", "/x")],
                "crush",
                &["/x/crush/crush.json", "/p/.crush.json"],
            ),
            (MacOs, "/Users/me", &[], "trae", &["/Users/me/Library/Application Support/Trae/User/mcp.json"]),
            (MacOs, "/Users/me", &[], "goose", &["/Users/me/.config/goose/config.yaml"]),
            (Windows, "C:/U/me", appdata, "goose", &["C:/U/me/Roaming/Block/goose/config/config.yaml"]),
            (Windows, "C:/U/me", appdata, "crush", &["C:/U/me/Local/crush/crush.json", "/p/.crush.json"]),
            (
                Windows,
                "C:/U/me",
                &[],
                "claude-desktop",
                &[
                    "C:/U/me/AppData/Roaming/Claude/claude_desktop_config.json",
                    "C:/U/me/AppData/Local/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude/claude_desktop_config.json",
                ],
            ),
        ] {
            check(system, home, variables, client, expected);
        }
    }

    #[test]
    fn every_client_has_a_place_on_every_system_and_every_place_a_client() {
        for place in PLACES {
            assert!(CLIENTS.iter().any(|client| client.id == place.client), "{}", place.client);
        }
        for client in CLIENTS {
            for system in [Linux, MacOs, Windows] {
                let directories = Directories::new(system, PathBuf::from("/home/me"), |_| None);
                let of_client = |candidate: &Candidate| candidate.client == client.id;
                assert!(candidates(&directories, None).iter().any(of_client), "{} on {system:?}", client.id);
            }
        }
    }
}
