//! `portcullis update`

use std::{cmp::Ordering, str::FromStr};

use portcullis_core::ServerName;
use portcullis_supply::{
    admit::{Admitted, Difference, Finding, FindingKind, Lock, Package, Seat, State},
    advisories::order,
};
use serde::Serialize;

use super::{
    add::day,
    difference,
    submit::{Options, Wish, admit, fetch},
};
use crate::{
    exit::{Exit, Failure, Outcome},
    printer::Printer,
};

/// Submit another version of an admitted server, and show what would change: who is behind it, its packages, scripts that
/// packages would run, what advisories say, and how it is started. The approved version goes on until somebody else has
/// approved the new one with `portcullis approve`; it is kept then, and `portcullis rollback` restores it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Server, as the lock names it; `@VERSION` after it takes that version, otherwise the newest.
    #[arg(value_name = "NAME[@VERSION]")]
    which: Which,
    /// Changes nothing and shows what the version that waits for approval would change.
    #[arg(long)]
    show: bool,
    /// Day on which it has to be looked at again, as YYYY-MM-DD; when absent, that of the present version.
    #[arg(long, value_name = "DAY", value_parser = day)]
    review: Option<String>,
    #[command(flatten)]
    options: Options,
}

/// A server, and one of its versions.
#[derive(Clone, Debug)]
struct Which {
    name: ServerName,
    version: Option<String>,
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, version) =
            text.split_once('@').map_or((text, None), |(name, version)| (name, Some(version)));
        let name = name.parse().map_err(|fault: <ServerName as FromStr>::Err| fault.to_string())?;
        Ok(Self { name, version: version.map(str::to_owned) })
    }
}

/// The result for programs.
#[derive(Serialize)]
struct Summary<'s> {
    /// `submitted`, `approved` where nothing was to be done.
    state: &'static str,
    server: &'s Admitted,
    difference: &'s Difference,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let mut lock = args.options.place.read()?;
    let name = &args.which.name;
    let present = args.options.place.find(&lock, name)?.clone();
    if args.show {
        return show(args, &lock, &present, printer);
    }
    if present.state() == State::Retired {
        return Err(Failure::new(Exit::Findings, format!("`{name}` is retired"))
            .remedy("submit another version with `portcullis add`"));
    }
    let package = wanted(args, &present)?;
    let wish = Wish {
        package: &package,
        name: name.clone(),
        owner: Some(present.owner.clone()),
        purpose: present.purpose.clone(),
        review: args.review.clone().or_else(|| present.review.clone()),
        // Its name was looked at when it was admitted.
        danger_similar_name: present.findings.iter().any(|it| it.kind == FindingKind::SimilarName),
        present: Some(&present),
    };
    let fetched = fetch(&args.options, &wish, &lock, printer)?;
    let downgrade = downgrade(args, &package, &present, &fetched.resolved.version)?;
    let (mut server, _) = fetched.finish(printer)?;
    server.findings.extend(downgrade);
    server.findings.extend(rolled_back(&lock, &server));
    server.findings.sort();
    let difference = Difference::between(&present, &server);
    if server.tree == present.tree && args.review.is_none() {
        tell(args, &present, &difference, printer);
        printer.status(&format!("`{name}` is {} already, with the same files", present.package));
        return Ok(Exit::Fine);
    }
    let seat = admit(&args.options, &mut lock, &server)?;
    tell(args, &server, &difference, printer);
    printer.status(match seat {
        Seat::Next => {
            "the approved version goes on until somebody else approved this one: `portcullis approve`"
        }
        Seat::Present => "it starts once somebody else approved it: `portcullis approve`",
    });
    Ok(Exit::Fine)
}

fn show(args: &Args, lock: &Lock, present: &Admitted, printer: &Printer) -> Outcome {
    let Some(next) = lock.next(&present.name) else {
        let what = format!("no version of `{}` waits beside the approved one", present.name);
        return Err(Failure::new(Exit::Usage, what).remedy("`portcullis update NAME` submits one"));
    };
    tell(args, next, &Difference::between(present, next), printer);
    Ok(Exit::Fine)
}

/// The package of the present version in the version that is asked for.
fn wanted(args: &Args, present: &Admitted) -> Result<Package, Failure> {
    let package = present.package.parse::<Package>().ok().filter(|package| package.path().is_none());
    let Some(mut package) = package else {
        let what = format!("`{}` is {}, of which no registry knows versions", present.name, present.package);
        return Err(
            Failure::new(Exit::Usage, what).remedy("submit the new file with `portcullis add --name`")
        );
    };
    package.version = args.which.version.clone();
    // Written out, so that a version that is none is told as one.
    package.to_string().parse().map_err(|fault: <Package as FromStr>::Err| {
        Failure::new(Exit::Usage, fault.to_string()).remedy("name an exact version")
    })
}

/// An older version has to be asked for by name: a registry that shows an old one as its newest is no reason to go back.
fn downgrade(
    args: &Args,
    package: &Package,
    present: &Admitted,
    version: &str,
) -> Result<Option<Finding>, Failure> {
    let order = order(package.ecosystem, version, &present.version);
    if matches!(order, Some(Ordering::Greater | Ordering::Equal)) {
        return Ok(None);
    }
    let what = format!("{version} is older than {}, or cannot be compared with it", present.version);
    match args.which.version {
        Some(_) => Ok(Some(Finding::new(FindingKind::Downgrade, what))),
        None => Err(Failure::new(Exit::Findings, format!("the newest version there is: {what}"))
            .remedy("check the registry; `portcullis update NAME@VERSION` takes a version nevertheless")),
    }
}

/// What was given up once is known to whoever approves it again.
fn rolled_back(lock: &Lock, server: &Admitted) -> Option<Finding> {
    let same = lock.previous(&server.name).find(|it| it.tree == server.tree)?;
    let why = same.rolled_back.as_ref()?;
    Some(Finding::new(FindingKind::RolledBack, format!("by {} at {}: {}", why.by, why.at, why.reason)))
}

fn tell(args: &Args, server: &Admitted, difference: &Difference, printer: &Printer) {
    if args.options.json {
        printer.json(&Summary { state: server.state().as_str(), server, difference });
    } else {
        difference::tell(difference, printer);
    }
}
