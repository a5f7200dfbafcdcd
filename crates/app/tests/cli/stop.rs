//! The kill switch where no gateway runs.

use crate::case::Case;

const CONFIG: &str = "[server.files]\ncommand = \"npx\"\n";

#[test]
fn what_is_stopped_is_shown_and_what_nothing_has_is_refused() {
    let case = Case::new("stop");
    case.write("portcullis.toml", CONFIG);
    case.write("policy.cedar", "");
    let stop = |args: &[&str]| case.run(&[&["stop"], args].concat());
    stop(&[]).check("stop-nothing");
    stop(&["server", "file"]).check("stop-unknown");
    stop(&["server", "files", "--reason", "leak"]).check("stop-server");
    stop(&["principal:local-user:loopback"]).check("stop-principal");
    assert_eq!(stop(&["principal"]).status, 2);
    assert_eq!(case.run(&["resume", "server:files"]).status, 0);
    assert_eq!(case.run(&["resume", "server:files"]).status, 1);
    // Without a configuration only the form can be told.
    let elsewhere = case.path("elsewhere").to_str().unwrap().to_owned();
    for (subject, status) in [("server:other", 0), ("principal:oauth:corp:alice", 0), ("principal:alice", 2)]
    {
        assert_eq!(stop(&[subject, "--directory", &elsewhere]).status, status, "{subject}");
    }
}
