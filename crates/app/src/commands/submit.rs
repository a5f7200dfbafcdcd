//! How a version of a server is submitted, whether its name is new or not: resolved, compared, verified, stored.

use std::path::PathBuf;

use portcullis_core::{Clock as _, ServerName, SystemClock};
use portcullis_supply::{
    admit::{
        Admitted, Difference, Ecosystem, Finding, FindingKind, Internal, Likeness, Lock, LockFault, Package,
        Provenance, Quarantine, Seat, Store, StoreFault, Tree, resembles,
        resolve::{self, ResolveFault, Resolved, Wanted, resolve},
    },
    advisories::{Judged, Part},
    licence::Licences,
    verify::{Reason, Report, verify},
};

use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use super::{
    bills::Given,
    verify::{Expected, Trust, bounded, gather},
};
use crate::{
    exit::{Exit, Failure},
    printer::Printer,
    requirements::{self, Comparison, Required, Requirements},
    supply::{Place, account, now},
};

/// Options of every submission.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
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
    /// Certificate, in PEM, of whoever signs MCPB bundles; a bundle that none of those who are named signed is refused. Repeat
    /// it for more.
    #[arg(long, value_name = "FILE")]
    mcpb_signer: Vec<PathBuf>,
    /// Refuses what nothing vouches for.
    #[arg(long)]
    require_provenance: bool,
    #[command(flatten)]
    bill: Given,
    #[command(flatten)]
    requirements: Requirements,
    #[command(flatten)]
    pub(crate) place: Place,
    /// Write the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Options {
    /// Certificates of those who may sign bundles.
    fn signers(&self) -> Result<Vec<Vec<u8>>, Failure> {
        let mut all = Vec::new();
        for file in &self.mcpb_signer {
            let unusable = |what: &dyn std::fmt::Display| {
                Failure::new(Exit::Usage, format!("`{}` is no certificate in PEM: {what}", file.display()))
                    .remedy("name the certificate of whoever signs the bundle")
            };
            let bytes = bounded(file, MAX_CERTIFICATE)?;
            let certificate = CertificateDer::from_pem_slice(&bytes).map_err(|fault| unusable(&fault))?;
            all.push(certificate.as_ref().to_vec());
        }
        Ok(all)
    }
}

/// More than a certificate has, in bytes.
const MAX_CERTIFICATE: usize = 64 << 10;

/// What is submitted, and in whose name.
pub(crate) struct Wish<'w> {
    pub(crate) package: &'w Package,
    pub(crate) name: ServerName,
    /// Who answers for it; when absent, whoever submits it.
    pub(crate) owner: Option<String>,
    pub(crate) purpose: Option<String>,
    /// Day on which it has to be looked at again.
    pub(crate) review: Option<String>,
    /// Admits a package whose name can be mistaken for another's.
    pub(crate) danger_similar_name: bool,
    /// The version that it would replace.
    pub(crate) present: Option<&'w Admitted>,
}

/// A submission that has begun: everything is fetched and nothing is stored.
pub(crate) struct Fetched<'s> {
    options: &'s Options,
    wish: &'s Wish<'s>,
    lock: &'s Lock,
    store: Store,
    required: Required,
    findings: Vec<Finding>,
    /// Holds what was fetched.
    _quarantine: Quarantine,
    pub(crate) resolved: Resolved,
}

/// Resolves and fetches a package with all it needs.
pub(crate) fn fetch<'s>(
    options: &'s Options,
    wish: &'s Wish<'s>,
    lock: &'s Lock,
    printer: &Printer,
) -> Result<Fetched<'s>, Failure> {
    let store = options.place.store()?;
    let required = options.requirements.settle(printer)?;
    let findings = similar(wish, lock, &required.internal)?;
    let quarantine = store.quarantine().map_err(failed)?;
    let signers = options.signers()?;
    let wanted = Wanted {
        package: wish.package,
        registry: options.registry_url.as_deref(),
        python: &options.python,
        npm: &options.npm,
        internal: &required.internal,
        signers: &signers,
        now_s: SystemClock.now_ms() / 1_000,
        quarantine: quarantine.path(),
    };
    let resolved = resolve(&wanted, &mut |step| printer.status(step)).map_err(unresolved)?;
    Ok(Fetched { options, wish, lock, store, required, findings, _quarantine: quarantine, resolved })
}

