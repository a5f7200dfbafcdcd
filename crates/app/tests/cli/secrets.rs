//! Files that hold secrets.

use crate::case::{Case, SECRET};

const CONFIG: &str = r#"
[server.a]
command = "npx"
env = { TOKEN = { file = "token" } }
"#;

#[test]
fn a_secret_is_taken_only_from_a_private_file() {
    let case = Case::new("secrets");
    case.write("portcullis.toml", CONFIG);
    case.write("policy.cedar", "");
    case.write("token", "hunter2\n");
    for (mode, status) in [(0o644, 2), (0o640, 2), (0o604, 2), (0o600, 0), (0o400, 0)] {
        case.chmod("token", mode);
        let run = case.run(&["check"]);
        assert_eq!(run.status, status, "mode {mode:o}: {}", run.stderr);
        assert!(!run.all().contains(SECRET));
        if mode == 0o644 {
            run.check("secret-file-open");
        }
    }
    case.chmod("token", 0o600);
    std::fs::write(case.path("token"), "\n").unwrap();
    assert!(case.run(&["check"]).stderr.contains("is empty"));
}

#[test]
fn what_lowers_security_is_shown() {
    let case = Case::new("danger");
    case.write("policy.cedar", "");
    case.write(
        "portcullis.toml",
        r#"
[gateway]
listen = "0.0.0.0:8930"
danger_allow_insecure_bind = true
[auth]
mode = "dev"
danger_dev_principal = "alice"
[audit]
danger_fsync_never = true
[admin]
danger_allow_insecure_bind = false
[server.a]
url = "http://mcp.example.com/mcp"
danger_allow_plain_http = true
headers = { Authorization = { danger_inline = "hunter2", prefix = "Bearer " } }
"#,
    );
    let run = case.succeed(&["check", "--explain"]);
    assert!(!run.all().contains(SECRET));
    run.check("danger");
}
