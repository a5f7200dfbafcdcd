//! What of a configuration there is to stop, and how people may write it.
//!
//! A stop that can meet nobody is worse than none: whoever asked believes that it is done.

use portcullis_core::{Principal, PrincipalKind, ServerName, StopFault, StopSubject, spelling::nearest};
use serde::{Deserialize, Serialize};

use crate::{
    config::{Auth, Config},
    exit::{Exit, Failure},
};

/// The servers, callers and tenants that a configuration knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    servers: Vec<String>,
    issuers: Vec<String>,
    tenants: Vec<String>,
    /// Callers who are known by name rather than by an issuer.
    named: Vec<String>,
}

/// What callers over pipes are, with the number of their account.
const PIPES: &str = "local-user:uid:N";

impl Known {
    pub(crate) fn of(config: &Config) -> Self {
        let mut known = Self {
            servers: config.servers.iter().map(|server| server.name.to_string()).collect(),
            ..Self::default()
        };
        match &config.auth {
            Auth::LoopbackUser => known.named.push("local-user:loopback".to_owned()),
            Auth::Dev { principal } => known.named.push(format!("dev:{principal}")),
            Auth::Oauth(oauth) => {
                known.issuers = oauth.issuers.iter().map(|issuer| issuer.name.to_string()).collect();
                known.tenants = oauth.issuers.iter().filter_map(|issuer| issuer.tenant.clone()).collect();
            }
        }
        known
    }

    /// What either knows.
    pub(crate) fn and(mut self, other: Self) -> Self {
        let lists = [
            (&mut self.servers, other.servers),
            (&mut self.issuers, other.issuers),
            (&mut self.tenants, other.tenants),
            (&mut self.named, other.named),
        ];
        for (all, more) in lists {
            all.extend(more);
            all.sort_unstable();
            all.dedup();
        }
        self
    }

    /// What a text in the form of records means, or in another that can mean one thing only.
    pub(crate) fn subject(&self, text: &str) -> Result<StopSubject, Failure> {
        let subject = match text.split_once(':') {
            Some(("principal", who)) => StopSubject::Principal(self.principal(who)?),
            Some(("tool", tool)) => {
                format!("tool:{}", tool.replacen('/', "__", 1)).parse().map_err(unread)?
            }
            _ => text.parse().map_err(unread)?,
        };
        self.check(&subject).map(|()| subject)
    }

    /// Whether there is such a thing here.
    pub(crate) fn check(&self, subject: &StopSubject) -> Result<(), Failure> {
        match subject {
            StopSubject::All => Ok(()),
            StopSubject::Server(name) | StopSubject::Tool(name, _) => self.server(name),
            StopSubject::Principal(who) => self.caller(who),
            StopSubject::Tenant(name) => among("tenant", name, &self.tenants),
        }
    }

    /// Whom a text means: `<kind>:<id>`, or what of it is enough here.
    pub(crate) fn principal(&self, text: &str) -> Result<Principal, Failure> {
        let whole = match text.parse::<Principal>() {
            Ok(whole) => match self.caller(&whole) {
                Ok(()) => return Ok(whole),
                Err(nobody) => nobody,
            },
            Err(fault) => Failure::new(Exit::Usage, fault.to_string()).remedy(self.callers()),
        };
        match self.short(text).as_slice() {
            [] => Err(whole),
            [one] => one.parse().map_err(|_| whole),
            several => {
                let what = format!("`{text}` can mean {}", quoted(several));
                Err(Failure::new(Exit::Usage, what).remedy("write the one that is meant"))
            }
        }
    }

    /// What a text without its kind, or without its issuer too, can stand for.
    fn short(&self, text: &str) -> Vec<String> {
        let named = self.named.iter().filter(|name| name.split_once(':').is_some_and(|(_, id)| id == text));
        let of_issuers = self.issuers.iter().filter_map(|issuer| match text.split_once(':') {
            Some((of, subject)) => (of == issuer && !subject.is_empty()).then(|| format!("oauth:{text}")),
            None => (!text.is_empty()).then(|| format!("oauth:{issuer}:{text}")),
        });
        let pipe = is_account(text).then(|| format!("local-user:{text}"));
        named.cloned().chain(of_issuers).chain(pipe).collect()
    }

    fn server(&self, name: &ServerName) -> Result<(), Failure> {
        among("server", name.as_str(), &self.servers)
    }

    fn caller(&self, who: &Principal) -> Result<(), Failure> {
        let text = who.to_string();
        let issuer = who.id.split_once(':').map_or("", |(issuer, _)| issuer);
        let possible = match who.kind {
            PrincipalKind::Oauth => self.issuers.iter().any(|known| known == issuer),
            PrincipalKind::LocalUser if is_account(&who.id) => true,
            _ => self.named.contains(&text),
        };
        if possible {
            return Ok(());
        }
        let what = match (who.kind, self.issuers.is_empty()) {
            (PrincipalKind::Oauth, false) => {
                format!("`{text}` can be nobody: there is no `[issuer.{issuer}]`")
            }
            _ => format!("`{text}` can be nobody here"),
        };
        let meant = match who.kind {
            PrincipalKind::Oauth => near(issuer, &self.issuers).map(|near| text.replacen(issuer, near, 1)),
            _ => near(&text, &self.named).map(str::to_owned),
        };
        let meant = meant.map(|meant| format!("did you mean `{meant}`? ")).unwrap_or_default();
        Err(Failure::new(Exit::Usage, what).remedy(format!("{meant}{}", self.callers())))
    }

