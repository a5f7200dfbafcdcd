//! Signatures of MCPB bundles: a CMS SignedData (RFC 5652) behind the zip archive, over all bytes before it.
//!
//! Who signs is known by certificate, and the certificate has to be one that is named: there is no authority for makers of
//! bundles, and a chain to one says little about who they are.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use cms::{
    cert::CertificateChoices,
    content_info::ContentInfo,
    signed_data::{SignedData, SignerIdentifier, SignerInfo},
};
use der::{
    Decode as _, Encode as _, Reader as _, SliceReader, Tag, TagNumber, Tagged as _,
    asn1::{AnyRef, ObjectIdentifier, OctetStringRef},
};
use x509_cert::Certificate;

use super::{Fault, Reason};

const HEADER: &[u8] = b"MCPB_SIG_V1";
const FOOTER: &[u8] = b"MCPB_SIG_END";
/// Bytes of the length between header and signature.
const LENGTH: usize = 4;
/// Longest signature block that is looked for, in bytes: a signature with its certificates is a few KiB.
pub const MAX_BLOCK: usize = 256 << 10;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// The block at the end of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Bytes before it: the archive that is signed.
    pub body: u64,
    signature: Vec<u8>,
}

/// Finds the block in the last bytes of a bundle that is `length` bytes long; none when it is not signed.
///
/// # Errors
/// [`Reason::BundleMalformed`] when it ends like a signed one and is none.
pub fn block(tail: &[u8], length: u64) -> Result<Option<Block>, Fault> {
    let Some(before) = tail.strip_suffix(FOOTER) else { return Ok(None) };
    let malformed = || Fault::new(Reason::BundleMalformed, "its end is no signature block");
    // The header may stand in the signature by chance; the one whose length fits is meant, and no other may.
    let mut fitting = (0..before.len()).filter_map(|at| {
        let rest = before.get(at..)?.strip_prefix(HEADER)?;
        let (size, signature) = rest.split_at_checked(LENGTH)?;
        let size = u32::from_le_bytes(size.try_into().ok()?);
        (usize::try_from(size).ok()? == signature.len()).then_some((at, signature))
    });
    let (at, signature) = fitting.next().filter(|_| fitting.next().is_none()).ok_or_else(malformed)?;
    let block = tail.len().checked_sub(at).and_then(|it| u64::try_from(it).ok());
    let body = block.and_then(|block| length.checked_sub(block)).ok_or_else(malformed)?;
    Ok(Some(Block { body, signature: signature.to_vec() }))
}

impl Block {
    /// Whether one of the certificates (DER) signed a body with this digest; its subject.
    ///
    /// # Errors
    /// [`Fault`] when the block cannot be read, is about something else, or is signed by anybody else.
    pub fn verify(&self, sha256: &[u8], trusted: &[Vec<u8>], now_s: u64) -> Result<String, Fault> {
        let (signed, attributes) =
            self.read().map_err(|what| Fault::new(Reason::BundleMalformed, what.to_string()))?;
        if signed.encap_content_info.econtent.is_some() {
            return Err(Fault::new(Reason::BundleUnsupported, "it holds what it signs"));
        }
        let mut signers = signed.signer_infos.0.iter();
        let (Some(signer), None) = (signers.next(), signers.next()) else {
            return Err(Fault::new(Reason::BundleUnsupported, "it has not exactly one signer"));
        };
        about(signer, sha256)?;
        let certificate = certificate(&signed, signer)?;
        let der = certificate.to_der().unwrap_or_default();
        if !trusted.contains(&der) {
            let detail = format!("`{}` signed it", certificate.tbs_certificate.subject);
            return Err(Fault::new(Reason::KeyUnknown, detail));
        }
        valid_at(certificate, now_s)?;
        let key = &certificate.tbs_certificate.subject_public_key_info;
        let algorithm: &dyn VerificationAlgorithm = match key.algorithm.oid {
            RSA => &RSA_PKCS1_2048_8192_SHA256,
            EC => &ECDSA_P256_SHA256_ASN1,
            _ => return Err(Fault::new(Reason::BundleUnsupported, "its key is neither RSA nor P-256")),
        };
        UnparsedPublicKey::new(algorithm, key.subject_public_key.raw_bytes())
            .verify(&attributes, signer.signature.as_bytes())
            .map_err(|_| Fault::new(Reason::SignatureInvalid, "it is not this certificate's"))?;
        Ok(certificate.tbs_certificate.subject.to_string())
    }

    /// The signature, and its attributes as they are written: their order is the signer's.
    fn read(&self) -> der::Result<(SignedData, Vec<u8>)> {
        let info = ContentInfo::from_der(&self.signature)?;
        if info.content_type != SIGNED_DATA {
            return Err(der::ErrorKind::OidUnknown { oid: info.content_type }.into());
        }
        Ok((info.content.decode_as()?, attributes(info.content.value())?))
    }
}

