//! `portcullis verify`

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use portcullis_supply::admit::Provenance;
use portcullis_supply::verify::{
    Attestation, Digests, Expectations, Fault, MAX_EVIDENCE, Pattern, Pin, Report, Signer, TrustRoot,
    Verified, read, verify,
};

use super::counted;
use crate::{
    exit::{Exit, Failure, Outcome},
    printer::Printer,
};

/// Check whether a package or file is what its publisher signed, without asking anybody. Every attestation given
/// has to be genuine, about this artefact, and from whom it is expected.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package or file.
    artifact: PathBuf,
    /// Attestations: a Sigstore bundle (v0.1 to v0.3, or several as JSON lines), the answer of npm's or GitHub's
    /// attestation endpoint, a PEP 740 attestation or PyPI's provenance. Repeat it for more.
    #[arg(long, value_name = "FILE", required = true)]
    bundle: Vec<PathBuf>,
    #[command(flatten)]
    expected: Expected,
    #[command(flatten)]
    trust: Trust,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

/// What is expected of a signature.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Expected {
    /// Who signs: a workflow's URL or an address. A `*` may end it after `/`, `@` or `:`.
    #[arg(long, value_name = "IDENTITY")]
    identity: Option<Pattern>,
    /// URL of the issuer that vouches for the identity. When absent, the one of github.com or gitlab.com if the
    /// identity or the source is there.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// URL of the source repository, as the certificate names it.
    #[arg(long, value_name = "URL")]
    source: Option<String>,
    /// Branch or tag in full: `refs/tags/v1.0`, `refs/tags/*`.
    #[arg(long = "ref", value_name = "REF")]
    git_ref: Option<Pattern>,
    /// Id of the SLSA builder. Provenance has to be there then.
    #[arg(long, value_name = "ID")]
    builder: Option<Pattern>,
    /// Name the statement gives to the artefact: `pkg:npm/NAME@VERSION`.
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// A digest the artefact has to have: `sha256:HEX`, `sha512:HEX` or `sha512-BASE64`. Repeat it for more.
    #[arg(long = "digest", value_name = "DIGEST")]
    pins: Vec<Pin>,
    /// The registry's own signature is enough: that it published this, not who built it.
    #[arg(long)]
    registry: bool,
    /// Any signature is enough that the trust root knows. Everybody can make one.
    #[arg(long)]
    pub(crate) danger_any_signer: bool,
}

/// Whom to trust.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Trust {
    /// Authorities and logs that are trusted: `sigstore` (the public instance), `github` (its private
    /// repositories), or a file `trusted_root.json`.
    #[arg(long, value_name = "ROOT", default_value = "sigstore")]
    trust_root: String,
    /// Keys with which the registry signs, in the place of npm's: a file `{"keys":[…]}`.
    #[arg(long, value_name = "FILE")]
    registry_keys: Option<PathBuf>,
}

/// Largest file that says whom to trust, in bytes.
const MAX_ROOT: usize = 1 << 20;

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let root = args.trust.root()?;
    let file_name = args.artifact.file_name().map(|name| name.to_string_lossy().into_owned());
    let expected = args.expected.expectations(file_name)?;
    let artifact = File::open(&args.artifact).and_then(Digests::of).map_err(unreadable(&args.artifact))?;
    let report = match gather(&args.bundle)? {
        Ok(attestations) => verify(artifact, &attestations, &root, &expected),
        Err(fault) => Report { artifact, attestations: Vec::new(), refused: Some(fault) },
    };
    if args.json {
        printer.json(&report);
    } else {
        show(&args.artifact, &report, printer);
    }
    if args.expected.danger_any_signer {
        printer.warning("`--danger-any-signer`: everybody can sign", None);
    }
    Ok(if report.refused.is_some() { Exit::Findings } else { Exit::Fine })
}

/// Every attestation of the files, or why one cannot be read as such.
pub(crate) fn gather(files: &[PathBuf]) -> Result<Result<Vec<Attestation>, Fault>, Failure> {
    let mut all = Vec::new();
    for file in files {
        match read(&bounded(file, MAX_EVIDENCE)?) {
            Ok(attestations) => all.extend(attestations),
            Err(fault) => {
                let detail = format!("{}: {}", file.display(), fault.detail);
                return Ok(Err(Fault { reason: fault.reason, detail }));
            }
        }
    }
    Ok(Ok(all))
}

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    move |error| {
        Failure::new(Exit::Usage, format!("`{}` could not be read: {error}", path.display()))
            .remedy("check the path")
    }
}

/// A file of no more than `most` bytes.
pub(crate) fn bounded(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let limit = most as u64 + 1;
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(unreadable(path))?;
    if bytes.len() > most {
        let what = format!("`{}` is larger than {most} bytes", path.display());
        return Err(Failure::new(Exit::Usage, what).remedy("name the file with the attestation itself"));
    }
    Ok(bytes)
}

