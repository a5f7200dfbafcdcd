//! Marks what an earlier run left without an end.

use portcullis_audit::{EventKind, LeftBehind, Recorder, left_behind};

use crate::{config::Audit, printer::Printer};

/// Bytes of earlier records that are looked through: more than a gateway has under way, by far.
const LOOKED_BYTES: u64 = 16 << 20;

/// Records an outcome `abandoned` for every call that a gateway which was killed had under way. Nothing may have been
/// served yet.
pub(super) async fn mark(recorder: &Recorder, audit: &Audit, printer: &Printer) {
    let failed = |what: String| {
        // A log that takes nothing refuses every call.
        let _unwritten = recorder.event(EventKind::Degraded, Some("audit.file".to_owned()), what);
    };
    let spare = audit.spare.iter().map(|(file, _)| file.as_path());
    let logs: Vec<_> = std::iter::once(audit.file.as_path()).chain(spare).collect();
    let left = match left_behind(&logs, LOOKED_BYTES) {
        Ok(left) => left,
        Err(error) => return failed(format!("calls of an earlier run could not be looked for: {error}")),
    };
    if left.is_empty() {
        return;
    }
    let unmarked = unmarked(recorder, &left).await;
    if unmarked > 0 {
        failed(format!("{unmarked} calls of an earlier run could not be marked as abandoned"));
    }
    printer.status(&format!(
        "{} calls of an earlier run have no outcome and are marked as abandoned",
        left.len()
    ));
}

async fn unmarked(recorder: &Recorder, left: &[LeftBehind]) -> usize {
    let marks = left.iter().map(|left| recorder.abandon(left));
    futures_util::future::join_all(marks).await.iter().filter(|marked| marked.is_err()).count()
}
