//! S-20: a server that can do more than it is for.

use std::net::TcpListener;

use futures_util::FutureExt;
use portcullis_testkit::{gateway::Setup, issuer::Issuer, server::Sandbox};
use serde_json::Value;

use super::Scenario;
use crate::{
    attack::{Attack, nothing_more, refuse_all, wanted},
    ground::{ALLOWED, FORBIDDEN, Ground, NOTES},
    http::{Request, exchange},
    identity::{ISSUER, audience, trusting},
    message::{META, MODERN, call, request},
    place::Place,
    report::{Kind, Report},
    rogue::{CANARY, Files, Rogue},
    trouble::Trouble,
};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-20",
    title: "overbroad permissions",
    claim: "a server has what is listed for it and nothing else of the machine, and each record of a call names the plan \
            that says so; the same server without a sandbox has all of it; a reader is neither shown nor served what is for \
            admins, and a grant that nobody uses is reported",
    run: |place, report| run(place, report).boxed(),
};

const POLICY: &str = r#"
@id("lists") permit (principal, action in Mcp::Action::"read", resource);
@id("readers") permit (principal, action == Mcp::Action::"tools/call", resource == Mcp::Tool::"notes/test_simple_text");
@id("admins") permit (principal, action == Mcp::Action::"tools/call", resource in Mcp::Server::"notes")
when { context.scopes.contains("admin") };
"#;

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let files = Files::make()?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(Trouble::io("listening"))?;
    let port = listener.local_addr().map_err(Trouble::io("listening"))?.to_string();
    let (secret, note, shared) =
        (files.text("secret"), files.text("notes/note.txt"), files.text("shared/data.txt"));
    let canary = format!("{secret}/canary.txt");
    let process = format!("/proc/{}/fd", std::process::id());
    let beyond: [(&str, &str, &[&str]); 9] = [
        ("a file that is not listed", "read", &[&canary]),
        ("a directory that is not listed", "list", &[&secret]),
        ("the machine's users", "list", &["/home"]),
        ("the machine's services", "list", &["/run"]),
        ("a file that may only be read", "write", &[&shared]),
        ("a file beside it", "remove", &[&shared]),
        ("another service of the machine", "connect", &[&port]),
        ("a port of its own", "listen", &["127.0.0.1:0"]),
        ("a process of the machine", "list", &[&process]),
    ];
    let contained = Rogue::open(place, files.sandbox(), "").await?;
    contained.succeeds(report, "what may be changed is read", "read", &[&note]).await?;
    contained.succeeds(report, "what may be changed is changed", "write", &[&note]).await?;
    contained.succeeds(report, "what may be read is read", "read", &[&shared]).await?;
    for (name, deed, args) in beyond {
        contained.fails(report, name, deed, args).await?;
    }
    report.state("everything but its notes is as it was", true, files.untouched());
    let isolation = contained.isolation()?;
    report.state(
        "a plan on record, and that it was in force",
        true,
        isolation.contains("plan sha256:") && isolation.contains("\"ran\""),
    );
    drop(contained);

    let free = Rogue::open(place, Sandbox::none(), "").await?;
    for (name, deed, args) in beyond.into_iter().filter(|(_, deed, _)| *deed != "remove") {
        free.succeeds(report, &format!("without a sandbox: {name}"), deed, args).await?;
    }
    let isolation = free.isolation()?;
    report.state("that there was no sandbox on record", true, isolation.contains("danger_no_sandbox"));
    report.state("the canary is one", true, free.does("read", &[&canary]).await?.contains(CANARY));
    reader(place, report).await?;
    report.not_covered(
        "files and hosts of a plan that were never used",
        "counting what a plan's rules were used for",
    );
    Ok(())
}

/// What an agent with a reader's token sees and can do.
async fn reader(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let directory = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
    let issuer = Issuer::new(ISSUER);
    let with = |setup: Setup| trusting(&issuer, directory.path(), setup.policy(POLICY));
    let mut ground = Ground::open(place, with).await?;
    let url = audience(&ground.gateway);
    let bearer = |scope: &str| format!("Bearer {}", issuer.token("agent", &url, scope));
    let (reader, admin) = (bearer("notes"), bearer("admin"));
    let listed = exchange(ground.gateway.address(), &lists(&reader).bytes()).await?.first();
    let tools = listed.json().pointer("/result/tools").and_then(Value::as_array).cloned().unwrap_or_default();
    let names: Vec<_> = tools.iter().filter_map(|tool| tool.get("name")?.as_str()).collect();
    report.state("tools a reader is shown", vec![ALLOWED], names);
    let export =
        |who: &str| Request::call(NOTES, FORBIDDEN, call(FORBIDDEN, "{}")).header("authorization", who);
    let denied = wanted(403, 40301, "denied");
    let attack = [Attack::new("a reader calls what is for admins", export(&reader).bytes(), denied)];
    refuse_all(&ground.gateway, report, attack, nothing_more).await?;
    let own = Ground::honest().header("authorization", &reader);
    ground.serve(report, "a reader calls what is for readers", &own, nothing_more).await?;
    ground.silence(report)?;

    report.state("grants that nobody has used", vec!["admins".to_owned()], unused(place, &ground).await?);
    let answer = exchange(ground.gateway.address(), &export(&admin).bytes()).await?.first();
    report.check(Kind::Twin, "an admin calls it", "200", answer.status.to_string(), answer.status == 200);
    report.state("grants that nobody has used by then", Vec::<String>::new(), unused(place, &ground).await?);

    let path = format!("/.well-known/oauth-protected-resource{NOTES}");
    let metadata = exchange(ground.gateway.address(), &Request::new("GET", &path).bytes()).await?.first();
    report.state("the metadata of the endpoint", 200, metadata.status);
    let scopes = metadata.json().get("scopes_supported").cloned();
    report.state("scopes that it asks everybody for", None, scopes);
    Ok(())
}

fn lists(authorization: &str) -> Request {
    Request::post(NOTES, request("1", "tools/list", &format!("{{{META}}}")))
        .header("mcp-protocol-version", MODERN)
        .header("mcp-method", "tools/list")
        .header("authorization", authorization)
}

/// The policies that have permitted nothing, as the program reports them.
async fn unused(place: &Place, ground: &Ground) -> Result<Vec<String>, Trouble> {
    let mut command = place.command();
    command.args(["policy", "unused", "--json", "--records"]).arg(ground.gateway.log());
    let output = command.arg("--policy").arg(ground.gateway.policy()).output().await;
    let output = output.map_err(Trouble::io("asking for what is unused"))?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| Trouble::other(String::from_utf8_lossy(&output.stderr)))?;
    let rows = report.get("policies").and_then(Value::as_array).into_iter().flatten();
    let never = rows.filter(|row| row.get("allowed").is_some_and(|count| count == 0));
    Ok(never.filter_map(|row| row.get("policy")?.as_str().map(str::to_owned)).collect())
}