impl Fetched<'_> {
    /// Compares, verifies and stores it, approved by nobody yet.
    pub(crate) fn finish(mut self, printer: &Printer) -> Result<(Admitted, Tree), Failure> {
        let mut findings = std::mem::take(&mut self.findings);
        let Self { options, wish, lock, store, required, resolved, .. } = &self;
        findings.extend(similar_parts(wish, resolved, lock));
        printer.status("comparing with what is known");
        findings.extend(known_against(wish.package, resolved, &required.known, printer)?);
        findings.extend(licensed(resolved, &required.licences)?);
        let (sbom, differing) = options.bill.compare(wish.package, resolved)?;
        findings.extend(differing);
        let provenance = provenance(options, wish, resolved, &mut findings)?;
        printer.status("storing");
        let tree = store.put(&resolved.tree).map_err(failed)?;
        let server = Admitted::submitted(wish.name.clone(), wish.package, resolved, tree.digest)
            .ok_or_else(|| Failure::new(Exit::Findings, "a digest is none"))?;
        let server = Admitted { sbom, ..server };
        Ok((described(options, wish, server, provenance, findings), tree))
    }
}

/// Names close to that of a server that is known, or that many people use.
fn similar(wish: &Wish<'_>, lock: &Lock, internal: &Internal) -> Result<Vec<Finding>, Failure> {
    if wish.package.ecosystem.is_local() {
        return Ok(Vec::new());
    }
    let name = wish.package.name.as_str();
    let known = known(lock);
    let scopes =
        if wish.package.ecosystem == Ecosystem::Npm { internal.scopes().collect() } else { Vec::new() };
    let Some(like) = resembles(name, known.iter().map(String::as_str), scopes) else {
        return Ok(Vec::new());
    };
    if wish.danger_similar_name {
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
fn similar_parts(wish: &Wish<'_>, resolved: &Resolved, lock: &Lock) -> Vec<Finding> {
    let known = known(lock);
    let others =
        resolved.parts.iter().map(|part| part.name.as_str()).filter(|name| *name != wish.package.name);
    let like = others.filter_map(|name| Some((name, resembles(name, known.iter().map(String::as_str), [])?)));
    let told = |(name, like): (&str, Likeness)| {
        Finding::new(FindingKind::SimilarName, format!("{name}, which it needs, can be mistaken for {like}"))
    };
    like.map(told).collect()
}

/// What to do about somebody who is not listed.
pub(crate) const UNHEARD: &str = "`--vex-author` and `supply.vex_authors` say whose count";

/// What is asked of licences; what is denied refuses it.
fn licensed(resolved: &Resolved, licences: &Licences) -> Result<Option<Finding>, Failure> {
    let parts = resolved.parts.iter().map(|part| (part.name.as_str(), part.licence.as_deref()));
    let judged = requirements::licences(licences, parts);
    if let Some(first) = judged.refused.first() {
        let more = judged.refused.len().saturating_sub(1);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        return Err(Failure::new(Exit::Findings, format!("refused: {first}{more}"))
            .remedy("`--licence-allow`, `--licence-deny` and `supply.licences_*` say what is taken"));
    }
    Ok(judged.unknown.map(|what| Finding::new(FindingKind::UnknownLicence, what)))
}

/// What advisories say about the package and what it needs; what is bad enough refuses it.
fn known_against(
    package: &Package,
    resolved: &Resolved,
    known: &Comparison,
    printer: &Printer,
) -> Result<Vec<Finding>, Failure> {
    let part = |part: &resolve::Part| Part {
        ecosystem: package.ecosystem.of_part(part.bundled),
        name: part.name.clone(),
        version: part.version.clone(),
        own: part.name == package.name && part.version == resolved.version,
    };
    let parts: Vec<Part> =
        resolved.parts.iter().map(part).filter(|part| !part.ecosystem.is_local()).collect();
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let Some(compared) = known.read(&parts)? else {
        let what = "it was compared with no advisories: none are set";
        return Ok(vec![Finding::new(FindingKind::NotCompared, what)]);
    };
    for author in compared.unheard() {
        printer.warning(&format!("statements of `{author}` count for nothing"), Some(UNHEARD));
    }
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
            "take a version in which it is fixed; `--osv-exceptions` accepts an advisory for a time, `--vex` takes the word of \
             its publisher"
        };
        return Err(Failure::new(Exit::Findings, format!("refused: {worst}{more}")).remedy(remedy));
    }
    let stale = compared.stale().map(|what| Finding::new(FindingKind::StaleAdvisories, what));
    let noted = judged.iter().map(|it| Finding::new(FindingKind::Vulnerable, it.to_string()));
    Ok(stale.into_iter().chain(noted).collect())
}

