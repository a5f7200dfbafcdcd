//! S-10: two tenants behind one gateway, in front of the same servers.

use std::{collections::BTreeSet, fs, path::Path};

use futures_util::FutureExt;
use portcullis_testkit::{gateway::Gateway, issuer::Issuer, server::Sandbox};
use serde_json::{Value, json};

use super::Scenario;
use crate::{
    attack::{Attack, Wanted, nothing_more, refuse_all, wanted},
    ground::{Ground, NOTES},
    http::{Answer, Request, exchange},
    message::{LEGACY, MODERN, initialize, legacy_call, request, text_of},
    place::Place,
    process::descendants,
    report::{Kind, Report},
    trouble::Trouble,
};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-10",
    title: "improper multitenancy",
    claim: "another tenant's task, state and session are refused like ones that do not exist, before the server hears of it; \
            what may be cached is asked for anew; a server that is a command is a process of its own for each, which sees \
            neither the files nor the processes of the other's",
    run: |place, report| run(place, report).boxed(),
};

const NO_TASK: Wanted = wanted(200, -32602, "not-found");
const NO_STATE: Wanted = wanted(400, -32602, "invalid-params");
const NO_SESSION: Wanted = wanted(404, -32600, "no-session");
const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"extensions":{"io.modelcontextprotocol/tasks":{}}},"io.modelcontextprotocol/clientInfo":{"name":"range","version":"0"}}"#;
const ROGUE: &str = "/mcp/rogue";
const STATEFUL: &str = "test_input_required_result_request_state";
const SECRET: &str = "CANARY-10a7";

/// Alice of tenant a and Bob of tenant b, each with an issuer of their own.
struct Tenants {
    alice: Issuer,
    bob: Issuer,
}

impl Tenants {
    fn new() -> Self {
        Self { alice: Issuer::new("https://a.test"), bob: Issuer::new("https://b.test") }
    }

    fn sections(&self, directory: &Path) -> String {
        let section = |name: &str, issuer: &Issuer| {
            let keys = directory.join(format!("{name}.json"));
            issuer.publish(&keys);
            format!(
                "[issuer.{name}]\nurl = \"https://{name}.test\"\ntenant = \"{name}\"\njwks_file = {}\n",
                json!(keys)
            )
        };
        let (a, b) = (section("a", &self.alice), section("b", &self.bob));
        format!("[auth]\nmode = \"oauth\"\n\n{a}\n{b}\n[limits]\nrequests_per_second = 100000\n")
    }

    /// `Authorization` of whoever it is, at one endpoint.
    fn authorization(&self, who: &str, gateway: &Gateway, path: &str) -> String {
        let audience = format!("http://{}{path}", gateway.address());
        let issuer = if who == "alice" { &self.alice } else { &self.bob };
        // The same subject at both: who it is, is a matter of who says so.
        format!("Bearer {}", issuer.token("person", &audience, ""))
    }
}

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let home = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
    let tenants = Tenants::new();
    let sections = tenants.sections(home.path());
    let ground = Ground::open(place, |setup| setup.sections(&sections)).await?;
    handles(&ground, report, &tenants).await?;
    reads(&ground, report, &tenants).await?;
    drop(ground);
    processes(place, report, &tenants, &sections).await?;
    report.not_covered("a path into the other tenant's directory", "S-22: it is refused for everybody");
    Ok(())
}

/// A request of 2026-07-28 by somebody; `params` is a JSON object without its braces.
fn modern(authorization: &str, path: &str, method: &str, name: &str, params: &str) -> Request {
    let comma = if params.is_empty() { "" } else { "," };
    let body = request("1", method, &format!("{{{params}{comma}{META}}}"));
    let request = Request::post(path, body)
        .header("authorization", authorization)
        .header("mcp-protocol-version", MODERN)
        .header("mcp-method", method);
    if name.is_empty() { request } else { request.header("mcp-name", name) }
}

async fn send(gateway: &Gateway, request: &Request) -> Result<Answer, Trouble> {
    Ok(exchange(gateway.address(), &request.bytes()).await?.first())
}

