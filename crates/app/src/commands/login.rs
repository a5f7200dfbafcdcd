//! `portcullis login` and `portcullis logout`

mod callback;

use std::{path::PathBuf, sync::Arc, time::Duration};

use portcullis_audit::rfc3339;
use portcullis_core::{Principal, PrincipalKind, SystemClock};
use portcullis_identity::{ConnectFault, Connection, Connector, CredentialConfig, Place};
use serde::Serialize;

use super::{configured, tell};
use crate::{
    compose::credential,
    config::{Config, Reach, Report, credential::Way},
    exit::{Exit, Failure, Outcome},
    printer::Printer,
    runtime::runtime,
};
use callback::Callback;

/// Connect yourself to a remote server: prints the page where its authorization server asks you, and waits for the answer.
///
/// For servers whose credential has `mode = "authorization-code"`. The browser has to run on this machine. Tokens are
/// kept in files that only you can read, and a running gateway uses them at once.
#[derive(Debug, clap::Args)]
pub(crate) struct LoginArgs {
    /// The server, by its name in the configuration.
    server: String,
    #[command(flatten)]
    whose: Whose,
    /// How long to wait for the answer, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=3600))]
    wait: u64,
    /// Write the page and the result as JSON, one object a line.
    #[arg(long)]
    json: bool,
}

/// End your connection to a remote server, and have its tokens taken back.
#[derive(Debug, clap::Args)]
pub(crate) struct LogoutArgs {
    /// The server, by its name in the configuration.
    server: String,
    #[command(flatten)]
    whose: Whose,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Whose {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Name of the development principal (`auth.danger_dev_principal`) that is connected, instead of the user of this machine.
    #[arg(long, value_name = "NAME")]
    dev: Option<String>,
}

impl Whose {
    fn principal(&self) -> Principal {
        match &self.dev {
            Some(name) => Principal { kind: PrincipalKind::Dev, id: name.as_str().into() },
            None => Principal { kind: PrincipalKind::LocalUser, id: "loopback".into() },
        }
    }
}

/// What a program has to open.
#[derive(Serialize)]
struct Page<'a> {
    server: &'a str,
    issuer: &'a str,
    scopes: Vec<&'a str>,
    authorization_url: &'a str,
}

/// What came of it.
#[derive(Serialize)]
struct Connected<'a> {
    server: &'a str,
    connected: bool,
    issuer: &'a str,
    resource: &'a str,
    scopes: Vec<&'a str>,
    /// When the access token ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// Whether another can be had without asking again.
    renewable: bool,
}

#[derive(Serialize)]
struct Ended<'a> {
    server: &'a str,
    was_connected: bool,
    taken_back: bool,
}

pub(crate) fn login(args: &LoginArgs, printer: &Printer) -> Outcome {
    let config = configured(args.whose.config.as_deref(), printer)?;
    let (connector, port) = connector(&config, &args.server, printer)?;
    runtime()?.block_on(connect(args, &connector, port, printer))
}

async fn connect(args: &LoginArgs, connector: &Connector, port: u16, printer: &Printer) -> Outcome {
    let principal = args.whose.principal();
    let callback = Callback::bind(port, connector.registered_port(&principal)).await?;
    let place = Place::Loopback { redirect_uri: callback.uri() };
    let pending = connector.begin(&principal, &place).await.map_err(|fault| failed(&fault))?;
    let url = pending.url();
    let scopes = pending.scopes().iter().map(|scope| &**scope).collect();
    if args.json {
        let page = Page { server: &args.server, issuer: pending.issuer(), scopes, authorization_url: &url };
        printer.json_line(&page);
    } else {
        printer.status(&format!(
            "open this page in a browser on this machine; {} asks you there:",
            pending.issuer()
        ));
        printer.line(&url);
    }
    let asked = &pending;
    let finish = callback.answer(
        |query| asked.is_answered_by(query),
        |query| async move { connector.finish(asked, &query, None).await },
    );
    let finished = tokio::time::timeout(Duration::from_secs(args.wait), finish).await.map_err(|_| {
        Failure::new(Exit::Findings, format!("no answer within {} s", args.wait))
            .remedy("run the command again")
    })?;
    let connection = finished.map_err(|fault| {
        // An id that the authorization server has forgotten would fail for ever.
        if matches!(fault, ConnectFault::Declined(_) | ConnectFault::Token(_)) {
            let _ = connector.forget_registration(&pending, &place);
        }
        failed(&fault)
    })?;
    if args.json {
        printer.json_line(&connected(&args.server, &connection));
    } else {
        printer.done(&format!("connected to `{}` through {}", args.server, connection.issuer()));
    }
    Ok(Exit::Fine)
}