/// Who vouches for the archive; a finding when nobody does.
fn provenance(
    options: &Options,
    wish: &Wish<'_>,
    resolved: &Resolved,
    findings: &mut Vec<Finding>,
) -> Result<Option<Provenance>, Failure> {
    // A pin holds whether or not anybody vouches for the archive.
    if let Some(pin) = options.expected.broken_pin(&resolved.artifact) {
        let reason = Reason::DigestMismatch;
        let what = format!("{reason}: `{pin}` is pinned, and it is sha256:{}", resolved.artifact.sha256);
        return Err(Failure::new(Exit::Findings, what).remedy(reason.remedy()));
    }
    if let (Some(subject), true) = (&resolved.signer, options.bundle.is_empty()) {
        return Ok(Some(Provenance { signer: format!("certificate {subject}"), ..Provenance::default() }));
    }
    if options.bundle.is_empty() {
        if options.require_provenance {
            return Err(Failure::new(Exit::Findings, "provenance-missing: nothing vouches for it")
                .remedy("name its attestations with `--bundle`"));
        }
        findings.push(Finding::new(FindingKind::NoProvenance, "nothing says who built it from what"));
        return Ok(None);
    }
    let file = wish.package.path().unwrap_or_else(|| resolved.archive.clone());
    let file_name = file.file_name().map(|name| name.to_string_lossy().into_owned());
    // Whoever vouched for the present version is expected to vouch for this one.
    let before = wish.present.and_then(|it| it.provenance.as_ref());
    let mut expected = options.expected.or_as_before(before).expectations(file_name)?;
    expected.subject = expected.subject.or_else(|| wish.package.subject(&resolved.version));
    let root = options.trust.root()?;
    let report = match gather(&options.bundle)? {
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
    if options.expected.danger_any_signer {
        findings.push(Finding::new(FindingKind::Danger, "admitted with --danger-any-signer"));
    }
    let verified = report.attestations.iter().filter_map(|judged| judged.verified.as_ref());
    // What says where it was built from says more than that it was published.
    Ok(verified.max_by_key(|verified| verified.origin.source.is_some()).map(Provenance::of))
}

fn described(
    options: &Options,
    wish: &Wish<'_>,
    server: Admitted,
    provenance: Option<Provenance>,
    mut findings: Vec<Finding>,
) -> Admitted {
    let submitted_by = options.submitter.clone().unwrap_or_else(account);
    findings.extend(server.findings.iter().cloned());
    let mut server = Admitted {
        owner: wish.owner.clone().unwrap_or_else(|| submitted_by.clone()),
        purpose: wish.purpose.clone(),
        review: wish.review.clone(),
        submitted_by,
        submitted_at: now(),
        provenance,
        findings,
        ..server
    };
    if let Some(present) = wish.present {
        let words = Difference::between(present, &server).identity_in_words();
        server.findings.extend(words.iter().map(|it| Finding::new(FindingKind::IdentityChanged, it)));
    }
    server.findings.sort();
    server.findings.dedup();
    server
}

fn failed(fault: StoreFault) -> Failure {
    Failure::new(Exit::Usage, fault.to_string()).remedy("check the store's directory")
}

/// Takes what was stored into the lock. What the lock refuses is not left in the store.
pub(crate) fn admit(options: &Options, lock: &mut Lock, server: &Admitted) -> Result<Seat, Failure> {
    let admitted = lock.admit(server.clone());
    if admitted.is_err() && !lock.needs(server.tree) {
        // That it is refused is what has to be told; files that stay are in no lock and start nowhere.
        let _ = options.place.store()?.remove(server.tree);
    }
    let seat = admitted.map_err(|fault| refused(&fault))?;
    options.place.write(lock)?;
    Ok(seat)
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
