//! S-22: paths that lead out of the directory a server works in.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use futures_util::FutureExt;
use serde_json::{Map, json};
use tempfile::TempDir;

use super::Scenario;
use crate::{
    place::Place,
    planted::Planted,
    report::{Kind, Report},
    trouble::Trouble,
};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-22",
    title: "path traversal",
    claim: "a server that opens whatever path it is given gets none that climbs, is encoded, leads through a process or \
            out of its directory; links that do are not followed, however often they are swapped; files inside are \
            read",
    run: |place, report| run(place, report).boxed(),
};

const CANARY: &str = "canary-of-another-tenant-8831";
const SWAPS: usize = 200;

/// A directory of notes, a secret beside it, and a link from one to the other.
struct Files {
    _home: TempDir,
    notes: PathBuf,
    secret: PathBuf,
}

impl Files {
    fn new() -> Result<Self, Trouble> {
        let home = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
        let (notes, secret) = (home.path().join("notes"), home.path().join("secret"));
        let made = || -> std::io::Result<()> {
            fs::create_dir(&notes)?;
            fs::create_dir(&secret)?;
            fs::write(notes.join("a.md"), "bread and butter")?;
            fs::write(secret.join("canary.txt"), CANARY)?;
            symlink(&secret, notes.join("link"))?;
            symlink("a.md", notes.join("swap"))
        };
        made().map_err(Trouble::io("writing the files"))?;
        Ok(Self { _home: home, notes, secret })
    }

    /// Puts a link to something else in place of the last one, in one step.
    fn swap(&self, to: &Path) -> Result<(), Trouble> {
        let (next, link) = (self.notes.join("next"), self.notes.join("swap"));
        symlink(to, &next).and_then(|()| fs::rename(&next, &link)).map_err(Trouble::io("swapping a link"))
    }
}

/// Everything that can be told from the text of a path.
fn told(files: &Files) -> Vec<String> {
    let (notes, secret) = (files.notes.to_string_lossy(), files.secret.to_string_lossy());
    vec![
        "../secret/canary.txt".to_owned(),
        format!("{notes}/../secret/canary.txt"),
        format!("{notes}/./x/../../secret/canary.txt"),
        format!("{notes}/..\\secret\\canary.txt"),
        format!("{notes}/%2e%2e/secret/canary.txt"),
        format!("{notes}/%252e%252e/secret/canary.txt"),
        format!("{notes}/..%2fsecret%2fcanary.txt"),
        format!("{notes}/%c0%ae%c0%ae/secret/canary.txt"),
        format!("{notes}/\u{FF0E}\u{FF0E}/secret/canary.txt"),
        format!("{notes}/.. /secret/canary.txt"),
        format!("{secret}/canary.txt"),
        format!("/{secret}/canary.txt"),
        format!("{secret}/canary.txt\0.md"),
        format!("file://{secret}/canary.txt"),
        format!("/proc/self/root{secret}/canary.txt"),
        format!("/proc/self/cwd/../..{secret}/canary.txt"),
        "/proc/self/fd/3".to_owned(),
        "/proc/self/environ".to_owned(),
        "~/.ssh/id_rsa".to_owned(),
    ]
}

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let files = Files::new()?;
    let notes = files.notes.to_string_lossy().into_owned();
    let read = json!({"name": "read_file", "inputSchema": {"type": "object", "properties": {"path": {"type": "string"}}}});
    let uris = [
        format!("file://{notes}/a.md"),
        format!("file://{notes}/../secret/canary.txt"),
        format!("file://{notes}/%2e%2e/secret/canary.txt"),
        format!("file://{notes}/link/canary.txt"),
    ];
    let mut answers = Map::new();
    answers.insert("tools/call read_file".to_owned(), json!({"reads": "path"}));
    for uri in &uris {
        answers.insert(format!("resources/read {uri}"), json!({"reads": "uri"}));
    }
    let resources: Vec<_> = uris.iter().map(|uri| json!({"uri": uri, "name": uri})).collect();
    let script = json!({"tools": [read], "resources": resources, "answers": answers});
    let ground = Planted::open_as(place, &script, &[&files.notes], |setup| {
        setup
            .with(&format!("roots = [{notes:?}]"))
            .sections("[limits]\nrequests_per_second = 100000\n[content]\ntool_description = { hidden = \"note\", attack = \"note\" }\n")
    })
    .await?;
    lexical(&ground, report, &files).await?;
    resources_too(&ground, report, &uris).await?;
    links(&ground, report, &files).await?;
    report.state("canaries in the log", 0, ground.log()?.matches(CANARY).count());
    report.not_covered("ten thousand swaps", "time: each of these is decided by the kernel in the same way");
    Ok(())
}

