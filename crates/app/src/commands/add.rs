//! `portcullis add`

use std::path::{Path, PathBuf};

use portcullis_core::ServerName;
use portcullis_supply::{
    admit::{
        Admitted, Ecosystem, Finding, FindingKind, Internal, Likeness, Lock, LockFault, Package, Provenance,
        StoreFault, is_day, resembles,
        resolve::{self, ResolveFault, Resolved, Wanted, resolve},
    },
    advisories::{Judged, Part},
    verify::{Report, verify},
};
use serde::Serialize;

use super::{
    counted,
    verify::{Expected, Trust, gather},
};
use crate::{
    clients,
    exit::{Exit, Failure, Outcome},
    printer::Printer,
    requirements::{Comparison, Requirements},
    supply::{Place, account, now},
};

/// Admit a server: resolve its package and all it needs, compare every archive with what the registry announced, verify
/// who built it, unpack it without executing anything, store it, and write it into portcullis.lock for somebody else to
/// approve.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `npm:NAME[@VERSION]`, `pypi:NAME[==VERSION]` or `file:PATH` (a packed npm package, a wheel, or a program).
    package: Package,
    /// What it is called in configurations; made from the package's name when absent.
    #[arg(long)]
    name: Option<ServerName>,
    /// Who answers for it; when absent, whoever submits it.
    #[arg(long)]
    owner: Option<String>,
    /// What it is for.
    #[arg(long)]
    purpose: Option<String>,
    /// Day on which it has to be looked at again, as YYYY-MM-DD.
    #[arg(long, value_name = "DAY", value_parser = day)]
    review: Option<String>,
    /// Who submits it; when absent, the account that runs this.
    #[arg(long, value_name = "NAME")]
    submitter: Option<String>,
    /// URL of the registry or index; when absent, what npm or pip are set to.
    #[arg(long, value_name = "URL")]
    registry_url: Option<String>,
    /// Program that is npm.
    #[arg(long, value_name = "PROGRAM", default_value = "npm")]
    npm: String,
    /// Program that is Python, with pip.
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: String,
    /// Attestations of the package's archive, as for `portcullis verify`. Registries often leave them out.
    #[arg(long, value_name = "FILE")]
    bundle: Vec<PathBuf>,
    #[command(flatten)]
    expected: Expected,
    #[command(flatten)]
    trust: Trust,
    /// Refuses what nothing vouches for.
    #[arg(long)]
    require_provenance: bool,
    /// Admits a package whose name can be mistaken for another's.
    #[arg(long)]
    danger_similar_name: bool,
    #[command(flatten)]
    requirements: Requirements,
    #[command(flatten)]
    place: Place,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

fn day(text: &str) -> Result<String, String> {
    if is_day(text) { Ok(text.to_owned()) } else { Err("a day is written YYYY-MM-DD".to_owned()) }
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let (mut lock, store) = (args.place.read()?, args.place.store()?);
    let name = args.name.clone().map_or_else(|| name_of(&args.package), Ok)?;
    let required = args.requirements.settle(printer)?;
    let mut findings = similar(args, &lock, &required.internal)?;
    let quarantine = store.quarantine().map_err(failed)?;
    let wanted = Wanted {
        package: &args.package,
        registry: args.registry_url.as_deref(),
        python: &args.python,
        npm: &args.npm,
        internal: &required.internal,
        quarantine: quarantine.path(),
    };
    let resolved = resolve(&wanted, &mut |step| printer.status(step)).map_err(unresolved)?;
    findings.extend(similar_parts(args, &resolved, &lock));
    printer.status("comparing with what is known");
    findings.extend(known_against(&args.package, &resolved, &required.known)?);
    let provenance = provenance(args, &resolved, &mut findings)?;
    printer.status("storing");
    let tree = store.put(&resolved.tree).map_err(failed)?;
    let server = Admitted::submitted(name, &args.package, &resolved, tree.digest)
        .ok_or_else(|| Failure::new(Exit::Findings, "a digest is none"))?;
    let server = described(args, server, provenance, findings);
    lock.admit(server.clone()).map_err(|fault| refused(&fault))?;
    args.place.write(&lock)?;
    tell(args, &server, tree.files, tree.bytes, printer);
    Ok(Exit::Fine)
}

