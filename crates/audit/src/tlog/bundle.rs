//! Entry bundles: entries, each behind its length in two bytes, the higher first.

/// The longest entry a bundle can hold.
pub(crate) const MAX_ENTRY: usize = u16::MAX as usize;

/// Adds an entry; says whether it is short enough.
pub(super) fn push(bundle: &mut Vec<u8>, entry: &[u8]) -> bool {
    let Ok(len) = u16::try_from(entry.len()) else { return false };
    bundle.extend_from_slice(&len.to_be_bytes());
    bundle.extend_from_slice(entry);
    true
}

/// The whole entries a bundle begins with, and what follows them.
pub fn decode_whole(mut bundle: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut entries = Vec::new();
    while let Some((len, rest)) = bundle.split_first_chunk::<2>() {
        let Some((entry, rest)) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len))) else { break };
        entries.push(entry);
        bundle = rest;
    }
    (entries, bundle)
}
