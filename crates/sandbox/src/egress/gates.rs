//! The gates of all servers that have a way out.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use portcullis_core::{Clock, ServerName};

use super::{Gate, GateParts, Ledger, Resolve};
use crate::Egress;

/// One gate for each server, which all its processes share, and with it their budgets.
pub struct Gates {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    open: Mutex<HashMap<ServerName, (Egress, Arc<Gate>)>>,
}

impl Gates {
    /// Gates that write to one ledger.
    pub fn new(ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>) -> Self {
        Self { ledger, clock, open: Mutex::default() }
    }

    /// The gate of a server. It is the same until what the server may reach changes.
    ///
    /// # Errors
    /// Rules that cannot be used, or that no name server is known.
    pub fn of(&self, server: &ServerName, egress: &Egress) -> Result<Arc<Gate>, String> {
        let mut open = self.open.lock();
        if let Some((_, gate)) = open.get(server).filter(|(known, _)| known == egress) {
            return Ok(gate.clone());
        }
        let gate = Arc::new(Gate::new(self.parts(server, egress)?));
        open.insert(server.clone(), (egress.clone(), gate.clone()));
        Ok(gate)
    }

    fn parts(&self, server: &ServerName, egress: &Egress) -> Result<GateParts, String> {
        let faults = |faults: Vec<super::RuleFault>| {
            faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        let resolver: Arc<dyn Resolve> = Arc::new(egress.resolver()?);
        Ok(GateParts {
            server: server.clone(),
            policy: egress.policy().map_err(faults)?,
            limits: egress.limits(),
            resolver,
            ledger: self.ledger.clone(),
            clock: self.clock.clone(),
        })
    }
}

impl std::fmt::Debug for Gates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gates").finish_non_exhaustive()
    }
}