fn text(answer: &Answer, pointer: &str) -> Result<String, Trouble> {
    let found = answer.json().pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    found.ok_or_else(|| Trouble::other(format!("no {pointer} in {}", answer.body)))
}

/// What alice holds, in bob's hands.
async fn handles(ground: &Ground, report: &mut Report, tenants: &Tenants) -> Result<(), Trouble> {
    let gateway = &ground.gateway;
    let of = |who: &str| tenants.authorization(who, gateway, NOTES);
    let (alice, bob) = (of("alice"), of("bob"));
    let slow = modern(
        &alice,
        NOTES,
        "tools/call",
        "slow_compute",
        r#""name":"slow_compute","arguments":{"seconds":600}"#,
    );
    let task = text(&send(gateway, &slow).await?, "/result/taskId")?;
    let begin =
        modern(&alice, NOTES, "tools/call", STATEFUL, &format!(r#""name":"{STATEFUL}","arguments":{{}}"#));
    let asked = send(gateway, &begin).await?;
    let state = text(&asked, "/result/requestState")?;
    let key = asked
        .json()
        .pointer("/result/inputRequests")
        .and_then(Value::as_object)
        .and_then(|it| it.keys().next().cloned());
    let key = key.ok_or_else(|| Trouble::other(format!("nothing was asked in {}", asked.body)))?;
    let retry = |authorization: &str, state: &str| {
        let answers = json!({ key.clone(): { "action": "accept", "content": { "ok": true } } });
        let params = format!(
            r#""name":"{STATEFUL}","arguments":{{}},"requestState":{},"inputResponses":{answers}"#,
            json!(state)
        );
        modern(authorization, NOTES, "tools/call", STATEFUL, &params)
    };
    let opened = Request::post(NOTES, initialize()).header("authorization", &alice);
    let opened = send(gateway, &opened).await?;
    let session =
        opened.header("mcp-session-id").ok_or_else(|| Trouble::other("no session was opened"))?.to_owned();
    let in_session = |authorization: &str| {
        Request::post(NOTES, legacy_call("test_simple_text"))
            .header("mcp-session-id", &session)
            .header("mcp-protocol-version", LEGACY)
            .header("authorization", authorization)
    };
    let about = |who: &str, method: &str, id: &str| {
        modern(who, NOTES, method, id, &format!(r#""taskId":{}"#, json!(id)))
    };
    let before = ground.effects()?.len();
    let mut rows = vec![
        ("alice's state", retry(&bob, &state), NO_STATE),
        ("alice's state, changed", retry(&alice, &format!("{state}b")), NO_STATE),
        ("alice's session", in_session(&bob), NO_SESSION),
    ];
    for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
        rows.push(("alice's task", about(&bob, method, &task), NO_TASK));
        rows.push(("a task that does not exist", about(&bob, method, "no-such-task"), NO_TASK));
    }
    let attack =
        |(name, request, wanted): (&str, Request, Wanted)| Attack::new(name, request.bytes(), wanted);
    let attacks: Vec<Attack> = rows.into_iter().map(attack).collect();
    refuse_all(gateway, report, attacks, nothing_more).await?;
    report.state("messages of bob's that reached the server", before, ground.effects()?.len());

    let own = send(gateway, &about(&alice, "tasks/get", &task)).await?;
    let status = text(&own, "/result/status").unwrap_or(own.body);
    report.check(Kind::Twin, "alice's task, by alice", "working", &*status, status == "working");
    let done = send(gateway, &retry(&alice, &state)).await?;
    let resumed = done.json().pointer("/result/content").is_some();
    report.check(Kind::Twin, "alice's state, by alice", "a result", &*done.body, resumed);
    let served = send(gateway, &in_session(&alice)).await?;
    report.check(
        Kind::Twin,
        "alice's session, by alice",
        "200",
        served.status.to_string(),
        served.status == 200,
    );
    let cancelled = send(gateway, &about(&alice, "tasks/cancel", &task)).await?;
    report.check(
        Kind::Twin,
        "alice cancels her task",
        "200",
        cancelled.status.to_string(),
        cancelled.status == 200,
    );
    Ok(())
}

/// Whatever a server says about sharing, nobody is given what another was answered.
async fn reads(ground: &Ground, report: &mut Report, tenants: &Tenants) -> Result<(), Trouble> {
    let gateway = &ground.gateway;
    let uri = "test://static-text";
    for who in ["alice", "bob", "bob"] {
        let authorization = tenants.authorization(who, gateway, NOTES);
        let read = modern(&authorization, NOTES, "resources/read", uri, &format!(r#""uri":"{uri}""#));
        let answer = send(gateway, &read).await?;
        let read = answer.json().pointer("/result/contents/0/text").is_some();
        report.check(
            Kind::Twin,
            format!("a resource, by {who}"),
            "its text",
            answer.status.to_string(),
            read,
        );
    }
    let asked = ground.effects()?.into_iter().filter(|it| it.is_request("resources/read")).count();
    report.state("reads at the server, for three of two callers", 3, asked);
    Ok(())
}

/// What somebody's server says about a deed.
async fn does(
    gateway: &Gateway,
    tenants: &Tenants,
    who: &str,
    deed: &str,
    path: &str,
) -> Result<String, Trouble> {
    let authorization = tenants.authorization(who, gateway, ROGUE);
    let arguments = json!({ "deed": deed, "args": [path] });
    let params = format!(r#""name":"do","arguments":{arguments}"#);
    let answer = send(gateway, &modern(&authorization, ROGUE, "tools/call", "do", &params)).await?;
    let said = text_of(&answer.json()).to_owned();
    Ok(if said.is_empty() { answer.body } else { said })
}

/// A server that is a command runs once for each.
async fn processes(
    place: &Place,
    report: &mut Report,
    tenants: &Tenants,
    sections: &str,
) -> Result<(), Trouble> {
    let setup = place.setup().sections(sections).stdio("rogue", &place.rogue(Sandbox::default()));
    let gateway = setup.start().await?;
    let file = format!("/tmp/{SECRET}");
    for (name, deed) in [("alice's server keeps something", "write"), ("and has it later", "read")] {
        let said = does(&gateway, tenants, "alice", deed, &file).await?;
        report.check(Kind::Twin, name, "done", &*said, said.starts_with("done"));
    }
    let mine: Vec<i32> = servers(&gateway);
    for (name, deed, path) in [
        ("bob's server reads what alice's keeps", "read", file.clone()),
        (
            "bob's server looks at alice's process",
            "list",
            format!("/proc/{}", mine.first().copied().unwrap_or(0)),
        ),
        (
            "bob's server goes through alice's root",
            "list",
            format!("/proc/{}/root", mine.first().copied().unwrap_or(0)),
        ),
    ] {
        let said = does(&gateway, tenants, "bob", deed, &path).await?;
        report.check(Kind::Attack, name, "it fails", &*said, said.starts_with("failed"));
    }
    let both = servers(&gateway);
    report.state("processes of the server, for two callers", (1, 2), (mine.len(), both.len()));
    let spaces = |kind: &str| {
        let of = |pid: &i32| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
        both.iter().filter_map(of).collect::<BTreeSet<_>>().len()
    };
    for kind in ["mnt", "pid", "user", "net", "ipc"] {
        report.state(format!("{kind} namespaces of the two"), 2, spaces(kind));
    }
    let log = fs::read_to_string(gateway.log()).map_err(Trouble::io("reading the log"))?;
    let tenants_on_record =
        ["\"tenant\":\"a\"", "\"tenant\":\"b\""].iter().all(|tenant| log.contains(tenant));
    report.state("both tenants on record", true, tenants_on_record);
    Ok(())
}

/// The processes of the server, as the machine sees them.
fn servers(gateway: &Gateway) -> Vec<i32> {
    let is = |pid: &i32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "rogue-server")
    };
    descendants(gateway.pid()).into_iter().filter(is).collect()
}
