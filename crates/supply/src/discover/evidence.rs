//! Signs that a process is an MCP server, from what it was started with. Nothing is executed or asked.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use super::process::Process;

/// Programs that run what their arguments name.
const INTERPRETERS: &[&str] =
    &["node", "nodejs", "python", "bun", "deno", "ruby", "java", "dotnet", "php", "tsx", "uv", "npm", "npx"];

/// Words in a script that only a server, or a client, of MCP has.
const IN_SCRIPTS: &[&str] = &[
    "modelcontextprotocol",
    "fastmcp",
    "FastMCP",
    "from mcp",
    "import mcp",
    "mcp.server",
    "notifications/initialized",
    "tools/call",
];

/// The most of a script that is read.
const MAX_SCRIPT: u64 = 512 * 1024;

/// How far above a script its package is looked for.
const MAX_PARENTS: usize = 6;

/// What speaks for a process being an MCP server, in plain words.
pub(super) fn of(process: &Process) -> Option<String> {
    if let Some(word) = process.argv.iter().find(|word| names_mcp(word)) {
        return Some(format!("its command line names `{}`", shown(word)));
    }
    if !is_interpreter(process.name()) {
        return None;
    }
    let script = script(process)?;
    let text = beginning(&script)?;
    if let Some(word) = IN_SCRIPTS.iter().find(|word| text.contains(**word)) {
        return Some(format!("its script {} has `{word}` in it", script.display()));
    }
    let package = script.ancestors().skip(1).take(MAX_PARENTS).map(|up| up.join("package.json"));
    let package = package.filter(|path| path.is_file()).find(|path| {
        beginning(path)
            .is_some_and(|text| text.contains("@modelcontextprotocol/") || text.contains("fastmcp"))
    });
    package.map(|path| format!("its package {} depends on an MCP SDK", path.display()))
}

pub(super) fn is_interpreter(name: &str) -> bool {
    INTERPRETERS.iter().any(|known| {
        let version = name.strip_prefix(known);
        version
            .is_some_and(|rest| rest.chars().all(|character| character.is_ascii_digit() || character == '.'))
    })
}

/// Whether a word has `mcp` as a word of its own in it: `mcp-server-git`, `/opt/mcp/run`, `@acme/mcp`.
fn names_mcp(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    lower.contains("modelcontextprotocol")
        || lower.split(|character: char| !character.is_ascii_alphanumeric()).any(|part| {
            part == "mcp" || part == "fastmcp" || (part.starts_with("mcp") && part.ends_with("server"))
        })
}

/// A word without what could be a secret in it: names and paths only.
fn shown(word: &str) -> String {
    let plain = word.chars().all(|character| {
        character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '/' | '.' | '@' | ':')
    });
    if plain && word.len() <= 120 { word.to_owned() } else { "mcp".to_owned() }
}

/// The script an interpreter runs: the first argument that is a file.
fn script(process: &Process) -> Option<PathBuf> {
    let directory = process.directory.as_deref().unwrap_or(Path::new("/"));
    let words = process.argv.iter().skip(1).filter(|word| !word.starts_with('-'));
    let mut files = words.map(|word| directory.join(word)).filter(|path| path.is_file());
    files.next().and_then(|path| path.canonicalize().ok())
}

fn beginning(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MAX_SCRIPT).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_name_mcp() {
        for (word, expected) in [
            ("mcp-server-git", true),
            ("@modelcontextprotocol/server-memory", true),
            ("/opt/MCP/run.sh", true),
            ("mcpserver", true),
            ("awslabs.aws-documentation-mcp-server@latest", true),
            ("tcpmcpx", false),
            ("mcpelander", false),
            ("server.js", false),
        ] {
            assert_eq!(names_mcp(word), expected, "{word}");
        }
        assert_eq!(shown("--key=mcp hunter2"), "mcp");
    }

    #[test]
    fn interpreters_by_name_and_version() {
        for (name, expected) in
            [("python3.12", true), ("node", true), ("node22", true), ("nodemon", false), ("bash", false)]
        {
            assert_eq!(is_interpreter(name), expected, "{name}");
        }
    }
}
