//! Tools that are dangerous together: private data, text that others wrote, and a way out.

use portcullis_core::Deed;

use super::{Report, Tool, rule};

/// Tools named of each part.
const NAMED: usize = 3;

pub(super) fn look(tools: &[Tool], report: &mut Report) {
    let parts = [Deed::Private, Deed::Untrusted, Deed::Outward].map(|deed| {
        let those = tools.iter().filter(|tool| tool.conduct.does(deed)).collect::<Vec<_>>();
        (deed, those)
    });
    if parts.iter().any(|(_, those)| those.is_empty()) {
        return;
    }
    let told = parts.iter().map(|(deed, those)| {
        let names: Vec<_> =
            those.iter().take(NAMED).map(|tool| format!("{}/{}", tool.server(), tool.name())).collect();
        let more = those.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}: {}{more}", deed.as_str(), names.join(", "))
    });
    let message = told.collect::<Vec<_>>().join("; ");
    let [.., (_, outward)] = &parts;
    if let Some(first) = outward.first() {
        report.server(rule::TOXIC, first.server(), message);
    }
}
