//! `portcullis sandbox learn`

mod written;

use std::{collections::BTreeSet, ffi::OsStr, path::PathBuf, process::Command};

use portcullis_core::ServerName;
use portcullis_sandbox::{
    Asked, Contained, Draft, Egress, Ended, Inferred, Plan, infer,
    learn::{Around, Learnt, learn, widened},
};

use super::way_out::{self, Served};
use crate::{
    commands::{
        grants::Grants,
        run::{default_record, name_of},
    },
    config,
    exit::{Exit, Failure, Outcome},
    files::{self, Access, Existing},
    own::Own,
    printer::Printer,
};
use written::Written;

/// A name that never leads anywhere (RFC 6761), so that there is a proxy that tells what is asked for.
const NOWHERE: &str = "nothing.invalid";

/// Run a server once, watch what it uses, and write a first draft of what it has to be allowed.
///
/// While it is watched it can read most of what is no secret, change only what its arguments and `--write` name, execute the
/// system's programs, and reach the hosts that `--allow` names. What it uses of that is in the draft, and nothing else; what
/// it asked for besides is told. Standard input and output are the server's: put this before its command in a client's
/// settings, use the server, and end it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the server is called in the draft; made from the command when absent.
    #[arg(long)]
    name: Option<ServerName>,
    /// File the draft is written to; when absent, it is written to standard error.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the draft as JSON instead of as a part of a configuration.
    #[arg(long)]
    json: bool,
    /// Variable of the environment that is passed on, by name.
    #[arg(long, value_name = "NAME")]
    env: Vec<String>,
    /// File that what it reaches is recorded in; when absent, a new one in ~/.local/state/portcullis/sandbox.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    #[command(flatten)]
    grants: Grants,
    /// The server's command and its arguments.
    #[arg(required = true, last = true, value_name = "CMD")]
    command: Vec<String>,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let name = args.name.clone().map_or_else(|| name_of(&args.command), Ok)?;
    args.grants.reach.policy(printer)?;
    if args.grants.held.tier != config::Tier::Kernel {
        let what = "what a server uses is watched in the kernel tier only";
        return Err(
            Failure::new(Exit::Usage, what).remedy("leave `--tier` out: the draft is good for every tier")
        );
    }
    let usage = |what: String| Failure::new(Exit::Usage, what);
    let own = args.record.iter().fold(Own::of_user(printer), |own, file| own.with(file, "the record"));
    let cwd = std::env::current_dir().map_err(|error| usage(format!("the working directory: {error}")))?;
    let home = std::env::home_dir().filter(|home| home.is_absolute());
    let around = Around { home: home.and_then(|home| home.canonicalize().ok()), cwd, kept: own.paths() };
    let asked = asked(args, &around);
    // Packages are fetched once.
    let base = infer(&asked).map_err(|fault| usage(fault.to_string()))?;
    let wide = wide(args, &base.plan, &around).map_err(|fault| usage(fault.to_string()))?;
    own.is_out_of_reach_of(&wide).map_err(|reached| super::apart(Exit::Findings, &reached))?;
    let (ended, reached) = watch(args, &name, &base, &wide, printer)?;
    let learnt = learn(&base.plan, &wide, &around, &ended.seen);
    let written = Written::new(args, &name, &asked, learnt, &reached, &base)?;
    own.is_out_of_reach_of(&written.plan).map_err(|reached| super::apart(Exit::Findings, &reached))?;
    tell(args, &written, &ended, printer)
}

fn asked(args: &Args, around: &Around) -> Asked {
    let mut words = args.command.iter().cloned();
    Asked {
        program: words.next().unwrap_or_default(),
        args: words.collect(),
        env: args.env.clone(),
        cwd: around.cwd.clone(),
        path: std::env::var_os("PATH").unwrap_or_default(),
        ..Asked::default()
    }
}

