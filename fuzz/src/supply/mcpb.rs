//! Signature blocks of bundles: where one is found it is behind its body, and nobody who is not named has signed it.

use portcullis_supply::verify::mcpb::block;

pub fn check(data: &[u8]) {
    let length = data.len() as u64;
    let Ok(Some(found)) = block(data, length) else { return };
    assert!(found.body < length);
    let body = usize::try_from(found.body).expect("it is in memory");
    assert!(
        data.get(body..)
            .is_some_and(|rest| rest.starts_with(b"MCPB_SIG_V1") && rest.ends_with(b"MCPB_SIG_END"))
    );
    assert!(found.verify(&[0; 32], &[], 0).is_err());
}
