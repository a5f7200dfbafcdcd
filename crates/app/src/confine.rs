//! What each server that is a command may do, settled before it is started.

use std::path::PathBuf;

use portcullis_core::{Boundary, ControlId, ControlRun, Digest, RunState, ServerName};
use portcullis_sandbox::{Asked, Plan, Tier, control_groups, infer};

use crate::{
    compose::{Fetched, Upstream},
    config::{self, Config},
    own::Own,
    proofs::Proofs,
    tier,
};

/// A command as it will be started.
pub(crate) struct Confined {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) boundary: Boundary,
    settled: Settled,
    words: &'static Words,
}

enum Settled {
    Contained {
        plan: Box<Plan>,
        groups: Option<&'static str>,
        proof: Digest,
        /// Why it is not the tier that was wished for.
        instead: Option<String>,
    },
    Refused(String),
    NotAdmitted(String),
    DangerNone,
}

/// What settling may leave behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effects {
    /// Packages that runners get ready, and results of self-tests.
    Wanted,
    /// Nothing: a runner is taken as it is.
    None,
}

/// What a person has written: messages name that.
struct Words {
    no_sandbox: &'static str,
    tier_fallback: &'static str,
    /// Where what is granted is listed.
    listed: &'static str,
    /// How what is the gateway's own is put somewhere else.
    elsewhere: &'static str,
}

const OPTIONS: Words = Words {
    no_sandbox: "--danger-no-sandbox",
    tier_fallback: "--danger-tier-fallback",
    listed: "`--read`, `--write` and `--execute`",
    elsewhere: "keep that elsewhere with `--record` and `--pins`",
};

const SETTINGS: Words = Words {
    no_sandbox: "danger_no_sandbox",
    tier_fallback: "danger_tier_fallback",
    listed: "`sandbox_read`, `sandbox_write` and `sandbox_execute`",
    elsewhere: "move that elsewhere",
};

impl Words {
    fn of(config: &Config) -> &'static Self {
        if config.is_of_command_line() { &OPTIONS } else { &SETTINGS }
    }
}

/// Settles it; `None` for servers on the network. `own` is what none of them may reach.
pub(crate) fn confine(server: &Upstream, config: &Config, own: &Own, effects: Effects) -> Option<Confined> {
    let Fetched::Command { program, args, env, cwd, sandbox, admission } = &server.reach else { return None };
    let words = Words::of(config);
    let as_written = |boundary, settled| Confined {
        program: program.into(),
        args: args.clone(),
        boundary,
        settled,
        words,
    };
    if let Some(reason) = server.not_admitted() {
        return Some(as_written(Boundary::Unsettled(reason.into()), Settled::NotAdmitted(reason.to_owned())));
    }
    if sandbox.danger_none {
        return Some(as_written(Boundary::DangerNone, Settled::DangerNone));
    }
    let own_path = env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.expose().to_vec());
    let own_path = own_path.and_then(|path| String::from_utf8(path).ok()).map(Into::into);
    let asked = |tier| Asked {
        program: program.clone(),
        args: args.clone(),
        env: env.iter().map(|(name, _)| name.clone()).collect(),
        cwd: cwd.clone().or_else(|| std::env::current_dir().ok()).unwrap_or_default(),
        path: own_path.clone().or_else(|| std::env::var_os("PATH")).unwrap_or_default(),
        read: sandbox.read.clone(),
        write: sandbox.write.clone(),
        execute: sandbox.execute.clone(),
        egress: sandbox.egress.clone(),
        sealed: admission.as_ref().map(|it| it.sealed()).unwrap_or_default(),
        danger_host_network: sandbox.danger_host_network,
        tier,
        runner_as_it_is: effects == Effects::None,
    };
    let proved = |tier| {
        let asked = asked(tier);
        let inferred = infer(&asked).map_err(|fault| fault.to_string())?;
        own.is_out_of_reach_of(&inferred.plan).map_err(|reached| {
            let listed: Vec<_> = sandbox.read.iter().chain(&sandbox.write).cloned().collect();
            let (what, Words { listed: those, elsewhere, .. }) = (&reached, words);
            match reached.is_listed_in(&listed, &asked.cwd) {
                true => format!("{what}: list less with {those}, or {elsewhere}"),
                false => format!(
                    "{what}: that follows from its command; name a smaller directory there, or {elsewhere}"
                ),
            }
        })?;
        let proof = match effects {
            Effects::Wanted => Proofs::of_user().settle(&inferred.plan),
            Effects::None => Proofs::of_user().look(&inferred.plan),
        }?;
        Ok((inferred, proof))
    };
    let wished = tier::settled(sandbox.tier, sandbox.runtime.as_deref()).and_then(proved);
    let (proved, instead) = match wished {
        Err(reason) if sandbox.danger_tier_fallback && sandbox.tier != config::Tier::Kernel => {
            (proved(Tier::Kernel), Some(reason))
        }
        wished => (wished, None),
    };
    Some(match proved {
        Ok((inferred, proof)) => Confined {
            words,
            program: inferred.program,
            args: inferred.args,
            boundary: Boundary::Plan(inferred.plan.to_text().into()),
            settled: Settled::Contained {
                plan: Box::new(inferred.plan),
                groups: control_groups(),
                proof,
                instead,
            },
        },
        Err(reason) => as_written(Boundary::Unsettled(reason.as_str().into()), Settled::Refused(reason)),
    })
}