/// Names close to that of a server that is known, or that many people use.
fn similar(args: &Args, lock: &Lock, internal: &Internal) -> Result<Vec<Finding>, Failure> {
    if args.package.ecosystem == Ecosystem::File {
        return Ok(Vec::new());
    }
    let name = args.package.name.as_str();
    let known = known(lock);
    let scopes =
        if args.package.ecosystem == Ecosystem::Npm { internal.scopes().collect() } else { Vec::new() };
    let Some(like) = resembles(name, known.iter().map(String::as_str), scopes) else {
        return Ok(Vec::new());
    };
    if args.danger_similar_name {
        return Ok(vec![
            Finding::new(FindingKind::SimilarName, format!("{name} can be mistaken for {like}")),
            Finding::new(FindingKind::Danger, "admitted with --danger-similar-name"),
        ]);
    }
    Err(Failure::new(Exit::Findings, format!("`{name}` can be mistaken for {like}")).remedy(
        "check which one is meant; `--danger-similar-name` admits it nevertheless, for an approver to see",
    ))
}

/// Packages of the servers that are in the lock.
fn known(lock: &Lock) -> Vec<String> {
    let packages = lock.servers().iter().filter_map(|server| server.package.parse::<Package>().ok());
    packages.map(|package| package.name).collect()
}

/// What a server needs and is called nearly like a server: nobody chose that name here, so an approver decides.
fn similar_parts(args: &Args, resolved: &Resolved, lock: &Lock) -> Vec<Finding> {
    let known = known(lock);
    let others =
        resolved.parts.iter().map(|part| part.name.as_str()).filter(|name| *name != args.package.name);
    let like = others.filter_map(|name| Some((name, resembles(name, known.iter().map(String::as_str), [])?)));
    let told = |(name, like): (&str, Likeness)| {
        Finding::new(FindingKind::SimilarName, format!("{name}, which it needs, can be mistaken for {like}"))
    };
    like.map(told).collect()
}

/// What advisories say about the package and what it needs; what is bad enough refuses it.
fn known_against(
    package: &Package,
    resolved: &Resolved,
    known: &Comparison,
) -> Result<Vec<Finding>, Failure> {
    if package.ecosystem == Ecosystem::File {
        return Ok(Vec::new());
    }
    let part = |part: &resolve::Part| Part {
        ecosystem: package.ecosystem,
        name: part.name.clone(),
        version: part.version.clone(),
    };
    let parts: Vec<Part> = resolved.parts.iter().map(part).collect();
    let Some(compared) = known.read(&parts)? else {
        let what = "it was compared with no advisories: none are set";
        return Ok(vec![Finding::new(FindingKind::NotCompared, what)]);
    };
    let judged = compared.judge(&parts);
    let refused: Vec<&Judged> = judged.iter().filter(|it| it.is_refused()).collect();
    if let Some(worst) = refused.first() {
        let more = match refused.len() {
            1 => String::new(),
            several => format!(", and {} more", several - 1),
        };
        let remedy = if worst.malicious {
            "do not run it anywhere; whoever has it should look at what it did"
        } else {
            "take a version in which it is fixed; `--osv-exceptions` accepts an advisory for a time"
        };
        return Err(Failure::new(Exit::Findings, format!("refused: {worst}{more}")).remedy(remedy));
    }
    let stale = compared.stale().map(|what| Finding::new(FindingKind::StaleAdvisories, what));
    let noted = judged.iter().map(|it| Finding::new(FindingKind::Vulnerable, it.to_string()));
    Ok(stale.into_iter().chain(noted).collect())
}

