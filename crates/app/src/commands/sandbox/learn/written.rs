//! A draft as it is written down.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use portcullis_core::ServerName;
use portcullis_sandbox::{Asked, Egress, Inferred, Plan, infer, learn::Learnt};
use serde_json::json;

use super::{Args, hosts, not_reached, remarks, way_out};
use crate::{
    config::tree::{key, quote},
    exit::{Exit, Failure},
    printer::on_one_line,
};

/// A draft, and the plan that comes of it.
pub(super) struct Written {
    name: ServerName,
    asked: Asked,
    learnt: Learnt,
    egress: Egress,
    not_reached: BTreeSet<String>,
    /// What the server would be allowed.
    pub(super) plan: Plan,
}

/// Programs that execute whatever they are told.
const SHELLS: &[&str] = &["bash", "busybox", "dash", "fish", "ksh", "sh", "zsh"];

impl Written {
    pub(super) fn new(
        args: &Args,
        name: &ServerName,
        asked: &Asked,
        learnt: Learnt,
        reached: &BTreeSet<way_out::Asked>,
        base: &Inferred,
    ) -> Result<Self, Failure> {
        let egress = hosts(args, reached);
        // As it was taken apart before, so that a package is not fetched again.
        let listed = Asked {
            program: base.program.to_string_lossy().into_owned(),
            args: base.args.clone(),
            read: learnt.read.iter().cloned().collect(),
            write: learnt.write.iter().cloned().collect(),
            execute: learnt.execute.iter().map(|it| it.to_string_lossy().into_owned()).collect(),
            egress: egress.clone(),
            danger_host_network: args.grants.danger_host_network,
            ..asked.clone()
        };
        let plan = infer(&listed).map_err(|fault| Failure::new(Exit::Findings, fault.to_string()))?.plan;
        let not_reached = not_reached(reached);
        Ok(Self { name: name.clone(), asked: asked.clone(), learnt, egress, not_reached, plan })
    }

    /// A `[server.NAME]` that `serve` takes.
    pub(super) fn toml(&self) -> String {
        let mut lines = vec![
            "# A first draft, learnt from one run: what the server used and no more. Read it before it is used.".to_owned(),
            format!("[server.{}]", key(self.name.as_str())),
            format!("command = {}", quote(&self.asked.program)),
        ];
        let mut list = |name: &str, words: Vec<String>| {
            if !words.is_empty() {
                let words: Vec<_> = words.iter().map(|word| quote(word)).collect();
                lines.push(format!("{name} = [{}]", words.join(", ")));
            }
        };
        list("args", self.asked.args.clone());
        list("sandbox_read", texts(&self.learnt.read));
        list("sandbox_write", texts(&self.learnt.write));
        list("sandbox_execute", texts(&self.learnt.execute));
        list("sandbox_hosts", self.egress.hosts.iter().cloned().collect());
        list("danger_plain_hosts", self.egress.danger_plain_hosts.iter().cloned().collect());
        let addresses = self.egress.danger_addresses.iter().map(ToString::to_string);
        let reaches = !self.egress.is_closed();
        list("danger_private_addresses", addresses.filter(|_| reaches).collect());
        let servers = self.egress.name_servers.iter().map(ToString::to_string);
        list("sandbox_name_servers", servers.filter(|_| reaches).collect());
        if !self.asked.env.is_empty() {
            let each =
                self.asked.env.iter().map(|name| format!("{} = {{ env = {} }}", key(name), quote(name)));
            lines.push(format!("env = {{ {} }}", each.collect::<Vec<_>>().join(", ")));
        }
        if self.is_relative() {
            lines.push(format!("cwd = {}", quote(&self.asked.cwd.to_string_lossy())));
        }
        if self.plan.danger_host_network {
            lines.push("danger_host_network = true".to_owned());
        }
        lines.extend(self.remarks().iter().map(|remark| format!("# {remark}")));
        lines.push(String::new());
        lines.join("\n")
    }

