//! The messages that stages work on.

/// A `tools/call` of the 2026-07-28 era with a text argument of this many bytes.
pub(crate) fn call(size: usize) -> Vec<u8> {
    let text = filler(size);
    format!(
        r#"{{"jsonrpc":"2.0","id":100000001,"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{text}"}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{{"name":"stages","version":"0.1.0"}},"io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    )
    .into_bytes()
}

/// The answer to it, with a text of this many bytes.
pub(crate) fn answer(size: usize) -> Vec<u8> {
    let text = filler(size);
    format!(
        r#"{{"jsonrpc":"2.0","id":100000001,"result":{{"resultType":"complete","content":[{{"type":"text","text":"{text}"}}],"isError":false}}}}"#
    )
    .into_bytes()
}

/// Prose with an escape now and then, as tools return it.
fn filler(size: usize) -> String {
    let line = r"the quick brown fox jumps over the lazy dog while the gateway looks at every byte of it\n";
    line.repeat(size.div_ceil(line.len()))
}
