//! What an in-toto statement says: about which artefact, and how it was built.

use serde::Serialize;
use serde_json::Value;
use sigstore_verify::crypto::CertificateInfo;

use super::{Digests, Fault, Reason, evidence};

const STATEMENT_TYPES: [&str; 2] = ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];
const SLSA_V1: &str = "https://slsa.dev/provenance/v1";
const SLSA_V0_2: &str = "https://slsa.dev/provenance/v0.2";
/// The predicate of what PyPI's publishers sign (PEP 740).
const PYPI_PUBLISH: &str = "https://docs.pypi.org/attestations/publish/v1";

/// What is used of a statement.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) predicate_type: String,
    /// Names of those subjects that have one of the artefact's digests.
    pub(super) names: Vec<String>,
    /// Whether one of those is named by its SHA-512 digest, as npm's are.
    pub(super) by_sha512: bool,
    pub(super) origin: Origin,
}

/// Where an artefact comes from, as far as somebody vouches for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// What built it (SLSA `builder.id`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builder: Option<String>,
    /// URL of the source repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Full name of the branch or tag, for example `refs/tags/v1.0`.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
    /// The commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

impl Statement {
    pub(super) fn read(payload: &[u8], digests: &Digests) -> Result<Self, Fault> {
        let document = evidence::document(payload)?;
        let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
        if !STATEMENT_TYPES.contains(&text("_type")) {
            return Err(Fault::new(
                Reason::BundleUnsupported,
                "it signs something else than an in-toto statement",
            ));
        }
        let subjects =
            document.get("subject").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let ours: Vec<&Value> = subjects.iter().filter(|subject| is_about(subject, digests)).collect();
        let name =
            |subject: &&Value| subject.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let names = ours.iter().map(name).collect();
        let by_sha512 = ours.iter().any(|subject| subject.pointer("/digest/sha512").is_some());
        let predicate_type = text("predicateType").to_owned();
        let predicate = document.get("predicate").unwrap_or(&Value::Null);
        let origin = match predicate_type.as_str() {
            SLSA_V1 => slsa_v1(predicate),
            SLSA_V0_2 => slsa_v0_2(predicate),
            _ => Origin::default(),
        };
        Ok(Self { predicate_type, names, by_sha512, origin })
    }

    /// Whether it says how the artefact was built.
    pub(super) fn is_provenance(&self) -> bool {
        [SLSA_V1, SLSA_V0_2].contains(&self.predicate_type.as_str())
    }

    /// Whether its subject is named after the file (PEP 740).
    pub(super) fn names_file(&self) -> bool {
        self.predicate_type == PYPI_PUBLISH
    }
}

/// Whether every digest of the subject that is known is the artefact's, and there is one.
fn is_about(subject: &Value, digests: &Digests) -> bool {
    let digest = |name: &str| subject.get("digest").and_then(|all| all.get(name)).map(|it| it.as_str());
    let found = [(digest("sha256"), &digests.sha256), (digest("sha512"), &digests.sha512)];
    let mut known = found.iter().filter_map(|(found, own)| found.map(|found| (found, *own))).peekable();
    known.peek().is_some() && known.all(|(found, own)| found.is_some_and(|it| it.eq_ignore_ascii_case(own)))
}

fn at<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn slsa_v1(predicate: &Value) -> Origin {
    let workflow = "/buildDefinition/externalParameters/workflow";
    let first = "/buildDefinition/resolvedDependencies/0";
    let commit = at(predicate, &format!("{first}/digest/gitCommit"))
        .or_else(|| at(predicate, &format!("{first}/digest/sha1")));
    let uri = at(predicate, &format!("{first}/uri"));
    let source = at(predicate, &format!("{workflow}/repository")).or(uri);
    let git_ref = at(predicate, &format!("{workflow}/ref")).or_else(|| uri.and_then(ref_of));
    origin(at(predicate, "/runDetails/builder/id"), source, git_ref, commit)
}

fn slsa_v0_2(predicate: &Value) -> Origin {
    let source = at(predicate, "/invocation/configSource/uri");
    let commit = at(predicate, "/invocation/configSource/digest/sha1");
    origin(at(predicate, "/builder/id"), source, source.and_then(ref_of), commit)
}

fn origin(
    builder: Option<&str>,
    source: Option<&str>,
    git_ref: Option<&str>,
    commit: Option<&str>,
) -> Origin {
    Origin {
        builder: builder.map(str::to_owned),
        source: source.map(|source| repository(source).to_owned()),
        git_ref: git_ref.map(str::to_owned),
        commit: commit.map(str::to_owned),
    }
}

/// `refs/heads/main` of `git+https://host/owner/name@refs/heads/main`.
fn ref_of(uri: &str) -> Option<&str> {
    uri.split_once("@refs/").and_then(|(before, _)| uri.get(before.len() + 1..))
}

