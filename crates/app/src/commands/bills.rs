//! Bills of materials: written and signed from the lock, read from publishers and compared.

use std::path::{Path, PathBuf};

use portcullis_audit::{note::Note, tlog::read_key_file};
use portcullis_core::{Clock as _, Digest, SystemClock};
use portcullis_supply::{
    admit::{Admitted, Finding, FindingKind, Package, resolve::Resolved},
    sbom::{self, Form, MAX_BILL, compare},
};

use super::{audit::trust, verify::bounded};
use crate::{
    exit::{Exit, Failure},
    files::{self, Access, Existing},
    printer::Printer,
};

/// First line of what is signed, so that a signature under it is never taken for one under something else.
const STATEMENT: &str = "portcullis bill of materials v1";

/// Options of a bill that is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Written {
    /// Form of the bill of materials: `cyclonedx` (1.6) or `spdx` (2.3).
    #[arg(long, value_name = "FORM", default_value = "cyclonedx", value_parser = form, requires = "sbom")]
    format: Form,
    /// Private key that signs the bill, made by `portcullis audit key new`.
    #[arg(long, value_name = "FILE", requires = "signature")]
    key: Option<PathBuf>,
    /// File for the signature: a signed note that names server, package, tree, and the digest of the bill.
    #[arg(long, value_name = "FILE", requires = "key")]
    signature: Option<PathBuf>,
}

fn form(text: &str) -> Result<Form, String> {
    match text {
        "cyclonedx" => Ok(Form::CycloneDx),
        "spdx" => Ok(Form::Spdx),
        _ => Err("a form is `cyclonedx` or `spdx`".to_owned()),
    }
}

impl Written {
    /// Writes the bill of a server to standard output, and its signature into its file.
    pub(crate) fn write(&self, server: &Admitted, printer: &Printer) -> Result<(), Failure> {
        let form = self.format;
        let text = serde_json::to_string_pretty(&sbom::write(server, form)).unwrap_or_default() + "\n";
        if let (Some(key), Some(signature)) = (&self.key, &self.signature) {
            let ring = read_key_file(key).map_err(|fault| Failure::new(Exit::Usage, fault.to_string()))?;
            let Admitted { name, package, tree, .. } = server;
            let statement = format!(
                "{STATEMENT}\nserver {name}\npackage {package}\ntree {tree}\nform {}\ndigest {}\n",
                form.as_str(),
                Digest::of(text.as_bytes())
            );
            let note = ring.sign_text(statement, SystemClock.now_ms() / 1_000);
            let note = note.ok_or_else(|| Failure::new(Exit::Usage, "the key could not sign"))?.to_string();
            files::write(signature, note.as_bytes(), Access::Usual, Existing::Replace)?;
        }
        printer.document(&text);
        Ok(())
    }
}

/// Options of a bill that a publisher gives with a package.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Given {
    /// Bill of materials that the publisher gives with the package, CycloneDX 1.4 to 1.7 or SPDX 2.2 or 2.3 as JSON. What it
    /// says otherwise than what is there is a finding.
    #[arg(long, value_name = "FILE")]
    sbom: Option<PathBuf>,
    /// Signature of that bill, as `portcullis inventory --signature` writes one.
    #[arg(long, value_name = "FILE", requires_all = ["sbom", "sbom_signer"])]
    sbom_signature: Option<PathBuf>,
    /// Public key of whoever signs bills, or a file of such keys; repeat it for more. A bill without a signature of one of
    /// them is refused.
    #[arg(long, value_name = "KEY", requires = "sbom")]
    sbom_signer: Vec<String>,
    /// Refuses a package without a bill, and one in which something is that its bill does not name, or names otherwise.
    #[arg(long)]
    require_sbom: bool,
}

impl Given {
    /// Compares the bill with what was resolved; its digest, and what differs.
    pub(crate) fn compare(
        &self,
        package: &Package,
        resolved: &Resolved,
    ) -> Result<(Option<Digest>, Vec<Finding>), Failure> {
        let refused = |what: String, remedy: &str| Err(Failure::new(Exit::Findings, what).remedy(remedy));
        let Some(file) = &self.sbom else {
            if self.require_sbom {
                return refused(
                    "sbom-missing: there is no bill of materials".to_owned(),
                    "name it with `--sbom`",
                );
            }
            return Ok((None, Vec::new()));
        };
        let bytes = bounded(file, MAX_BILL)?;
        self.signed(file, &bytes)?;
        let bill = sbom::read(&bytes).map_err(|fault| {
            Failure::new(Exit::Usage, format!("`{}`: {fault}", file.display()))
                .remedy("ask the publisher for a bill of another form")
        })?;
        let comparison = compare(&bill, package, resolved);
        if self.require_sbom && !comparison.covers() {
            let what = format!("sbom-differs: {}", comparison.in_words().join("; "));
            return refused(what, "ask the publisher; without `--require-sbom` it is a finding");
        }
        let findings =
            comparison.in_words().iter().map(|it| Finding::new(FindingKind::SbomDiffers, it)).collect();
        Ok((Some(Digest::of(&bytes)), findings))
    }

    /// Whether one of the keys signed the bill, where keys are named.
    fn signed(&self, file: &Path, bill: &[u8]) -> Result<(), Failure> {
        let keys = trust::keys(&self.sbom_signer)?;
        if keys.is_empty() {
            return Ok(());
        }
        let note = self.sbom_signature.as_deref().map(|it| bounded(it, MAX_NOTE)).transpose()?;
        let note = note.and_then(|bytes| Note::parse(&bytes).ok());
        let digest = format!("digest {}", Digest::of(bill));
        let about = |note: &Note| {
            note.text().lines().next() == Some(STATEMENT) && note.text().lines().any(|line| line == digest)
        };
        let genuine =
            note.is_some_and(|note| about(&note) && keys.iter().any(|key| note.verify(key).is_ok()));
        if genuine {
            return Ok(());
        }
        let what = format!("`{}` is signed by nobody whose key is named", file.display());
        Err(Failure::new(Exit::Findings, what).remedy("name its signature with `--sbom-signature`"))
    }
}

/// More than a signed note about a bill has.
const MAX_NOTE: usize = 64 << 10;
