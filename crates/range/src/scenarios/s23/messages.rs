//! What speaks for a server says what nobody has asked for.

use crate::{
    attack::{last, number},
    http::{Request, exchange},
    message::{call, text_of},
    place::Place,
    report::{Kind, Report},
    trouble::Trouble,
};

const ENDPOINT: &str = "/mcp/hostile";
const FORGED: &str = "FORGED";
const ROUNDS: usize = 5;

pub(super) async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let home = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
    let findings = home.path().join("findings");
    let launch = place.hostile(&[&findings.to_string_lossy()]);
    let gateway = place.setup().stdio("hostile", &launch).start().await?;
    let ask = async |tool: &str, arguments: &str| -> Result<String, Trouble> {
        let request = Request::call(ENDPOINT, tool, call(tool, arguments));
        Ok(exchange(gateway.address(), &request.bytes()).await?.first().body)
    };
    for round in 0..ROUNDS {
        for (tool, name) in [
            ("stranger", "answers to calls that nobody made"),
            ("twice", "a second answer to a call"),
            ("asks", "questions that no call is a reason for"),
        ] {
            let before = last(&gateway)?;
            let body = ask(tool, "{}").await?;
            let honest = text(&body) == "honest" && !body.contains(FORGED);
            let mark = format!("round {round} after {tool}");
            let next = ask("echo", &format!(r#"{{"text":"{mark}"}}"#)).await?;
            let untouched = text(&next) == mark && !next.contains(FORGED);
            let outcomes =
                gateway.records()?.into_iter().filter(|it| number(it) > before && it.kind() == "outcome");
            let completed = outcomes.filter(|it| it.text("outcome") == "completed").count();
            let seen =
                format!("honest: {honest}, the next call untouched: {untouched}, {completed} completed");
            let passed = honest && untouched && completed == 2;
            report.check(
                Kind::Attack,
                name,
                "its own answer, the next call untouched, 2 completed",
                seen,
                passed,
            );
        }
    }
    let twin = ask("echo", r#"{"text":"plain"}"#).await?;
    report.check(Kind::Twin, "an honest answer", "plain", text(&twin), text(&twin) == "plain");
    let log = std::fs::read_to_string(gateway.log()).map_err(Trouble::io("reading the log"))?;
    report.state("what was forged is in the log", false, log.contains(FORGED));
    report.not_covered("an argument or a result that is changed on the way", "messages that both ends sign");
    Ok(())
}

fn text(body: &str) -> String {
    let last = body.lines().filter_map(|line| line.strip_prefix("data: ")).next_back();
    let json = serde_json::from_str(last.unwrap_or(body)).unwrap_or_default();
    text_of(&json).to_owned()
}