impl Trust {
    pub(crate) fn root(&self) -> Result<TrustRoot, Failure> {
        let named = Path::new(&self.trust_root);
        let root = match self.trust_root.as_str() {
            "sigstore" => TrustRoot::sigstore(),
            "github" => TrustRoot::github(),
            _ => TrustRoot::from_json(&bounded(named, MAX_ROOT)?),
        };
        let root = root.map_err(|fault| unusable(named, &fault))?;
        match &self.registry_keys {
            Some(file) => {
                root.with_registry_keys(&bounded(file, MAX_ROOT)?).map_err(|fault| unusable(file, &fault))
            }
            None => Ok(root),
        }
    }
}

fn unusable(file: &Path, fault: &Fault) -> Failure {
    Failure::new(Exit::Usage, format!("{}: {fault}", file.display())).remedy(fault.reason.remedy())
}

impl Expected {
    /// The same; where no signer is named, whoever vouched for an earlier version.
    pub(crate) fn or_as_before(&self, before: Option<&Provenance>) -> Self {
        let named = self.identity.is_some() || self.source.is_some();
        let mut expected = self.clone();
        if let Some(before) = before.filter(|_| !named && !self.registry && !self.danger_any_signer) {
            expected.source.clone_from(&before.source);
            expected.issuer = expected.issuer.or_else(|| before.issuer.clone());
            // A registry's key is no identity: its word alone has to be asked for.
            if before.source.is_none() && before.issuer.is_some() {
                expected.identity = before.signer.parse().ok();
            }
        }
        expected
    }

    /// A pinned digest that an artefact does not have.
    pub(crate) fn broken_pin(&self, artifact: &Digests) -> Option<&Pin> {
        self.pins.iter().find(|pin| !pin.holds(artifact))
    }

    /// What is expected of the artefact that has this file name.
    pub(crate) fn expectations(&self, file_name: Option<String>) -> Result<Expectations, Failure> {
        let expected = Expectations {
            identity: self.identity.clone(),
            issuer: self.issuer.clone(),
            source: self.source.clone(),
            git_ref: self.git_ref.clone(),
            builder: self.builder.clone(),
            subject: self.subject.clone(),
            file_name,
            pins: self.pins.clone(),
            registry_suffices: self.registry,
            danger_any_signer: self.danger_any_signer,
        };
        let named = self.identity.is_some() || self.source.is_some();
        let (what, remedy) = match named {
            _ if self.danger_any_signer => return Ok(expected),
            true if expected.name_a_signer() => return Ok(expected),
            true => ("the issuer of the identity is not named, and not known", "`--issuer URL`"),
            false if self.registry => return Ok(expected),
            false => (
                "it is not said who is expected to sign",
                "`--identity` or `--source`; `--registry` for the registry",
            ),
        };
        Err(Failure::new(Exit::Usage, what).remedy(remedy))
    }
}

fn show(artifact: &Path, report: &Report, printer: &Printer) {
    let refused = report.refused.as_ref();
    printer.line(&format!("{}: {}", artifact.display(), refused.map_or("verified", |_| "refused")));
    printer.line(&format!("  sha256:{}", report.artifact.sha256));
    for judged in &report.attestations {
        if let Some(verified) = &judged.verified {
            describe(verified, printer);
        }
        if let Some(fault) = &judged.refused {
            printer.line(&format!("  refused: {}: {}", fault.reason, fault.detail));
        }
    }
    match refused {
        Some(fault) => printer.error(&format!("{}: {fault}", fault.reason), Some(fault.reason.remedy())),
        None => {
            printer.status(&format!("{}, all as expected", counted(report.attestations.len(), "attestation")))
        }
    }
}

fn describe(verified: &Verified, printer: &Printer) {
    let kind = verified.predicate_type.as_deref().unwrap_or("signature over the artefact");
    printer.line(&format!("  {kind}"));
    let none = || "none".to_owned();
    let signer = match &verified.signer {
        Signer::Certificate { identity, issuer } => format!(
            "signed by {}, says {}",
            identity.clone().unwrap_or_else(none),
            issuer.clone().unwrap_or_else(none)
        ),
        Signer::Registry { key } => format!("signed by the registry, key {key}"),
    };
    printer.line(&format!("    {signer}"));
    let origin = &verified.origin;
    let built = [("from", &origin.source), ("ref", &origin.git_ref), ("commit", &origin.commit)];
    let built: Vec<String> =
        built.iter().filter_map(|(word, value)| Some(format!("{word} {}", value.as_ref()?))).collect();
    let by = origin.builder.as_ref().map(|id| format!("by {id}"));
    let built = (!built.is_empty()).then(|| built.join(", "));
    for line in built.iter().chain(&by) {
        printer.line(&format!("    built {line}"));
    }
    let logged = if verified.logged { "in a transparency log" } else { "in no transparency log" };
    let time = verified.signed_at.first().map_or_else(String::new, |time| format!("signed at {time}, "));
    let certified = matches!(verified.signer, Signer::Certificate { .. });
    let unlogged = if certified && !verified.certificate_logged { ", its certificate in no log" } else { "" };
    printer.line(&format!("    {time}{logged}{unlogged}"));
}
