//! Where the tools come from.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use portcullis_core::{
    Definition, ListKind, ServerName,
    wire::{Document, Limits},
};
use portcullis_gateway::offered::Offered;
use portcullis_inspect::{
    lint::{Finding, Tool, Weight},
    targets::TargetPolicy,
};

use super::Args;
use crate::{
    clients,
    commands::{locate, tell, unusable},
    compose::Deployment,
    config::{self, Config, Loaded},
    exit::{Exit, Failure},
    printer::Printer,
    runtime,
};

/// Everything that was asked or read.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) tools: Vec<Tool>,
    /// Definitions that no gateway would admit.
    pub(super) refused: Vec<Finding>,
    /// Servers that could not be asked, and why.
    pub(super) unreachable: Vec<(String, String)>,
    /// The file that findings are shown in.
    pub(super) artifact: PathBuf,
}

pub(super) fn gather(args: &Args, printer: &Printer) -> Result<Gathered, Failure> {
    let mut gathered = Gathered::default();
    for file in &args.tools {
        gathered.artifact.clone_from(file);
        read_tools(file, &mut gathered)?;
    }
    let mut loaded = Vec::new();
    for file in &args.client {
        loaded.push((file.clone(), Config::for_client(file)));
    }
    if args.config.is_some() || (args.client.is_empty() && args.tools.is_empty()) {
        let file = locate(args.config.as_deref())?;
        let read = config::load(&file);
        loaded.push((file, read));
    }
    for (file, read) in loaded {
        let Loaded { config, warnings } = read.map_err(|report| {
            tell(&report, printer);
            unusable(&file, &report)
        })?;
        tell(&warnings, printer);
        ask(config, &file, printer, &mut gathered)?;
        gathered.artifact = file;
    }
    Ok(gathered)
}

fn ask(config: Config, file: &Path, printer: &Printer, gathered: &mut Gathered) -> Result<(), Failure> {
    // Policies say who may call what; what is offered is the same to everybody.
    let deployment = Deployment::with_policy(config, "no policy", "").map_err(|report| {
        tell(&report, printer);
        unusable(file, &report)
    })?;
    let answers = runtime::runtime()?.block_on(runtime::ask::tools(&deployment, printer))?;
    for (name, answer) in answers {
        match answer {
            Ok(offered) => add(&name, offered, &deployment.config.targets, gathered),
            Err(why) => gathered.unreachable.push((name.to_string(), why)),
        }
    }
    for tool in &mut gathered.tools {
        let server = deployment.servers.iter().find(|it| it.name == *tool.definition.server());
        if let Some(server) = server {
            tool.conduct = server.server.declared.apply(tool.definition.name(), tool.conduct);
        }
    }
    Ok(())
}

fn add(server: &ServerName, offered: Offered, targets: &TargetPolicy, gathered: &mut Gathered) {
    for (name, why) in offered.refused {
        gathered.refused.push(inadmissible(server, name, why));
    }
    for raw in offered.definitions {
        match Definition::read(server.clone(), ListKind::Tools, raw, &Limits::default()) {
            Ok(definition) => gathered.tools.push(Tool::new(definition, targets)),
            Err(why) => gathered.refused.push(inadmissible(server, String::new(), why.to_string())),
        }
    }
}

fn inadmissible(server: &ServerName, name: String, why: String) -> Finding {
    Finding {
        rule: "inadmissible",
        weight: Weight::Error,
        server: server.to_string(),
        tool: Some(name).filter(|name| !name.is_empty()),
        pointer: String::new(),
        message: format!("no gateway would offer it: {why}"),
    }
}

/// A list as a server answers it, its result, or the tools alone.
fn read_tools(file: &Path, gathered: &mut Gathered) -> Result<(), Failure> {
    let unusable = |what: String| Failure::new(Exit::Usage, format!("{}: {what}", file.display()));
    let text = std::fs::read(file).map_err(|e| unusable(e.to_string()))?;
    let document =
        Document::parse(Bytes::from(text), &Limits::default()).map_err(|e| unusable(e.to_string()))?;
    let root = document.root();
    let tools = root.path(&["result", "tools"]).or_else(|| root.get("tools")).unwrap_or(root);
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let server = clients::server_name(&name)
        .map_err(|_| unusable("no server name can be made of its name".to_owned()))?;
    let offered =
        Offered { definitions: tools.elements().map(|tool| tool.to_bytes()).collect(), refused: Vec::new() };
    if offered.definitions.is_empty() {
        return Err(unusable("there are no tools in it".to_owned()).remedy("name the answer to `tools/list`"));
    }
    add(&server, offered, &TargetPolicy::default(), gathered);
    Ok(())
}
