//! S-19: secrets in what servers answer, and in what is said about it.

use futures_util::FutureExt;
use serde_json::{Value, json};

use super::Scenario;
use crate::{
    place::Place,
    planted::Planted,
    report::{Kind, Report},
    trouble::Trouble,
};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-19",
    title: "sensitive information disclosure",
    claim: "a token in a result, an error, structured content or a blob reaches neither the client nor the log nor \
            what the gateway says; canaries stop a message in either direction; the same answers without them are \
            unchanged",
    run: |place, report| run(place, report).boxed(),
};

const CANARY: &str = "canary-5d41e8c2";

/// Put together here, so that no scanner takes this file for a leak.
fn token() -> String {
    ["glpat", "-", "kT8vq2LmZx41RwB7c2D4"].concat()
}

type Leak = fn(&str) -> Value;

const LEAKS: &[(&str, Leak)] = &[
    (
        "text",
        |secret| json!({"result": {"content": [{"type": "text", "text": format!("export TOKEN={secret}")}]}}),
    ),
    (
        "structured",
        |secret| json!({"result": {"content": [], "structuredContent": {"env": {"x": [secret]}}}}),
    ),
    ("name of a member", |secret| json!({"result": {"content": [], "structuredContent": {secret: 1}}})),
    ("error", |secret| json!({"error": {"code": -32000, "message": format!("login with {secret} failed")}})),
    (
        "data of an error",
        |secret| json!({"error": {"code": -32000, "message": "no", "data": {"headers": [secret]}}}),
    ),
    (
        "link",
        |secret| json!({"result": {"content": [{"type": "resource_link", "name": "x", "uri": format!("https://x.test/?key={secret}")}]}}),
    ),
];

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let home = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
    let file = home.path().join("canaries");
    write_private(&file, CANARY)?;
    let token = token();
    let rows: Vec<(String, Value)> = LEAKS
        .iter()
        .flat_map(|(name, leak)| {
            [
                (format!("{name} leaks"), leak(&token)),
                (format!("{name} calm"), leak("nothing")),
                (format!("{name} canary"), leak(CANARY)),
            ]
        })
        .collect();
    let tools: Vec<Value> = (0..rows.len())
        .map(|at| json!({"name": format!("t{at}"), "inputSchema": {"type": "object"}}))
        .collect();
    let answers: serde_json::Map<_, _> = rows
        .iter()
        .enumerate()
        .map(|(at, (_, answer))| (format!("tools/call t{at}"), answer.clone()))
        .collect();
    let sections = format!("[content.data]\ncanaries = {:?}\n", file.to_string_lossy());
    let ground = Planted::open(place, &json!({"tools": tools, "answers": answers}), &sections).await?;
    for (at, (name, answer)) in rows.iter().enumerate() {
        let got = ground.call(&format!("t{at}"), &json!({})).await?;
        let body = got.json().to_string();
        match name.rsplit_once(' ') {
            Some((name, "calm")) => {
                let json = got.json();
                let same = answer.as_object().into_iter().flatten().all(|(member, value)| {
                    value.as_object().into_iter().flatten().all(|(inner, value)| {
                        json.get(member).and_then(|outer| outer.get(inner)) == Some(value)
                    })
                });
                report.check(
                    Kind::Twin,
                    format!("{name} without a secret"),
                    "unchanged",
                    same.to_string(),
                    same,
                );
            }
            Some((name, "canary")) => {
                let passed = got.code() == 40301 && !body.contains(CANARY);
                report.check(
                    Kind::Attack,
                    format!("a canary in {name}"),
                    "40301",
                    got.code().to_string(),
                    passed,
                );
            }
            _ => {
                let passed = !body.contains(&token) && body.contains("[redacted: gitlab-token]");
                report.check(
                    Kind::Attack,
                    format!("a secret in {name}"),
                    "redacted",
                    passed.to_string(),
                    passed,
                );
            }
        }
    }
    outward(&ground, report, rows.len()).await?;
    let said = format!("{}{}", ground.log()?, ground.gateway.said());
    report.state(
        "secrets in the log and in what the gateway says",
        0,
        said.matches(&token).count() + said.matches(CANARY).count(),
    );
    report.not_covered("a secret in pieces, over several messages", "state over calls");
    Ok(())
}

/// A canary on its way to a server.
async fn outward(ground: &Planted, report: &mut Report, calls: usize) -> Result<(), Trouble> {
    let answer = ground.call("t1", &json!({"q": format!("look: {CANARY}")})).await?;
    let reached = ground.journal()?.lines().count();
    let seen = format!("{} {}, {reached} calls", answer.status, answer.code());
    let wanted = format!("403 40301, {calls} calls");
    report.check(Kind::Attack, "a canary as an argument", &*wanted, &*seen, wanted == seen);
    let answer = ground.call("t1", &json!({"q": "look: nothing"})).await?;
    report.check(
        Kind::Twin,
        "the same call without it",
        "200",
        answer.status.to_string(),
        answer.status == 200,
    );
    Ok(())
}

fn write_private(path: &std::path::Path, text: &str) -> Result<(), Trouble> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).map_err(Trouble::io("writing the canaries"))?;
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(path, private).map_err(Trouble::io("closing the canaries"))
}