/// The URL of a repository without what SPDX, git and a ref add to it.
pub(super) fn repository(uri: &str) -> &str {
    let uri = uri.strip_prefix("git+").unwrap_or(uri);
    let uri = uri.split_once("@refs/").map_or(uri, |(repository, _)| repository);
    uri.strip_suffix(".git").unwrap_or(uri)
}

/// What the certificate says about the origin. The authority took it from the builder's own token, so it counts for
/// more than the statement, which the build itself may write.
pub(super) fn certified(certificate: &CertificateInfo) -> Origin {
    let claims = &certificate.ci_claims;
    // Certificates before 2023 have them in an older form, which only builds on GitHub were given.
    let older = &claims.deprecated_github;
    let of_older = |repository: &String| format!("https://github.com/{repository}");
    let source = claims.source_repository_uri.as_deref().map(|uri| repository(uri).to_owned());
    Origin {
        builder: None,
        source: source.or_else(|| older.workflow_repository.as_ref().map(of_older)),
        git_ref: claims.source_repository_ref.clone().or_else(|| older.workflow_ref.clone()),
        commit: claims.source_repository_digest.clone().or_else(|| older.workflow_sha.clone()),
    }
}

/// Who issues certificates to builds on GitHub, and how SLSA names the machines they run on.
const GITHUB_ISSUER: &str = "https://token.actions.githubusercontent.com";
const GITHUB_RUNNER: &str = "https://github.com/actions/runner/";

/// Ids of the builder for which the certificate vouches: the workflow that signed, and the kind of machine.
pub(super) fn builders(certificate: &CertificateInfo) -> Vec<String> {
    let claims = &certificate.ci_claims;
    let on_github = certificate.issuer.as_deref() == Some(GITHUB_ISSUER);
    let runner = claims.runner_environment.as_ref().filter(|_| on_github);
    let runner = runner.map(|kind| format!("{GITHUB_RUNNER}{kind}"));
    claims.build_signer_uri.iter().cloned().chain(runner).collect()
}

impl Origin {
    /// Both together; what they disagree on is a fault.
    pub(super) fn agree(self, certified: Self) -> Result<Self, Fault> {
        let merge = |what: &str, stated: Option<String>, certified: Option<String>| match (stated, certified)
        {
            (Some(stated), Some(certified)) if stated != certified => {
                let detail = format!("{what}: the statement says `{stated}`, the certificate `{certified}`");
                Err(Fault::new(Reason::ClaimsDisagree, detail))
            }
            (stated, certified) => Ok(certified.or(stated)),
        };
        Ok(Self {
            builder: self.builder,
            source: merge("source", self.source, certified.source)?,
            git_ref: merge("ref", self.git_ref, certified.git_ref)?,
            commit: merge("commit", self.commit, certified.commit)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn repositories_are_compared_in_one_form() {
        for (uri, expected) in [
            ("https://github.com/a/b", "https://github.com/a/b"),
            ("git+https://github.com/a/b.git", "https://github.com/a/b"),
            ("git+https://github.com/a/b@refs/tags/v1", "https://github.com/a/b"),
        ] {
            assert_eq!(repository(uri), expected);
        }
        assert_eq!(ref_of("git+https://github.com/a/b@refs/tags/v1"), Some("refs/tags/v1"));
        assert_eq!(ref_of("https://github.com/a/b"), None);
    }

    #[test]
    fn a_subject_is_about_the_artefact_when_every_known_digest_is() {
        let digests = Digests { sha256: "ab".into(), sha512: "cd".into(), bytes: 0 };
        for (digest, expected) in [
            (json!({"sha256": "ab"}), true),
            (json!({"sha512": "CD"}), true),
            (json!({"sha256": "ab", "sha512": "cd", "sha1": "00"}), true),
            (json!({"sha256": "ab", "sha512": "00"}), false),
            (json!({"sha256": "ab", "sha512": 7}), false),
            (json!({"sha1": "ab"}), false),
            (json!({}), false),
            (json!("ab"), false),
        ] {
            assert_eq!(is_about(&json!({"digest": digest}), &digests), expected, "{digest}");
        }
    }

    #[test]
    fn certificate_and_statement_must_not_contradict_each_other() {
        let stated = |source: &str| Origin { source: Some(source.to_owned()), ..Origin::default() };
        let agreed = stated("a").agree(Origin { commit: Some("c".into()), ..stated("a") });
        assert_eq!(agreed, Ok(Origin { commit: Some("c".into()), ..stated("a") }));
        assert_eq!(stated("a").agree(stated("b")).map_err(|it| it.reason), Err(Reason::ClaimsDisagree));
    }
}
