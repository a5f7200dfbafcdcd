//! The processes under test and the backend behind them.

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{
    LOAD_CORE, PROXY_CORE,
    gateway::{self, Variant},
    programs::Programs,
};
use crate::{failure::Failure, pin};

pub(super) const DIRECT: &str = "direct";
pub(super) const FLOOR: &str = "floor-http";
const INSPECTING_FLOOR: &str = "floor-inspect2";

const READY_LIMIT: Duration = Duration::from_secs(20);
const READY_POLL: Duration = Duration::from_millis(5);

/// What can be put between client and backend.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Proxy {
    /// A mode of `floor-proxy`.
    Floor {
        name: &'static str,
        mode: &'static str,
    },
    Gateway(Variant),
}

impl Proxy {
    pub(super) const HTTP: Proxy = Proxy::Floor { name: FLOOR, mode: "http" };
    const GATEWAYS: [Proxy; 2] = [Proxy::Gateway(Variant::Spine), Proxy::Gateway(Variant::Content)];
    const INSPECT2: Proxy = Proxy::Floor { name: INSPECTING_FLOOR, mode: "inspect2" };

    pub(super) fn name(self) -> &'static str {
        match self {
            Proxy::Floor { name, .. } => name,
            Proxy::Gateway(variant) => variant.name(),
        }
    }
}

/// A process that accepts connections. It ends with this value.
pub(super) struct Running {
    pub(super) name: &'static str,
    pub(super) url: String,
    child: Child,
}

impl Running {
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) struct Fleet<'a> {
    pub(super) programs: &'a Programs,
    backend: String,
    /// The baseline first: the backend itself, then what stands before it.
    pub(super) targets: Vec<Running>,
}

impl Fleet<'_> {
    pub(super) fn start(programs: &Programs) -> Result<Fleet<'_>, Failure> {
        let backend = free_address()?;
        let mut command = Command::new(&programs.backend);
        command.args(["--listen", &backend]);
        let running = start(DIRECT, command, &backend, format!("http://{backend}/mcp"), LOAD_CORE)?;
        let mut fleet = Fleet { programs, backend, targets: vec![running] };
        for proxy in [Proxy::HTTP, Proxy::INSPECT2].into_iter().chain(Proxy::GATEWAYS) {
            let running = fleet.start_proxy(proxy)?;
            fleet.targets.push(running);
        }
        Ok(fleet)
    }

    /// What memory and cold start are measured of.
    pub(super) fn measured_alone() -> impl Iterator<Item = Proxy> {
        [Proxy::HTTP].into_iter().chain(Proxy::GATEWAYS)
    }

    pub(super) fn start_proxy(&self, proxy: Proxy) -> Result<Running, Failure> {
        let prepared = self.prepare(proxy)?;
        start(proxy.name(), prepared.command, &prepared.listen, prepared.url, PROXY_CORE)
    }

    /// The command that puts `proxy` before the backend, on a free port.
    pub(super) fn prepare(&self, proxy: Proxy) -> Result<Prepared, Failure> {
        let listen = free_address()?;
        match proxy {
            Proxy::Floor { mode, .. } => {
                let mut command = Command::new(&self.programs.floor);
                command.args([mode, &listen, &self.backend]);
                Ok(Prepared { command, url: format!("http://{listen}/mcp"), listen })
            }
            Proxy::Gateway(variant) => {
                let Programs { gateway, scratch, .. } = self.programs;
                let command = gateway::command(variant, gateway, scratch, &listen, &self.backend)?;
                Ok(Prepared { command, url: gateway::url(&listen), listen })
            }
        }
    }
}

pub(super) struct Prepared {
    pub(super) command: Command,
    pub(super) listen: String,
    pub(super) url: String,
}

#[allow(clippy::disallowed_methods, reason = "this is the wait for a condition, with a deadline")]
fn start(
    name: &'static str,
    mut command: Command,
    listen: &str,
    url: String,
    core: usize,
) -> Result<Running, Failure> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let child = pin::spawn_on(core, &mut command).map_err(|e| Failure::broken(name, e))?;
    let mut running = Running { name, url, child };
    let began = Instant::now();
    while TcpStream::connect(listen).is_err() {
        if let Ok(Some(status)) = running.child.try_wait() {
            return Err(Failure::broken(name, format!("ended before it listened: {status}")));
        }
        if began.elapsed() > READY_LIMIT {
            return Err(Failure::broken(name, format!("does not listen on {listen} after {READY_LIMIT:?}")));
        }
        std::thread::sleep(READY_POLL);
    }
    Ok(running)
}

/// A loopback address that nobody listens on now.
fn free_address() -> Result<String, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
    listener.map(|address| address.to_string()).map_err(|e| Failure::broken("free port", e))
}
