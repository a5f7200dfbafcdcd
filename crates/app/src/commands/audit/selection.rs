//! Which records a person asks for.

use portcullis_audit::query::{Filter, FilterFault, Instant};
use portcullis_core::{Clock as _, Principal, SystemClock};

use crate::exit::{Exit, Failure};

/// Conditions on records; every one that is given has to hold.
#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Selection {
    /// The record with this identifier.
    #[arg(long, value_name = "RECORD_ID")]
    id: Option<String>,
    /// Written then or later: `2026-11-29`, `2026-11-29T10:15:00Z`, or how long ago, `15m`, `2h`, `7d`.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Written before: as `--since`.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Calls on the authority of this principal, as policies write it: `oauth:corp:alice`, `local-user:loopback`.
    #[arg(long, value_name = "KIND:ID")]
    principal: Option<String>,
    /// Calls of this tenant.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Calls to and events of this server.
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Calls of this tool, by the name its server gives it.
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Calls that were allowed or refused.
    #[arg(long, value_enum)]
    decision: Option<Verdict>,
    /// Calls that this control refused, such as `TI-01`.
    #[arg(long, value_name = "CONTROL")]
    control: Option<String>,
    /// Events of this kind, such as `config-changed`.
    #[arg(long, value_name = "EVENT")]
    event: Option<String>,
    /// Calls whose request this commits to, as `portcullis audit commitment` prints it.
    #[arg(long, value_name = "COMMITMENT")]
    request: Option<String>,
    /// Calls that are part of this W3C trace.
    #[arg(long, value_name = "TRACE_ID")]
    trace_id: Option<String>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Verdict {
    Allow,
    Refuse,
}

impl Selection {
    pub(in crate::commands) fn filter(&self) -> Result<Filter, Failure> {
        let now_ms = SystemClock.now_ms();
        let instant = |option: &str, text: &Option<String>| {
            let read = text.as_deref().map(|text| Instant::read(text, now_ms)).transpose();
            read.map_err(|fault: FilterFault| Failure::new(Exit::Usage, format!("`{option}` {fault}")))
        };
        let principal = self.principal.as_deref().map(str::parse::<Principal>).transpose();
        let principal =
            principal.map_err(|fault| Failure::new(Exit::Usage, format!("`--principal`: {fault}")))?;
        Ok(Filter {
            id: self.id.clone(),
            since: instant("--since", &self.since)?,
            until: instant("--until", &self.until)?,
            principal,
            tenant: self.tenant.clone(),
            server: self.server.clone(),
            tool: self.tool.clone(),
            verdict: self.decision.map(|verdict| match verdict {
                Verdict::Allow => "allow",
                Verdict::Refuse => "refuse",
            }),
            control: self.control.clone(),
            event: self.event.clone(),
            request: self.request.clone(),
            trace_id: self.trace_id.clone(),
        })
    }
}