impl Confined {
    /// For the user, before the server is started.
    pub(crate) fn described(&self, name: &ServerName) -> String {
        match &self.settled {
            Settled::Contained { plan, groups, instead, .. } => {
                let unlimited =
                    if groups.is_none() { "\nmemory and processor time are not limited here" } else { "" };
                let fallback = self.words.tier_fallback;
                let instead = instead.iter().map(|why| format!("\nin the kernel tier ({fallback}): {why}"));
                format!("`{name}` runs in a sandbox and\n{plan}{unlimited}{}", instead.collect::<String>())
            }
            Settled::Refused(reason) => format!(
                "`{name}` will not be started, because no sandbox can be made for it: {reason}; `{}` starts it without one",
                self.words.no_sandbox
            ),
            Settled::NotAdmitted(reason) => format!("`{name}` will not be started: {reason}"),
            Settled::DangerNone => format!("`{name}` runs without a sandbox and can do whatever you can"),
        }
    }

    /// Why it will not be started for as long as that is so, and what to do about it.
    pub(crate) fn refusal(&self) -> Option<(&str, &'static str)> {
        match &self.settled {
            Settled::Refused(reason) => Some((
                reason,
                "correct what is listed for it; `danger_no_sandbox` starts it without a sandbox",
            )),
            // That is told where the admission is looked at.
            Settled::Contained { .. } | Settled::NotAdmitted(_) | Settled::DangerNone => None,
        }
    }

    /// Digest of the boundaries it runs in; none where there are none.
    pub(crate) fn plan(&self) -> Option<Digest> {
        match &self.settled {
            Settled::Contained { plan, .. } => Some(plan.digest()),
            Settled::Refused(_) | Settled::NotAdmitted(_) | Settled::DangerNone => None,
        }
    }

    /// For every record of what it is asked.
    pub(crate) fn run(&self) -> ControlRun {
        let (state, reason) = match &self.settled {
            Settled::Contained { plan, groups, proof, instead } => {
                let groups = groups.unwrap_or("none: memory and processor time are not limited");
                let instead = instead.iter().map(|why| format!("danger_tier_fallback: {why}; "));
                let weaker = format!("{}{}", weakened(plan), instead.collect::<String>());
                let state = if weaker.is_empty() { RunState::Ran } else { RunState::Degraded };
                let (tier, plan) = (&plan.tier, plan.digest());
                (
                    state,
                    format!("{weaker}{tier} tier, plan {plan}, self-test {proof}, control groups {groups}"),
                )
            }
            Settled::Refused(reason) | Settled::NotAdmitted(reason) => {
                (RunState::Degraded, format!("not started: {reason}"))
            }
            Settled::DangerNone => {
                (RunState::Degraded, "danger_no_sandbox: runs without a sandbox".to_owned())
            }
        };
        ControlRun { control: ControlId::Iso01, state, reason: Some(reason.into()) }
    }
}

/// What is weaker about a plan than it could be, for the beginning of a sentence.
fn weakened(plan: &Plan) -> &'static str {
    match (plan.danger_host_network, plan.egress.has_danger()) {
        (true, _) => "danger_host_network: uses the machine's network; ",
        (false, true) => {
            "danger_plain_hosts or danger_private_addresses: what it reaches is weakly checked; "
        }
        (false, false) => "",
    }
}
