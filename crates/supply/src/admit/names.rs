//! Names that can be mistaken for others.

use std::fmt;

/// Packages of servers that many people use: what an impostor would be named like.
const POPULAR: &[&str] = &[
    "@azure/mcp",
    "@browsermcp/mcp",
    "@cloudflare/mcp-server-cloudflare",
    "@heroku/mcp-server",
    "@modelcontextprotocol/inspector",
    "@modelcontextprotocol/sdk",
    "@modelcontextprotocol/server-brave-search",
    "@modelcontextprotocol/server-everything",
    "@modelcontextprotocol/server-filesystem",
    "@modelcontextprotocol/server-gdrive",
    "@modelcontextprotocol/server-github",
    "@modelcontextprotocol/server-gitlab",
    "@modelcontextprotocol/server-google-maps",
    "@modelcontextprotocol/server-memory",
    "@modelcontextprotocol/server-postgres",
    "@modelcontextprotocol/server-puppeteer",
    "@modelcontextprotocol/server-redis",
    "@modelcontextprotocol/server-sequential-thinking",
    "@modelcontextprotocol/server-slack",
    "@notionhq/notion-mcp-server",
    "@playwright/mcp",
    "@sentry/mcp-server",
    "@stripe/mcp",
    "@supabase/mcp-server-supabase",
    "@upstash/context7-mcp",
    "@wonderwhy-er/desktop-commander",
    "arxiv-mcp-server",
    "awslabs.core-mcp-server",
    "blender-mcp",
    "chrome-devtools-mcp",
    "duckduckgo-mcp-server",
    "exa-mcp-server",
    "fastmcp",
    "figma-developer-mcp",
    "firecrawl-mcp",
    "kubernetes-mcp-server",
    "mcp-atlassian",
    "mcp-obsidian",
    "mcp-remote",
    "mcp-server-docker",
    "mcp-server-fetch",
    "mcp-server-git",
    "mcp-server-kubernetes",
    "mcp-server-motherduck",
    "mcp-server-qdrant",
    "mcp-server-sentry",
    "mcp-server-sqlite",
    "mcp-server-time",
    "mongodb-mcp-server",
    "tavily-mcp",
];

/// A name that another can be mistaken for, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Likeness {
    /// The other name.
    pub other: String,
    /// Edits that part them; none when only what readers overlook does.
    pub edits: usize,
}

impl fmt::Display for Likeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.edits {
            0 => write!(f, "`{}`: they look the same", self.other),
            1 => write!(f, "`{}`: it is one edit away", self.other),
            edits => write!(f, "`{}`: it is {edits} edits away", self.other),
        }
    }
}

/// The name, of popular servers and of those `known` here, that `name` can be mistaken for: one edit away, two when
/// it is long, or the same once scope, separators and like-looking characters are put aside. `scopes` are those of
/// npm that nobody else may look like.
pub fn resembles<'n>(
    name: &str,
    known: impl IntoIterator<Item = &'n str>,
    scopes: impl IntoIterator<Item = &'n str>,
) -> Option<Likeness> {
    let all: Vec<&str> = POPULAR.iter().copied().chain(known).collect();
    let own_scope = name.strip_prefix('@').and_then(|name| name.split_once('/')).map(|(scope, _)| scope);
    closest(name, &all).or_else(|| {
        let scopes: Vec<&str> = scopes.into_iter().collect();
        let like = closest(own_scope?, &scopes)?;
        Some(Likeness { other: format!("@{}/*", like.other), ..like })
    })
}

fn closest(name: &str, all: &[&str]) -> Option<Likeness> {
    if all.contains(&name) {
        return None;
    }
    let (plain, bones) = (name.to_lowercase(), skeleton(name));
    let like = all.iter().filter_map(|other| Some((likeness(&plain, &bones, other)?, *other)));
    like.min().map(|(edits, other)| Likeness { other: other.to_owned(), edits })
}

