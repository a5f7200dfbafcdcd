//! Cursors the gateway mints for its own lists.

use portcullis_core::{ControlId, Digest, Refusal, RefusalKind};

use crate::{resolve::Resolved, seal::Seals};

/// Where a cursor is valid: for one caller, in one list of one endpoint, as it was (control ST-03). An offset into a
/// list that has changed would skip items, and it counts entries the caller cannot see, so nobody can read it.
pub(super) struct Cursors<'s> {
    seals: &'s Seals,
    bound: Digest,
}

impl<'s> Cursors<'s> {
    /// Cursors into the list `resolved` asks for, which is made of the lists with these digests.
    pub(super) fn of<'d>(
        seals: &'s Seals,
        resolved: &Resolved,
        lists: impl Iterator<Item = &'d Digest>,
    ) -> Result<Self, Refusal> {
        let call = &resolved.call;
        let caller = serde_json::to_vec(&(&call.caller.principal, &call.caller.tenant)).map_err(|e| {
            Refusal::new(RefusalKind::Internal, "internal error").operator(format!("a caller's name: {e}"))
        })?;
        let endpoint = call.endpoint.as_ref().map_or("", |name| name.as_str());
        let whose = [&b"list cursor"[..], &caller, endpoint.as_bytes(), call.request.method().as_bytes()];
        let lists = lists.map(|digest| digest.as_bytes().as_slice());
        Ok(Self { seals, bound: Digest::of_parts(whose.into_iter().chain(lists)) })
    }

    pub(super) fn write(&self, offset: usize) -> Result<String, Refusal> {
        self.seals.seal(&self.bound, &(offset as u64).to_be_bytes())
    }

    pub(super) fn read(&self, cursor: &str) -> Result<usize, Refusal> {
        let opened = self.seals.open(&self.bound, cursor).and_then(|plain| plain.try_into().ok());
        let offset = opened.and_then(|bytes| usize::try_from(u64::from_be_bytes(bytes)).ok());
        offset.ok_or_else(|| {
            let what = "`params.cursor` was not given to this caller for this list, or the list has changed since; \
                        start again without a cursor";
            Refusal::new(RefusalKind::InvalidParams, what).by(ControlId::St03)
        })
    }
}