/// The plan it is watched in.
fn wide(args: &Args, base: &Plan, around: &Around) -> Result<Plan, portcullis_sandbox::PlanFault> {
    let Grants { held: _, read, write, execute, reach, danger_host_network } = &args.grants;
    let mut listed = Draft::new(&std::env::var_os("PATH").unwrap_or_default(), &around.cwd);
    read.iter().try_for_each(|path| listed.read(path))?;
    write.iter().try_for_each(|path| listed.write(path))?;
    execute.iter().try_for_each(|program| listed.execute(OsStr::new(program)).map(drop))?;
    let mut egress = reach.egress();
    if egress.is_closed() {
        egress.hosts.insert(NOWHERE.to_owned());
    }
    if *danger_host_network {
        listed.danger_host_network();
    } else {
        listed.egress(egress)?;
    }
    let listed = listed.finish();
    let mut whole = base.clone();
    whole.read.extend(listed.read);
    whole.write.extend(listed.write);
    whole.execute.extend(listed.execute);
    whole.links.extend(listed.links);
    whole.egress = listed.egress;
    whole.danger_host_network = listed.danger_host_network;
    Ok(widened(&whole, around))
}

fn watch(
    args: &Args,
    name: &ServerName,
    base: &Inferred,
    wide: &Plan,
    printer: &Printer,
) -> Result<(Ended, BTreeSet<way_out::Asked>), Failure> {
    let mut command = Command::new(&base.program);
    command.args(&base.args).env_clear();
    for variable in &wide.env {
        if let Some(value) = std::env::var_os(variable) {
            command.env(variable, value);
        }
    }
    // Before any thread is started.
    let contained = Contained::start_watched(wide, command);
    let mut contained = contained.map_err(|error| Failure::new(Exit::Findings, error.to_string()))?;
    let record = args.record.clone().map_or_else(|| default_record("sandbox", name), Ok)?;
    let served = Served { name, record: &record, plan: wide };
    let way_out =
        contained.way_out().map(|listener| way_out::serve(served, listener, printer)).transpose()?;
    let ended = contained.wait();
    let reached = way_out.map(|way_out| way_out.close(&ended.denied, printer)).transpose()?;
    Ok((ended, reached.unwrap_or_default()))
}

fn tell(args: &Args, written: &Written, ended: &Ended, printer: &Printer) -> Outcome {
    let text = if args.json { written.json() } else { written.toml() };
    match &args.output {
        Some(file) => {
            files::write(file, text.as_bytes(), Access::Usual, Existing::Replace)?;
            printer.status(&format!("the draft is in {}", file.display()));
        }
        None => printer.status(&text),
    }
    printer.status(&format!("with it the server would be allowed what follows\n{}", written.plan));
    written.remarks().iter().for_each(|remark| printer.status(remark));
    ended.denied.iter().for_each(|calls| printer.status(&format!("it was refused {calls}")));
    Ok(Exit::Fine)
}

/// Hosts of a draft: those that were reached.
fn hosts(args: &Args, reached: &BTreeSet<way_out::Asked>) -> Egress {
    let of = |plain: bool| {
        let reached = reached.iter().filter(move |it| it.allowed && it.plain == plain);
        reached.map(|it| it.destination.clone()).collect()
    };
    Egress { hosts: of(false), danger_plain_hosts: of(true), ..args.grants.reach.egress() }
}

/// What it asked for and was not let to.
fn not_reached(reached: &BTreeSet<way_out::Asked>) -> BTreeSet<String> {
    reached.iter().filter(|it| !it.allowed).map(|it| it.destination.clone()).collect()
}

/// What was learnt, and is not in the draft, for a person.
fn remarks(learnt: &Learnt, not_reached: &BTreeSet<String>) -> Vec<String> {
    let tried = learnt.withheld.iter().map(|it| {
        let deed = format!("{:?}", it.deed).to_lowercase();
        format!("not in the draft: {deed} `{}`: {}", it.path.display(), it.why)
    });
    let asked = not_reached
        .iter()
        .map(|host| format!("not in the draft: connect to `{}`: `--allow` lets it", host.escape_debug()));
    let more = learnt.withheld_besides;
    let more = (more > 0).then(|| format!("not in the draft: {more} more, which are not told one by one"));
    let unused = learnt
        .unused
        .iter()
        .map(|path| format!("never used: `{}`, which its arguments name and it may change", path.display()));
    tried.chain(more).chain(asked).chain(unused).collect()
}