async fn lexical(ground: &Planted, report: &mut Report, files: &Files) -> Result<(), Trouble> {
    let inside = files.notes.join("a.md").to_string_lossy().into_owned();
    let doubled = format!("/{}//./a.md", files.notes.to_string_lossy());
    for path in [inside, doubled] {
        let answer = ground.call("read_file", &json!({"path": path})).await?;
        let seen = answer.body.contains("bread and butter");
        report.check(Kind::Twin, "a file inside", "its text", seen.to_string(), seen);
    }
    let reached = ground.journal()?.lines().count();
    for path in told(files) {
        let answer = ground.call("read_file", &json!({"path": path})).await?;
        let refused = answer.code() == 40301 && answer.body.contains("is not accepted");
        let silent = ground.journal()?.lines().count() == reached;
        let seen = format!("{} {}, server silent: {silent}", answer.status, answer.code());
        let name = path.escape_debug().to_string();
        report.check(Kind::Attack, name, "403 40301, server silent: true", seen, refused && silent);
    }
    Ok(())
}

async fn resources_too(ground: &Planted, report: &mut Report, uris: &[String]) -> Result<(), Trouble> {
    for (at, uri) in uris.iter().enumerate() {
        let answer = ground.ask("resources/read", uri, &format!(r#""uri":"{uri}""#)).await?;
        let (seen, canary) = (answer.body.contains("bread and butter"), answer.body.contains(CANARY));
        let (kind, passed) = if at == 0 { (Kind::Twin, seen) } else { (Kind::Attack, !seen && !canary) };
        report.check(
            kind,
            format!("resource {at}"),
            "only what is inside",
            format!("{} {seen} {canary}", answer.status),
            passed,
        );
    }
    Ok(())
}

async fn links(ground: &Planted, report: &mut Report, files: &Files) -> Result<(), Trouble> {
    let link = files.notes.join("link/canary.txt").to_string_lossy().into_owned();
    let answer = ground.call("read_file", &json!({"path": link})).await?;
    let kept = answer.status == 200 && answer.body.contains("error: ") && !answer.body.contains(CANARY);
    report.check(
        Kind::Attack,
        "a link out of the directory",
        "an error of the system",
        answer.status.to_string(),
        kept,
    );
    let swapped = files.notes.join("swap").to_string_lossy().into_owned();
    let (mut canaries, mut read) = (0, 0);
    for at in 0..SWAPS {
        let to = if at % 2 == 0 { files.secret.join("canary.txt") } else { PathBuf::from("a.md") };
        files.swap(&to)?;
        let answer = ground.call("read_file", &json!({"path": swapped})).await?;
        canaries += usize::from(answer.body.contains(CANARY));
        read += usize::from(answer.body.contains("bread and butter"));
    }
    report.check(Kind::Attack, "a link that is swapped", "0 canaries", canaries.to_string(), canaries == 0);
    report.check(
        Kind::Twin,
        "the same link inside",
        (SWAPS / 2).to_string(),
        read.to_string(),
        read == SWAPS / 2,
    );
    Ok(())
}