/// The attributes of the first signer as the set that is signed (RFC 5652 section 5.4).
fn attributes(signed_data: &[u8]) -> der::Result<Vec<u8>> {
    const ATTRIBUTES: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber::N0 };
    let absent = || {
        der::Error::from(der::ErrorKind::Incomplete {
            expected_len: der::Length::ONE,
            actual_len: der::Length::ZERO,
        })
    };
    let signers = items(signed_data)?.pop().ok_or_else(absent)?;
    let signer = items(signers.value())?.into_iter().next().ok_or_else(absent)?;
    let own = items(signer.value())?.into_iter().find(|it| it.tag() == ATTRIBUTES).ok_or_else(absent)?;
    AnyRef::new(Tag::Set, own.value())?.to_der()
}

/// The values that stand one behind the other.
fn items(bytes: &[u8]) -> der::Result<Vec<AnyRef<'_>>> {
    let (mut reader, mut found) = (SliceReader::new(bytes)?, Vec::new());
    while !reader.is_finished() {
        found.push(AnyRef::decode(&mut reader)?);
    }
    Ok(found)
}

/// Whether the attributes, which are what is signed, name the digest of the body.
fn about(signer: &SignerInfo, sha256: &[u8]) -> Result<(), Fault> {
    if signer.digest_alg.oid != SHA256 {
        return Err(Fault::new(Reason::BundleUnsupported, "its digest is not SHA-256"));
    }
    let missing = || Fault::new(Reason::BundleUnsupported, "it signs no attributes with a digest");
    let attributes = signer.signed_attrs.as_ref().ok_or_else(missing)?;
    let mut digests = attributes.iter().filter(|it| it.oid == MESSAGE_DIGEST).flat_map(|it| it.values.iter());
    let (Some(digest), None) = (digests.next(), digests.next()) else { return Err(missing()) };
    let digest = digest.decode_as::<OctetStringRef<'_>>().map_err(|_| missing())?;
    if digest.as_bytes() != sha256 {
        return Err(Fault::new(Reason::ArtifactMismatch, "the bundle is not what was signed"));
    }
    Ok(())
}

/// The signer's certificate among those that come with it.
fn certificate<'s>(signed: &'s SignedData, signer: &SignerInfo) -> Result<&'s Certificate, Fault> {
    let SignerIdentifier::IssuerAndSerialNumber(id) = &signer.sid else {
        return Err(Fault::new(Reason::BundleUnsupported, "its signer is not named by issuer and number"));
    };
    let all = signed.certificates.iter().flat_map(|set| set.0.iter());
    let mut certificates = all.filter_map(|it| match it {
        CertificateChoices::Certificate(certificate) => Some(certificate),
        CertificateChoices::Other(_) => None,
    });
    let own = certificates.find(|it| {
        it.tbs_certificate.issuer == id.issuer && it.tbs_certificate.serial_number == id.serial_number
    });
    own.ok_or_else(|| Fault::new(Reason::CertificateMissing, "its signer's is not in it"))
}

fn valid_at(certificate: &Certificate, now_s: u64) -> Result<(), Fault> {
    let validity = &certificate.tbs_certificate.validity;
    let seconds = |time: &x509_cert::time::Time| time.to_unix_duration().as_secs();
    if (seconds(&validity.not_before)..=seconds(&validity.not_after)).contains(&now_s) {
        return Ok(());
    }
    Err(Fault::new(Reason::KeyExpired, format!("the certificate is good until {}", validity.not_after)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bundle(body: &[u8], size: u32, signature: &[u8]) -> Vec<u8> {
        [body, HEADER, &size.to_le_bytes(), signature, FOOTER].concat()
    }

    #[test]
    fn blocks_are_at_the_end_and_fit() {
        for (bytes, expected) in [
            (b"body".to_vec(), Ok(None)),
            (bundle(b"body", 3, b"sig"), Ok(Some(4))),
            (bundle(b"", 0, b""), Ok(Some(0))),
            (bundle(b"body", 2, b"sig"), Err(())),
            ([&bundle(b"body", 3, b"sig")[..], b"more"].concat(), Ok(None)),
            (b"bodyMCPB_SIG_END".to_vec(), Err(())),
            // Two that fit: one inside of the other.
            (bundle(b"body", 18, &[HEADER, &3_u32.to_le_bytes(), b"sig"].concat()), Err(())),
        ] {
            let found = block(&bytes, bytes.len() as u64);
            let found = found.map(|it| it.map(|it| it.body)).map_err(drop);
            assert_eq!(found, expected, "{bytes:?}");
        }
        assert!(block(&bundle(b"body", 3, b"sig"), 10).is_err(), "longer than the file");
    }

    proptest! {
        #[test]
        fn no_signature_is_a_surprise(signature in proptest::collection::vec(any::<u8>(), 0..200), digest: [u8; 32]) {
            let size = u32::try_from(signature.len()).unwrap_or_default();
            let bytes = bundle(b"body", size, &signature);
            if let Ok(Some(block)) = block(&bytes, bytes.len() as u64) {
                prop_assert!(block.verify(&digest, &[], 0).is_err());
            }
        }
    }
}
