//! A client's servers as a part of our own configuration, its secrets moved into files.

use std::fmt::Write as _;

use portcullis_core::{Secret, ServerName};

use crate::config::{
    Code, Command, Parameter, Reach, Remote, Source, Transport,
    tree::{key, quote},
};

/// TOML that can be appended to a configuration, and the secret files it refers to.
#[derive(Default)]
pub(crate) struct Toml {
    pub(crate) text: String,
    pub(crate) secrets: Vec<SecretFile>,
}

/// A secret that was written out in a client's file.
pub(crate) struct SecretFile {
    /// Relative to the directory of the configuration, for example `secrets/notes.API_KEY`.
    pub(crate) path: String,
    pub(crate) secret: Secret,
}

impl Toml {
    /// Adds the table of one server.
    pub(crate) fn server(&mut self, name: &ServerName, reach: &Reach) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.line(format_args!("[server.{name}]"));
        match reach {
            Reach::Command(command) => self.command(name, command),
            Reach::Url(remote) => self.remote(name, remote),
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }

    fn command(&mut self, name: &ServerName, command: &Command) {
        match &command.code {
            Code::Program(program) => self.line(format_args!("command = {}", quote(program))),
            Code::Admitted(name) => self.line(format_args!("admitted = {}", quote(name.as_str()))),
        }
        let numbered = command.args.iter().enumerate();
        let args: Vec<String> =
            numbered.map(|(index, arg)| self.value(name, &format!("arg{index}"), arg)).collect();
        if !args.is_empty() {
            self.line(format_args!("args = [{}]", args.join(", ")));
        }
        if let Some(cwd) = &command.cwd {
            self.line(format_args!("cwd = {}", quote(&cwd.to_string_lossy())));
        }
        self.table(name, "env", &command.env);
    }

    fn remote(&mut self, name: &ServerName, remote: &Remote) {
        self.line(format_args!("url = {}", quote(&remote.url.uri().to_string())));
        match remote.transport {
            Transport::Auto => {}
            Transport::StreamableHttp => self.line(format_args!("transport = \"streamable-http\"")),
            Transport::Sse => self.line(format_args!("transport = \"sse\"")),
        }
        self.table(name, "headers", &remote.headers);
    }

    fn table(&mut self, name: &ServerName, table: &str, members: &[(String, Parameter)]) {
        if members.is_empty() {
            return;
        }
        self.line(format_args!("[server.{name}.{table}]"));
        for (member, parameter) in members {
            let value = self.value(name, member, parameter);
            self.line(format_args!("{} = {value}", key(member)));
        }
    }

    /// A path no other secret has, on file systems that do not tell upper from lower case either.
    fn unused(&self, path: String) -> String {
        let taken = |path: &str| self.secrets.iter().any(|file| file.path.eq_ignore_ascii_case(path));
        if !taken(&path) {
            return path;
        }
        let mut numbered = (2_u32..).map(|number| format!("{path}.{number}"));
        numbered.find(|path| !taken(path)).unwrap_or(path)
    }

    fn value(&mut self, server: &ServerName, member: &str, parameter: &Parameter) -> String {
        let (source, prefix) = match parameter {
            Parameter::Plain(text) => return quote(text),
            Parameter::Fetched { source, prefix } => (source, prefix),
        };
        let from = match source {
            Source::File(path) => format!("file = {}", quote(&path.to_string_lossy())),
            Source::Env(variable) => format!("env = {}", quote(variable)),
            Source::Inline(secret) => {
                let plain = |c: char| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' };
                let path = self
                    .unused(format!("secrets/{server}.{}", member.chars().map(plain).collect::<String>()));
                let from = format!("file = {}", quote(&path));
                self.secrets.push(SecretFile { path, secret: secret.clone() });
                from
            }
        };
        let prefix = if prefix.is_empty() { String::new() } else { format!(", prefix = {}", quote(prefix)) };
        format!("{{ {from}{prefix} }}")
    }
}