/// Who vouches for the archive; a finding when nobody does.
fn provenance(
    args: &Args,
    resolved: &Resolved,
    findings: &mut Vec<Finding>,
) -> Result<Option<Provenance>, Failure> {
    if args.bundle.is_empty() {
        if args.require_provenance {
            return Err(Failure::new(Exit::Findings, "provenance-missing: nothing vouches for it")
                .remedy("name its attestations with `--bundle`"));
        }
        findings.push(Finding::new(FindingKind::NoProvenance, "nothing says who built it from what"));
        return Ok(None);
    }
    let file = args.package.path().unwrap_or_else(|| resolved.archive.clone());
    let file_name = file.file_name().map(|name| name.to_string_lossy().into_owned());
    let mut expected = args.expected.expectations(file_name)?;
    expected.subject = expected.subject.or_else(|| args.package.subject(&resolved.version));
    let root = args.trust.root()?;
    let report = match gather(&args.bundle)? {
        Ok(attestations) => verify(resolved.artifact.clone(), &attestations, &root, &expected),
        Err(fault) => {
            Report { artifact: resolved.artifact.clone(), attestations: Vec::new(), refused: Some(fault) }
        }
    };
    if let Some(fault) = report.refused {
        return Err(
            Failure::new(Exit::Findings, format!("{}: {fault}", fault.reason)).remedy(fault.reason.remedy())
        );
    }
    if args.expected.danger_any_signer {
        findings.push(Finding::new(FindingKind::Danger, "admitted with --danger-any-signer"));
    }
    let verified = report.attestations.iter().filter_map(|judged| judged.verified.as_ref());
    // What says where it was built from says more than that it was published.
    Ok(verified.max_by_key(|verified| verified.origin.source.is_some()).map(Provenance::of))
}

fn described(
    args: &Args,
    server: Admitted,
    provenance: Option<Provenance>,
    mut findings: Vec<Finding>,
) -> Admitted {
    let submitted_by = args.submitter.clone().unwrap_or_else(account);
    findings.extend(server.findings.iter().cloned());
    findings.sort();
    Admitted {
        owner: args.owner.clone().unwrap_or_else(|| submitted_by.clone()),
        purpose: args.purpose.clone(),
        review: args.review.clone(),
        submitted_by,
        submitted_at: now(),
        provenance,
        findings,
        ..server
    }
}

fn name_of(package: &Package) -> Result<ServerName, Failure> {
    let path = Path::new(&package.name);
    let last = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let text = if package.ecosystem == Ecosystem::File { last } else { package.name.clone() };
    let short = text.rsplit('/').next().unwrap_or_default();
    clients::server_name(short).map_err(|_| {
        Failure::new(Exit::Usage, format!("no server name can be made of `{short}`"))
            .remedy("give it one with `--name`")
    })
}

fn failed(fault: StoreFault) -> Failure {
    Failure::new(Exit::Usage, fault.to_string()).remedy("check the store's directory")
}

fn refused(fault: &LockFault) -> Failure {
    Failure::new(Exit::Findings, fault.to_string())
        .remedy("find out from its publisher what happened; nothing was written into the lock")
}

fn unresolved(fault: ResolveFault) -> Failure {
    let (exit, remedy) = match &fault {
        ResolveFault::Client { .. } => (Exit::Usage, "install it, or name it with `--npm` or `--python`"),
        ResolveFault::Failed { .. } => (Exit::Unreachable, "check the name, the version and the registry"),
        ResolveFault::Disk { .. } => (Exit::Usage, "check the path and the disk"),
        ResolveFault::Answer { .. } => {
            (Exit::Unreachable, "check the version of the client: npm 7, pip 22.2")
        }
        _ => (Exit::Findings, "it is not admitted; ask its publisher"),
    };
    Failure::new(exit, fault.to_string()).remedy(remedy)
}

/// The result for programs.
#[derive(Serialize)]
struct Summary<'s> {
    state: &'static str,
    files: usize,
    bytes: u64,
    #[serde(flatten)]
    server: &'s Admitted,
}

fn tell(args: &Args, server: &Admitted, files: usize, bytes: u64, printer: &Printer) {
    if args.json {
        printer.json(&Summary { state: server.state().as_str(), files, bytes, server });
        return;
    }
    printer.line(&format!("{}: {}, {}", server.name, server.package, server.state().as_str()));
    printer.line(&format!("  artefact {}", server.artifact));
    printer.line(&format!("  tree {}", server.tree));
    let parts = counted(server.parts.len(), "package");
    printer.line(&format!("  {parts}, {}, {bytes} bytes", counted(files, "file")));
    if let Some(provenance) = &server.provenance {
        let source = provenance.source.as_deref().unwrap_or("an unknown source");
        printer.line(&format!("  built from {source}, signed by {}", provenance.signer));
    }
    for finding in &server.findings {
        printer.line(&format!("  {finding}"));
    }
    printer.status("it starts once somebody else approved it: `portcullis approve`");
}
