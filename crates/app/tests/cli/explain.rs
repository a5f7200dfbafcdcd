//! Valid configurations.

use crate::case::{Case, SECRET};

const CONFIG: &str = r#"
mcpServers = "cursor.json"

[limits]
json_depth = 0x20

[server.notes]
command = "npx"
args = ["-y", "notes-server"]
env = { LOG_LEVEL = "debug" }

[server.tickets]
url = "https://mcp.example.com/mcp"
headers = { Authorization = { env = "TICKETS", prefix = "Bearer " } }
enabled = false

[server.absent]
command = "no-such-program"
danger_no_sandbox = true
"#;

fn valid(name: &str) -> Case {
    let case = Case::new(name);
    case.write("portcullis.toml", CONFIG);
    case.write("policy.cedar", "");
    case.write(
        "cursor.json",
        r#"{"mcpServers":{"Linear":{"url":"https://mcp.linear.app/sse","headers":{"X-Key":"hunter2"}}}}"#,
    );
    case
}

#[test]
fn every_setting_in_force_is_explained() {
    let run = valid("explain").succeed(&["check", "--explain"]);
    assert!(!run.all().contains(SECRET));
    run.check("check-explain");
}

#[test]
fn the_digest_follows_the_meaning_and_not_the_spelling() {
    let digest = |text: &str| {
        let case = valid(&format!("digest-{}", text.len()));
        case.write("portcullis.toml", text);
        let run = case.succeed(&["check", "--json"]);
        run.stdout.lines().find(|line| line.contains("\"digest\"")).unwrap().to_owned()
    };
    let one = digest(CONFIG);
    assert_eq!(one, digest(&CONFIG.replace("0x20", "32  # the same")));
    assert_ne!(one, digest(&CONFIG.replace("0x20", "33")));
    assert_ne!(one, digest(&CONFIG.replace("debug", "info")));
}

#[test]
fn the_users_file_is_read_when_there_is_none_here() {
    let case = Case::new("home");
    case.write("home/.config/portcullis/portcullis.toml", "");
    case.write("home/.config/portcullis/policy.cedar", "");
    case.succeed(&["check"]).check("check-home");
}