fn connected<'a>(server: &'a str, connection: &'a Connection) -> Connected<'a> {
    Connected {
        server,
        connected: true,
        issuer: connection.issuer(),
        resource: connection.resource(),
        scopes: connection.scopes().iter().map(|scope| &**scope).collect(),
        expires: connection.expires_ms().map(rfc3339),
        renewable: connection.is_renewable(),
    }
}

pub(crate) fn logout(args: &LogoutArgs, printer: &Printer) -> Outcome {
    let config = configured(args.whose.config.as_deref(), printer)?;
    let (connector, _) = connector(&config, &args.server, printer)?;
    let ended = runtime()?.block_on(connector.disconnect(&args.whose.principal()));
    let (was_connected, taken_back) = match ended {
        Ok(was) => (was, was),
        Err(fault @ ConnectFault::Store(_)) => return Err(failed(&fault)),
        Err(fault) => {
            let remedy = "the tokens are forgotten here; end the access in your account there";
            printer.warning(&format!("the tokens were not taken back: {fault}"), Some(remedy));
            (true, false)
        }
    };
    if args.json {
        printer.json(&Ended { server: &args.server, was_connected, taken_back });
    } else if was_connected {
        printer.done(&format!("no longer connected to `{}`", args.server));
    } else {
        printer.done(&format!("there was no connection to `{}`", args.server));
    }
    Ok(Exit::Fine)
}

fn failed(fault: &ConnectFault) -> Failure {
    let (exit, remedy) = match fault {
        ConnectFault::Unreachable(_) => (Exit::Unreachable, "check the address, or try again"),
        ConnectFault::Metadata { .. } => {
            (Exit::Findings, "the server or its authorization server has to be corrected")
        }
        ConnectFault::Registration { .. } => {
            (Exit::Usage, "register the gateway there and set `issuer` and `client_id` of the credential")
        }
        ConnectFault::Store(_) => (Exit::Usage, "check the directory"),
        ConnectFault::Answer(_)
        | ConnectFault::Declined(_)
        | ConnectFault::Token(_)
        | ConnectFault::Randomness => (Exit::Findings, "run the command again"),
    };
    Failure::new(exit, fault.to_string()).remedy(remedy)
}

/// Who connects people to this server, and the port that the browser comes back to.
fn connector(config: &Config, name: &str, printer: &Printer) -> Result<(Connector, u16), Failure> {
    let server = config.servers.iter().find(|server| server.name.as_str() == name).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("there is no `[server.{name}]`"))
            .remedy("name one of the configuration")
    })?;
    let nobody = || {
        Failure::new(Exit::Usage, format!("nobody connects themselves to `{name}`"))
            .remedy("give it a credential with `mode = \"authorization-code\"`")
    };
    let Reach::Url(remote) = &server.reach else { return Err(nobody()) };
    let credential =
        config.credentials.iter().find(|it| Some(it.name.as_str()) == remote.credential.as_deref());
    let Some(Way::AuthorizationCode(consented)) = credential.map(|it| &it.way) else { return Err(nobody()) };
    let mut report = Report::default();
    let fetched = credential::fetch(config, &mut report, &server.name, remote);
    let Ok(Some(CredentialConfig::AuthorizationCode(connect))) = fetched.map(|it| it.map(|it| it.config))
    else {
        tell(&report, printer);
        return Err(Failure::new(Exit::Usage, "the credential cannot be used"));
    };
    Ok((Connector::new(&connect, Arc::new(SystemClock)), consented.callback_port))
}
