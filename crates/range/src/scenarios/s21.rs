//! S-21: an argument that becomes part of a line for a shell.

use std::fs;

use futures_util::FutureExt;
use serde_json::json;

use super::Scenario;
use crate::{
    place::Place,
    planted::Planted,
    report::{Kind, Report},
    trouble::Trouble,
};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-21",
    title: "command injection",
    claim: "a tool that puts its argument into a shell's line gets no argument that is more than a word; with that rule \
            off the injected commands run inside of the sandbox, and find neither the secret nor a place to write",
    run: |place, report| run(place, report).boxed(),
};

const CANARY: &str = "canary-behind-the-shell-4417";

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let outside = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
    let (secret, written) = (outside.path().join("canary.txt"), outside.path().join("pwn"));
    fs::write(&secret, CANARY).map_err(Trouble::io("writing the secret"))?;
    let (secret, pwn) = (secret.to_string_lossy().into_owned(), written.to_string_lossy().into_owned());
    let attacks = [
        format!("x;cat {secret}"),
        format!("$(id>{pwn})"),
        format!("`cat {secret}`"),
        format!("x\ncat {secret}"),
        format!("x && cat {secret}"),
        format!("x | cat {secret} -"),
        format!("x > {pwn}"),
        format!("--file={secret}"),
        "eDtjYXQgL3Nydi9zZWNyZXQvY2FuYXJ5LnR4dDs=".to_owned(),
        format!("x\u{FF1B}cat {secret}"),
        format!("x%3Bcat {secret}"),
        format!("x;while read line; do echo $line; done < {secret}"),
    ];
    let grep = json!({"name": "grep_logs", "inputSchema": {"type": "object", "properties": {"pattern": {"type": "string"}}}});
    let script = json!({"tools": [grep], "answers": {"tools/call grep_logs": {"runs": "pattern"}}});
    let declared =
        "targets = { grep_logs = { pattern = \"word\" } }\nsandbox_execute = [\"sh\", \"cat\", \"id\"]";
    let ground = Planted::open_as(place, &script, &[], |setup| setup.with(declared)).await?;
    for attack in &attacks {
        let answer = ground.call("grep_logs", &json!({"pattern": attack})).await?;
        let silent = ground.journal()?.is_empty();
        let seen = format!("{} {}, server silent: {silent}", answer.status, answer.code());
        let passed = answer.code() == 40301 && silent;
        report.check(
            Kind::Attack,
            attack.escape_debug().to_string(),
            "403 40301, server silent: true",
            seen,
            passed,
        );
    }
    let answer = ground.call("grep_logs", &json!({"pattern": "connection refused"})).await?;
    let seen = answer.body.contains("looking for connection refused");
    report.check(Kind::Twin, "an ordinary pattern", "looked for", seen.to_string(), seen);

    let off = "[targets]\nfindings = { metacharacter = \"danger_pass\", hidden = \"danger_pass\", option = \"danger_pass\" }\n";
    let open = Planted::open_as(place, &script, &[], |setup| setup.with(declared).sections(off)).await?;
    let answer = open.call("grep_logs", &json!({"pattern": "x; echo made $((6*7))"})).await?;
    report.check(
        Kind::Twin,
        "with the rule off, injection works",
        "made 42",
        answer.body.clone(),
        answer.body.contains("made 42"),
    );
    let mut canaries = 0;
    for attack in &attacks {
        canaries += open.call("grep_logs", &json!({"pattern": attack})).await?.body.matches(CANARY).count();
    }
    report.state("canaries with the rule off", 0, canaries);
    report.state("files written outside with the rule off", false, written.exists());
    report.not_covered("connections of an injected command", "S-26, which attacks the way out");
    report.not_covered(
        "a trace of programs that were executed",
        "the sandbox lists what may be, and refuses the rest",
    );
    Ok(())
}