/// Names of this length and more may be two edits apart and still be mistaken for each other.
const LONG: usize = 14;
/// Shorter names are too often one edit apart by chance.
const SHORT: usize = 5;

/// How many edits part two names, if so few do that one is mistaken for the other.
fn likeness(plain: &str, bones: &str, other: &str) -> Option<usize> {
    if bones == skeleton(other) {
        return Some(0);
    }
    let length = plain.len().min(other.len());
    let allowed = if length >= LONG { 2 } else { 1 };
    let edits = distance(plain.as_bytes(), other.as_bytes(), allowed);
    (length >= SHORT && edits <= allowed).then_some(edits)
}

/// What is left of a name when those differences are put aside that readers overlook.
fn skeleton(name: &str) -> String {
    // A scope can be anybody's: `@evil/playwright-mcp`.
    let mut bones = String::with_capacity(name.len());
    for character in name.chars().flat_map(char::to_lowercase) {
        match character {
            '-' | '_' | '.' | '/' | '@' => {}
            '0' => bones.push('o'),
            '1' | 'i' | '|' => bones.push('l'),
            '5' => bones.push('s'),
            other => bones.push(other),
        }
    }
    bones.replace("rn", "m").replace("vv", "w")
}

/// Edits between two names (insert, delete, replace, swap of neighbours), no further than `most + 1`.
fn distance(a: &[u8], b: &[u8], most: usize) -> usize {
    if a.len().abs_diff(b.len()) > most {
        return most + 1;
    }
    let (mut before, mut last): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=b.len()).collect());
    let mut previous_of_a = None;
    for (row, x) in a.iter().enumerate() {
        let mut current = vec![row + 1];
        let mut previous_of_b = None;
        for (column, y) in b.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&last, column) + usize::from(x != y))
                .min(at(&last, column + 1) + 1)
                .min(at(&current, column) + 1);
            if previous_of_a == Some(y) && previous_of_b == Some(x) {
                best = best.min(at(&before, column.wrapping_sub(1)) + 1);
            }
            current.push(best);
            previous_of_b = Some(y);
        }
        (before, last) = (last, current);
        previous_of_a = Some(x);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impostors_are_named_like_somebody() {
        for (name, expected) in [
            ("mcp-server-tirne", Some("mcp-server-time")),
            ("mcp-server-tmie", Some("mcp-server-time")),
            ("mcp_server_time", Some("mcp-server-time")),
            ("mcp-server-tlme", Some("mcp-server-time")),
            ("modelcontextprotocol-server-memory", Some("@modelcontextprotocol/server-memory")),
            ("@modelcontextprotoco1/server-memory", Some("@modelcontextprotocol/server-memory")),
            ("@modelcontextprotocol/server-memroy", Some("@modelcontextprotocol/server-memory")),
            ("n0tes", Some("notes")),
            ("mcp-server-time", None),
            ("mcp-server-git", None),
            ("@acrne/desk", Some("@acme/*")),
            ("@acme/desk", None),
            ("@acmes/desk", None),
            ("server-of-my-own", None),
            ("note", None),
        ] {
            let like = resembles(name, ["notes"], ["acme"]);
            assert_eq!(like.as_ref().map(|it| it.other.as_str()), expected, "{name}");
        }
    }

    #[test]
    fn the_report_says_how_close_a_name_is() {
        for (name, expected) in [
            ("n0tes", "`notes`: they look the same"),
            ("mcp-server-tmie", "`mcp-server-time`: it is one edit away"),
        ] {
            let said = resembles(name, ["notes"], []).map(|like| like.to_string());
            assert_eq!(said.as_deref(), Some(expected));
        }
    }

    #[test]
    fn edits_are_counted() {
        for (a, b, expected) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("abc", "ab", 1),
            ("abc", "xyz", 3),
            ("ab", "ba", 1),
        ] {
            assert_eq!(distance(a.as_bytes(), b.as_bytes(), 9), expected, "{a} {b}");
        }
    }
}