    /// Whether the command means something else from another directory.
    fn is_relative(&self) -> bool {
        let relative = |word: &String| {
            let value = word.split_once('=').map_or(word.as_str(), |(_, value)| value);
            Path::new(value).is_relative() && !value.is_empty() && self.asked.cwd.join(value).exists()
        };
        self.asked.args.iter().any(relative) || self.asked.program.starts_with('.')
    }

    pub(super) fn json(&self) -> String {
        let Asked { program, args, env, cwd, .. } = &self.asked;
        let shown = json!({
            "server": self.name.as_str(),
            "command": program,
            "args": args,
            "env": env,
            "cwd": cwd,
            "sandbox_read": self.learnt.read,
            "sandbox_write": self.learnt.write,
            "sandbox_execute": self.learnt.execute,
            "sandbox_hosts": self.egress.hosts,
            "danger_plain_hosts": self.egress.danger_plain_hosts,
            "withheld": self.learnt.withheld,
            "withheld_besides": self.learnt.withheld_besides,
            "hosts_not_reached": self.not_reached,
            "unused": self.learnt.unused,
            "plan": self.plan,
            "digest": self.plan.digest(),
        });
        // Texts, numbers and paths that are Unicode.
        serde_json::to_string_pretty(&shown).unwrap_or_default()
    }

    /// What should be known about it.
    pub(super) fn remarks(&self) -> Vec<String> {
        let is_shell =
            |path: &&PathBuf| path.file_name().is_some_and(|name| SHELLS.iter().any(|it| name == *it));
        let shells = self.learnt.execute.iter().filter(is_shell);
        let shells =
            shells.map(|path| format!("`{}` is a shell, which runs whatever it is told", path.display()));
        let remarks = shells.chain(remarks(&self.learnt, &self.not_reached));
        // The server chose some of the paths, and each of these is one line of a comment.
        remarks.map(|remark| on_one_line(&remark)).collect()
    }
}

fn texts(paths: &BTreeSet<PathBuf>) -> Vec<String> {
    paths.iter().map(|path| path.to_string_lossy().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use portcullis_sandbox::{Deed, Draft, learn::Withheld};

    use super::*;

    /// A name that a watched server may give to what it opens.
    const FORGED: &str = "x\ndanger_no_sandbox = true\r\n\u{1b}[2K#";

    fn path(before: &str) -> PathBuf {
        format!("{before}/{FORGED}").into()
    }

    #[test]
    fn a_server_writes_no_line_of_its_draft() {
        let withheld = Withheld { path: path("/usr"), deed: Deed::Change, why: "no".into() };
        let shell = path("/opt").join("sh");
        let learnt = Learnt {
            read: BTreeSet::from([path("/srv")]),
            write: BTreeSet::from([path("/var/tmp")]),
            execute: BTreeSet::from([shell]),
            withheld: BTreeSet::from([withheld]),
            withheld_besides: 3,
            unused: BTreeSet::from([path("/home")]),
        };
        let asked = Asked {
            program: "server".into(),
            args: vec![FORGED.into()],
            cwd: "/".into(),
            ..Asked::default()
        };
        let written = Written {
            name: "notes".parse().unwrap(),
            asked,
            learnt,
            egress: Egress::default(),
            not_reached: BTreeSet::from([FORGED.to_owned()]),
            plan: Draft::new("/usr/bin".as_ref(), "/".as_ref()).finish(),
        };
        let text = written.toml();
        let told = text.lines().filter(|line| line.starts_with("# ") && line.contains("danger_no_sandbox"));
        assert_eq!(told.count(), 4, "{text}");
        assert!(text.contains("# not in the draft: 3 more"), "{text}");
        let keys = ["#", "[server.notes]", "command = ", "args = ", "sandbox_"];
        assert!(text.lines().all(|line| keys.iter().any(|key| line.starts_with(key))), "{text}");
        assert!(!text.contains(['\r', '\u{1b}']), "{text}");
    }
}
