//! S-16: a server looks for the secrets of the gateway it is behind.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use futures_util::FutureExt;
use portcullis_testkit::{
    journal::Journal,
    server::{HttpServer, Sandbox},
};

use super::Scenario;
use crate::{
    ground::{ALLOWED, SAYS},
    http::{Request, exchange},
    message::{call, text_of},
    place::Place,
    report::{Kind, Report},
    rogue::{Files, Rogue},
    trouble::Trouble,
};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-16",
    title: "credential theft",
    claim: "what a server is called with is in no other server's files, environment or processes, in no record, message, \
            argument or environment of the gateway, and in none of its files but the one that holds it; the server it is for gets it",
    run: |place, report| run(place, report).boxed(),
};

const SECRET: &str = "CANARY-SECRET-16f2";

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let files = Files::make()?;
    let secret = files.path("secret/token");
    fs::write(&secret, SECRET).map_err(Trouble::io("writing the secret"))?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))
        .map_err(Trouble::io("closing the secret"))?;
    let journal = Journal::at(files.path("journal"));
    let server = HttpServer::fixture(Some(journal.path())).await?;
    let headers = format!("headers = {{ Authorization = {{ file = {secret:?}, prefix = \"Bearer \" }} }}");
    let setup = place.setup().http("notes", server.url()).with(&headers);
    let setup = setup.stdio("rogue", &place.rogue(files.sandbox()));
    let rogue = Rogue { gateway: setup.start().await? };

    let request = Request::call("/mcp/notes", ALLOWED, call(ALLOWED, "{}"));
    let answer = exchange(rogue.gateway.address(), &request.bytes()).await?.first();
    let said = text_of(&answer.json()).to_owned();
    report.check(Kind::Twin, "the call that needs the secret", SAYS, &*said, said == SAYS);
    let shown = journal.received()?.into_iter().filter(|it| it.calls(ALLOWED));
    let shown: Vec<_> = shown.filter_map(|it| it.headers.get("authorization").cloned()).collect();
    report.state("what the server it is for was shown", vec![format!("Bearer {SECRET}")], shown);

    let pid = rogue.gateway.pid();
    let config = rogue.gateway.config().to_string_lossy().into_owned();
    let own = format!("/proc/{pid}/environ");
    let (memory, token) = (format!("/proc/{pid}/mem"), secret.to_string_lossy().into_owned());
    let attempts: [(&str, &str, &str); 9] = [
        ("its own environment", "read", "/proc/self/environ"),
        ("its own arguments", "read", "/proc/self/cmdline"),
        ("the environment of the first process", "read", "/proc/1/environ"),
        ("the arguments of the first process", "read", "/proc/1/cmdline"),
        ("the gateway's environment", "read", &own),
        ("the gateway's memory", "read", &memory),
        ("the gateway's configuration", "read", &config),
        ("the file that holds the secret", "read", &token),
        ("the directory it is in", "list", &files.text("secret")),
    ];
    for (name, deed, path) in attempts {
        let said = rogue.does(deed, &[path]).await?;
        let short: String = said.chars().take(80).collect();
        report.check(Kind::Attack, name, "nothing of the secret", short, !said.contains(SECRET));
    }
    for (name, deed, path) in attempts.into_iter().skip(4) {
        rogue.fails(report, &format!("{name}, at all"), deed, &[path]).await?;
    }
    said_nowhere(&rogue, report, &secret)?;
    drop(rogue);

    let free = Rogue::open(place, Sandbox::none(), "").await?;
    let said = free.does("read", &[&token]).await?;
    report.check(
        Kind::Twin,
        "the same server without a sandbox reads it",
        "the secret",
        &*said,
        said.contains(SECRET),
    );
    report.not_covered("a stolen token with another key", "S-17: it is refused there");
    report.not_covered("a secret in an answer", "S-19: it is redacted there");
    Ok(())
}

/// Neither what the gateway writes nor what others can see of it holds the secret.
fn said_nowhere(rogue: &Rogue, report: &mut Report, secret: &Path) -> Result<(), Trouble> {
    let gateway = &rogue.gateway;
    let process = |file: &str| fs::read(format!("/proc/{}/{file}", gateway.pid())).unwrap_or_default();
    let places = [
        ("the log", fs::read(gateway.log()).map_err(Trouble::io("reading the log"))?),
        ("what the gateway says", gateway.said().into_bytes()),
        ("its arguments", process("cmdline")),
        ("its environment", process("environ")),
    ];
    for (name, bytes) in places {
        report.state(format!("the secret in {name}"), false, holds(&bytes));
    }
    let home = gateway.config().parent().map(Path::to_owned).unwrap_or_default();
    let elsewhere = files_below(&home).into_iter().filter(|file| file.as_path() != secret);
    let found = elsewhere.filter(|file| fs::read(file).is_ok_and(|bytes| holds(&bytes))).count();
    report.state("files of the gateway that hold it", 0, found);
    Ok(())
}

fn holds(bytes: &[u8]) -> bool {
    bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
}

fn files_below(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries =
        fs::read_dir(directory).map(|entries| entries.flatten().collect::<Vec<_>>()).unwrap_or_default();
    let below = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => files_below(&entry.path()),
        Ok(kind) if kind.is_file() => vec![entry.path()],
        _ => Vec::new(),
    };
    entries.into_iter().flat_map(below).collect()
}
