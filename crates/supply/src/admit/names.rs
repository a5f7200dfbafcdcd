//! Names that can be mistaken for others.

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

/// The name, of popular servers and of those `known` here, that `name` can be mistaken for: one edit away, two when
/// it is long, or the same once scope, separators and like-looking characters are put aside.
pub fn resembles<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<String> {
    let all: Vec<&str> = POPULAR.iter().copied().chain(known).collect();
    if all.contains(&name) {
        return None;
    }
    let (plain, bones) = (name.to_lowercase(), skeleton(name));
    all.into_iter().find(|other| alike(&plain, &bones, other)).map(str::to_owned)
}

/// Names of this length and more may be two edits apart and still be mistaken for each other.
const LONG: usize = 14;
/// Shorter names are too often one edit apart by chance.
const SHORT: usize = 5;

fn alike(plain: &str, bones: &str, other: &str) -> bool {
    if bones == skeleton(other) {
        return true;
    }
    let length = plain.len().min(other.len());
    let allowed = if length >= LONG { 2 } else { 1 };
    length >= SHORT && distance(plain.as_bytes(), other.as_bytes(), allowed) <= allowed
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
            ("server-of-my-own", None),
            ("note", None),
        ] {
            assert_eq!(resembles(name, ["notes"]).as_deref(), expected, "{name}");
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
