//! Command line: see `USAGE`.

use std::str::FromStr;

use crate::{
    USAGE,
    options::{Arrivals, ColdStartOptions, Command, HoldOptions, Kind, Mode, RunOptions, Target, Work},
};

/// Everything that can be said on the command line, whatever the verb.
struct Parsed {
    run: RunOptions,
    kind: Kind,
    repeat: usize,
    settle_ms: u64,
    cpu: Option<usize>,
    command: Vec<String>,
}

type Setter = fn(&mut Parsed, &str) -> Result<(), String>;

const FLAGS: &[(&str, Setter)] = &[
    ("--target", |p, v| target(v).map(|target| p.run.targets.push(target))),
    ("--mode", |p, v| choose(v, &[("closed", Mode::Closed), ("open", Mode::Open)], &mut p.run.mode)),
    ("--arrivals", |p, v| {
        let choices = [("poisson", Arrivals::Poisson), ("uniform", Arrivals::Uniform)];
        choose(v, &choices, &mut p.run.arrivals)
    }),
    ("--kind", |p, v| {
        let choices = [("connections", Kind::Connections), ("streams", Kind::Streams)];
        choose(v, &choices, &mut p.kind)
    }),
    ("--rate", |p, v| number(v, &mut p.run.rate)),
    ("--conns", |p, v| number(v, &mut p.run.conns)),
    ("--duration", |p, v| number(v, &mut p.run.duration_s)),
    ("--warmup", |p, v| number(v, &mut p.run.warmup_s)),
    ("--rounds", |p, v| number(v, &mut p.run.rounds)),
    ("--method", |p, v| text(v, &mut p.run.work.method)),
    ("--arg-size", |p, v| number(v, &mut p.run.work.arg_size)),
    ("--result-size", |p, v| number(v, &mut p.run.work.result_size)),
    ("--timeout-ms", |p, v| number(v, &mut p.run.timeout_ms)),
    ("--label", |p, v| text(v, &mut p.run.label)),
    ("--repeat", |p, v| number(v, &mut p.repeat)),
    ("--settle-ms", |p, v| number(v, &mut p.settle_ms)),
    ("--cpu", |p, v| number(v, p.cpu.insert(0))),
];

pub(crate) fn parse(args: &[String]) -> Result<Command, String> {
    let Some((verb, rest)) = args.split_first() else {
        return Err(USAGE.to_owned());
    };
    let mut parsed = Parsed {
        run: RunOptions {
            label: String::new(),
            mode: Mode::Closed,
            rate: 0.0,
            arrivals: Arrivals::Poisson,
            conns: 32,
            duration_s: 5.0,
            warmup_s: 1.0,
            rounds: 3,
            work: Work::small_call(),
            timeout_ms: 10_000,
            targets: Vec::new(),
        },
        kind: Kind::Connections,
        repeat: 5,
        settle_ms: 1000,
        cpu: None,
        command: Vec::new(),
    };
    let mut words = rest.iter();
    while let Some(flag) = words.next() {
        if flag == "--" {
            parsed.command = words.cloned().collect();
            break;
        }
        let Some((_, set)) = FLAGS.iter().find(|(name, _)| name == flag) else {
            return Err(format!("unknown option `{flag}`\n{USAGE}"));
        };
        let value = words.next().ok_or_else(|| format!("`{flag}` needs a value"))?;
        set(&mut parsed, value).map_err(|problem| format!("`{flag}`: {problem}"))?;
    }
    command(verb, parsed)
}

fn command(verb: &str, parsed: Parsed) -> Result<Command, String> {
    let Parsed { run, kind, repeat, settle_ms, cpu, command } = parsed;
    let target = run.targets.first().cloned().ok_or_else(|| format!("no `--target`\n{USAGE}"))?;
    match verb {
        "run" if run.mode == Mode::Open && !positive(run.rate) => Err("`--mode open` needs `--rate`".into()),
        "run" if run.conns == 0 || run.rounds == 0 || !positive(run.duration_s) => {
            Err("`--conns`, `--rounds` and `--duration` must be positive".into())
        }
        "run" => Ok(Command::Run(run)),
        "check" => Ok(Command::Check(run.targets)),
        "hold" if target.pid.is_none() => Err("`hold` needs a target with a `pid`".into()),
        "hold" => Ok(Command::Hold(HoldOptions { target, kind, conns: run.conns, settle_ms })),
        "coldstart" if command.is_empty() => Err("`coldstart` needs `-- COMMAND`".into()),
        "coldstart" => Ok(Command::ColdStart(ColdStartOptions { target, command, repeat, settle_ms, cpu })),
        _ => Err(USAGE.to_owned()),
    }
}

/// Not zero, not negative, not NaN.
fn positive(value: f64) -> bool {
    value > 0.0
}

fn number<T: FromStr>(value: &str, into: &mut T) -> Result<(), String> {
    *into = value.parse().map_err(|_| format!("`{value}` is not a number that fits"))?;
    Ok(())
}

fn text(value: &str, into: &mut String) -> Result<(), String> {
    value.clone_into(into);
    Ok(())
}

fn choose<T: Copy>(value: &str, choices: &[(&str, T)], into: &mut T) -> Result<(), String> {
    match choices.iter().find(|(name, _)| *name == value) {
        Some((_, choice)) => *into = *choice,
        None => {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            return Err(format!("`{value}` is none of {}", names.join(", ")));
        }
    }
    Ok(())
}

fn target(spec: &str) -> Result<Target, String> {
    let mut target = Target {
        name: String::new(),
        url: String::new(),
        proto: "2026-07-28".into(),
        tool: "echo".into(),
        headers: Vec::new(),
        pid: None,
    };
    for part in spec.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').ok_or_else(|| format!("`{part}` is not key=value"))?;
        match key {
            "name" => target.name = value.into(),
            "url" => target.url = value.into(),
            "proto" => target.proto = value.into(),
            "tool" => target.tool = value.into(),
            "header" => target.headers.push(value.into()),
            "pid" => number(value, target.pid.insert(0))?,
            _ => return Err(format!("unknown key `{key}`")),
        }
    }
    if target.name.is_empty() {
        target.name.clone_from(&target.url);
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    fn parse_line(line: &str) -> Result<Command, String> {
        let words: Vec<String> = line.split(' ').map(String::from).collect();
        parse(&words)
    }

    #[test]
    fn target_spec() {
        let t = target("name=a;url=http://127.0.0.1:1/mcp;header=X-A: b=c;pid=7").unwrap();
        assert_eq!((t.name.as_str(), t.pid), ("a", Some(7)));
        assert_eq!(t.headers, ["X-A: b=c"]);
        assert_eq!(t.tool, "echo");
        assert!(target("nonsense").is_err());
    }

    #[test]
    fn lines() {
        let cases = [
            ("run --target url=http://h:1/", true),
            ("run", false),
            ("run --mode open --target url=http://h:1/", false),
            ("run --mode open --rate 5 --target url=http://h:1/", true),
            ("run --mode ajar --target url=http://h:1/", false),
            ("run --conns 0 --target url=http://h:1/", false),
            ("run --nonsense 1 --target url=http://h:1/", false),
            ("hold --kind streams --target url=http://h:1/", false),
            ("hold --kind streams --target url=http://h:1/;pid=1", true),
            ("coldstart --target url=http://h:1/", false),
            ("coldstart --cpu 1 --target url=http://h:1/ -- server --port 1", true),
        ];
        for (line, accepted) in cases {
            assert_eq!(parse_line(line).is_ok(), accepted, "{line}");
        }
    }
}
