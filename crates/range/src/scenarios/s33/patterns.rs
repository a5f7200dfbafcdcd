//! Tool definitions that would cost whoever checks arguments against them.

use std::{
    fs,
    time::{Duration, Instant},
};

use portcullis_testkit::gateway::{Gateway, Setup};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::watch::CAP;
use crate::{
    attack::{Attack, Wanted, nothing_more, refuse_all, wanted},
    http::{Request, exchange},
    message::{call, text_of},
    place::Place,
    process::resident,
    report::{Kind, Report},
    trouble::Trouble,
};

/// How long all calls of one server may take, its start included.
const SOON: Duration = Duration::from_secs(10);
const UNFIT: Wanted = wanted(400, -32602, "schema-mismatch");
/// The tool is not offered, because its schema cannot be checked within bounds.
const UNKNOWN: Wanted = wanted(200, -32602, "not-found");

/// A schema, arguments that would cost most, what becomes of the call, and arguments that fit.
struct Trap {
    name: &'static str,
    schema: Value,
    arguments: Value,
    wanted: Wanted,
    fits: Option<Value>,
}

fn traps() -> Vec<Trap> {
    let text = |pattern: &str| json!({ "type": "object", "properties": { "x": { "type": "string", "pattern": pattern } }, "required": ["x"] });
    let almost = json!({ "x": format!("{}!", "a".repeat(50_000)) });
    let trap = |name, schema, wanted, fits| Trap { name, schema, arguments: almost.clone(), wanted, fits };
    let fits = || Some(json!({ "x": "aaaa" }));
    vec![
        trap("repeated repetition", text("^(a+)+$"), UNFIT, fits()),
        trap("alternatives that overlap", text("^(a|aa|a?)*$"), UNFIT, fits()),
        trap("repetitions behind each other", text("^a*a*a*a*a*a*a*a*a*a*b?$"), UNFIT, fits()),
        trap("a thousand thousands", text("^((a{1,1000}){1,1000}){1,1000}$"), UNKNOWN, None),
        trap("a look ahead", text("^(?=(a+)+$)a*$"), UNFIT, fits()),
        trap("a reference backwards", text("^(a*)*\\1$"), UNKNOWN, None),
        trap("a pattern of 100 kB", text(&"(a|b)".repeat(20_000)), UNKNOWN, None),
        trap(
            "a schema that is itself",
            json!({ "type": "object", "allOf": [{ "$ref": "#" }] }),
            UNKNOWN,
            None,
        ),
        trap("sixteen million alternatives", forest(), UNKNOWN, None),
    ]
}

/// Alternatives of alternatives, each of them twice: small to write down, vast to try.
fn forest() -> Value {
    let twice = |n: u32| {
        let below = json!({ "$ref": format!("#/$defs/d{}", n - 1) });
        (format!("d{n}"), json!({ "anyOf": [below.clone(), below] }))
    };
    let mut defs: Map<_, _> = (1..=24).map(twice).collect();
    defs.insert("d0".to_owned(), json!({ "type": "number" }));
    json!({ "type": "object", "$defs": defs, "properties": { "x": { "$ref": "#/$defs/d24" } } })
}

pub(super) async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let home = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
    let traps = traps();
    let gateway = setup(place, &home, &traps)?.start().await?;
    for (number, trap) in traps.iter().enumerate() {
        spring(&gateway, number, trap, report).await?;
    }
    let (_, peak) = resident(gateway.pid())?;
    report.at_most("peak resident memory, costly definitions", peak, CAP, "MiB");
    Ok(())
}

/// A server for each trap.
fn setup(place: &Place, home: &TempDir, traps: &[Trap]) -> Result<Setup, Trouble> {
    let mut setup = place.setup().sections("[limits]\nrequests_per_second = 100000\n");
    for (number, trap) in traps.iter().enumerate() {
        let path = |name: &str| home.path().join(format!("{name}-{number}"));
        fs::write(path("schema"), trap.schema.to_string()).map_err(Trouble::io("writing a schema"))?;
        let (findings, schema) = (path("findings"), path("schema"));
        let args = [&*findings.to_string_lossy(), "--schema", &*schema.to_string_lossy()];
        setup = setup.stdio(&format!("trap-{number}"), &place.hostile(&args));
    }
    Ok(setup)
}

async fn spring(gateway: &Gateway, number: usize, trap: &Trap, report: &mut Report) -> Result<(), Trouble> {
    let began = Instant::now();
    let path = format!("/mcp/trap-{number}");
    let guarded =
        |arguments: &Value| Request::call(&path, "guarded", call("guarded", &arguments.to_string()));
    let attack = Attack::new(trap.name, guarded(&trap.arguments).bytes(), trap.wanted);
    refuse_all(gateway, report, [attack], nothing_more).await?;
    let (twin, says) = match &trap.fits {
        Some(fits) => (guarded(fits), "guarded"),
        None => (Request::call(&path, "echo", call("echo", r#"{"text":"hello"}"#)), "hello"),
    };
    let answer = exchange(gateway.address(), &twin.bytes()).await?.first();
    let took = began.elapsed();
    let passed = answer.status == 200 && text_of(&answer.json()) == says && took < SOON;
    let name = format!("{}: an honest call", trap.name);
    report.check(
        Kind::Twin,
        name,
        format!("200 within {SOON:?}"),
        format!("{} after {took:.1?}", answer.status),
        passed,
    );
    Ok(())
}