    /// How everybody who may call is written.
    fn callers(&self) -> String {
        let of_issuers = self.issuers.iter().map(|issuer| format!("oauth:{issuer}:SUBJECT"));
        let all: Vec<String> =
            self.named.iter().cloned().chain(of_issuers).chain([PIPES.to_owned()]).collect();
        format!("callers are {}", quoted(&all))
    }
}

/// What a text in the form of records means, where nothing is known that it could be compared with.
pub(crate) fn subject(text: &str) -> Result<StopSubject, Failure> {
    text.parse().map_err(unread)
}

fn unread(fault: StopFault) -> Failure {
    Failure::new(Exit::Usage, fault.to_string())
}

fn among(kind: &str, name: &str, known: &[String]) -> Result<(), Failure> {
    if known.iter().any(|it| it == name) {
        return Ok(());
    }
    let meant = near(name, known).map(|meant| format!("did you mean `{meant}`? ")).unwrap_or_default();
    let there = match known {
        [] => format!("no {kind} is configured"),
        _ => format!("there are {}", quoted(known)),
    };
    let what = format!("there is no {kind} `{name}`");
    Err(Failure::new(Exit::Usage, what).remedy(format!("{meant}{there}")))
}

fn near<'k>(written: &str, known: &'k [String]) -> Option<&'k str> {
    nearest(written, &known.iter().map(String::as_str).collect::<Vec<_>>())
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn is_account(id: &str) -> bool {
    let uid = id.strip_prefix("uid:");
    uid.is_some_and(|uid| uid.parse::<u32>().is_ok_and(|number| number.to_string() == uid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(servers: &[&str], issuers: &[&str], named: &[&str]) -> Known {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Known {
            servers: owned(servers),
            issuers: owned(issuers),
            named: owned(named),
            tenants: owned(&["acme"]),
        }
    }

    #[test]
    fn what_can_be_meant_is_found_and_what_can_meet_nobody_is_refused() {
        let local = known(&["files", "git"], &[], &["local-user:loopback"]);
        let corp = known(&["files"], &["corp"], &[]);
        let two = known(&["files"], &["corp", "partner"], &[]);
        let dev = known(&["files"], &[], &["dev:alice"]);
        for (known, written, expected) in [
            (&local, "principal:local-user:loopback", Ok("principal:local-user:loopback")),
            (&local, "principal:loopback", Ok("principal:local-user:loopback")),
            (&local, "principal:local-user:uid:1000", Ok("principal:local-user:uid:1000")),
            (&local, "principal:uid:1000", Ok("principal:local-user:uid:1000")),
            (&local, "principal:local-user:loopbck", Err("did you mean `local-user:loopback`?")),
            (&local, "principal:oauth:corp:alice", Err("can be nobody here")),
            (&local, "principal:alice", Err("callers are `local-user:loopback`, `local-user:uid:N`")),
            (&corp, "principal:oauth:corp:alice", Ok("principal:oauth:corp:alice")),
            (&corp, "principal:corp:alice", Ok("principal:oauth:corp:alice")),
            (&corp, "principal:alice", Ok("principal:oauth:corp:alice")),
            (&corp, "principal:oauth:corp:a:b", Ok("principal:oauth:corp:a:b")),
            (&corp, "principal:oauth:corpp:alice", Err("did you mean `oauth:corp:alice`?")),
            (&corp, "principal:corpp:alice", Err("is no principal")),
            (&corp, "principal:local-user:loopback", Err("callers are `oauth:corp:SUBJECT`")),
            (&corp, "principal:", Err("is no principal")),
            (&two, "principal:partner:alice", Ok("principal:oauth:partner:alice")),
            (&two, "principal:alice", Err("can mean `oauth:corp:alice`, `oauth:partner:alice`")),
            (&dev, "principal:alice", Ok("principal:dev:alice")),
            (&dev, "principal:dev:bob", Err("`dev:bob` can be nobody here")),
            (&local, "server:git", Ok("server:git")),
            (&local, "server:gitt", Err("did you mean `git`? there are `files`, `git`")),
            (&local, "tool:files__delete", Ok("tool:files__delete")),
            (&local, "tool:files/delete", Ok("tool:files__delete")),
            (&local, "tool:file__delete", Err("there is no server `file`")),
            (&local, "tool:files.delete", Err("nothing that can be stopped")),
            (&local, "tenant:acme", Ok("tenant:acme")),
            (&local, "tenant:acne", Err("did you mean `acme`?")),
            (&local, "all", Ok("all")),
            (&local, "al", Err("nothing that can be stopped")),
        ] {
            let found = known.subject(written);
            match expected {
                Ok(subject) => {
                    assert_eq!(found.ok().map(|it| it.to_string()).as_deref(), Some(subject), "{written}")
                }
                Err(why) => {
                    let told = found.map_or_else(|failure| failure.to_line(), |it| format!("taken: {it}"));
                    assert!(told.contains(why), "{written}: {told}");
                }
            }
        }
    }
}
