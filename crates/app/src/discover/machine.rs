//! Servers that run on this machine.

use std::net::SocketAddr;

use portcullis_supply::discover::{
    Answer, Executables, Listener, Pace, Process, Processes, Where, ask_all, listeners, stdio_servers,
};

use super::{Place, Registered, Sighting, State, user};

/// Servers that speak over pipes with whoever started them.
pub(crate) fn running(
    processes: &Processes,
    executables: &Executables,
    registered: &Registered,
) -> Vec<Sighting> {
    let servers = stdio_servers(processes, executables).into_iter().map(|server| {
        let known = registered.holds(processes, executables, server.pid);
        let state = if known { State::Registered } else { State::Shadow };
        let process = processes.get(server.pid);
        let name = process.map(Process::name).unwrap_or_default().to_owned();
        let evidence = format!("speaks over its standard input and output; {}", server.evidence);
        let mut sighting =
            Sighting::new(state, Place::Processes, format!("pid {}", server.pid), name, evidence);
        describe(&mut sighting, processes, executables, server.pid);
        let client = processes.get(server.client);
        sighting.started_by = client.map(|client| format!("{} (pid {})", client.name(), client.pid));
        sighting.remedy = (!known).then(|| {
            let by = client.map_or("its client", Process::name);
            format!("stop it, and let {by} start it through Portcullis: `portcullis install`")
        });
        (server.pid, sighting)
    });
    // Asked after everything was learnt: whose program could not be read because it had ended is none that is there.
    servers.filter(|(pid, _)| processes.still_runs(*pid)).map(|(_, sighting)| sighting).collect()
}

/// Servers behind sockets of this machine, which are asked.
pub(crate) fn waiting(
    processes: &Processes,
    executables: &Executables,
    registered: &Registered,
) -> Vec<Sighting> {
    let mut listeners = listeners(processes);
    // The gateway need not be asked what it is.
    listeners.retain(|listener| {
        let own = |pid| processes.get(pid).is_some_and(|process| process.name() == "portcullis");
        !listener.pid.is_some_and(|pid| own(pid) && registered.holds(processes, executables, pid))
    });
    let places: Vec<Where> = listeners.iter().map(|listener| listener.at.clone()).collect();
    let answers = ask_all(&places, Pace::default());
    let found = listeners.into_iter().zip(answers).filter_map(|(listener, answer)| {
        Some(socket(&listener, &answer?, processes, executables, registered))
    });
    found.collect()
}

fn socket(
    listener: &Listener,
    answer: &Answer,
    processes: &Processes,
    executables: &Executables,
    registered: &Registered,
) -> Sighting {
    let (at, address) = match &listener.at {
        Where::Tcp(address) => (format!("{address}{}", answer.path), Some(*address)),
        Where::Unix(path) => (path.display().to_string(), None),
    };
    let known = address.is_some_and(|address| registered.is_server(address))
        || listener.pid.is_some_and(|pid| registered.holds(processes, executables, pid));
    let state = if known { State::Registered } else { State::Shadow };
    let process = listener.pid.and_then(|pid| processes.get(pid));
    let name = process.map_or("unknown process", Process::name).to_owned();
    let mut sighting = Sighting::new(state, Place::Sockets, at, name, answer.evidence.to_owned());
    if let Some(pid) = listener.pid {
        describe(&mut sighting, processes, executables, pid);
    }
    sighting.remedy = (!known).then(|| remedy(address));
    sighting
}

fn remedy(address: Option<SocketAddr>) -> String {
    let open = address.is_some_and(|address| !address.ip().is_loopback());
    let bind = if open { ", and let it listen on 127.0.0.1 only: other machines can reach it" } else { "" };
    format!("put it behind `portcullis serve`, or stop it{bind}")
}

fn describe(sighting: &mut Sighting, processes: &Processes, executables: &Executables, pid: u32) {
    sighting.pid = Some(pid);
    if let Some(program) = executables.of(pid) {
        sighting.executable = program.path;
        sighting.digest = Some(program.digest);
    }
    if let Some(process) = processes.get(pid) {
        sighting.owner = Some(user(process.uid));
        sighting.container.clone_from(&process.container);
        let parent = processes.get(process.parent);
        sighting.started_by = parent.map(|parent| format!("{} (pid {})", parent.name(), parent.pid));
    }
}
