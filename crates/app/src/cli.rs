//! The command line.

use clap::{Parser, Subcommand};

use crate::{
    commands::{
        add, approvals, approve, audit, check, completions, config, connect, discover, egress, import, init,
        inspect, install, inventory, lock, login, man, pins, policy, retire, revoke, rollback, run, sandbox,
        scan, serve, stop, tasks, uninstall, update, verify, version,
    },
    exit::Exit,
    printer::Printer,
};

/// Secures Model Context Protocol deployments and proves it.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, max_term_width = 100, after_help = EXIT_STATUS)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUS: &str = "\
Exit status: 0 fine, 1 something was found or refused, 2 the command line or the configuration is wrong, \
3 what should be reached cannot be.";

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Connect(connect::Args),
    Serve(serve::Args),
    Init(init::Args),
    Check(check::Args),
    Import(import::Args),
    Install(install::Args),
    Uninstall(uninstall::Args),
    Discover(discover::Args),
    Verify(verify::Args),
    Add(Box<add::Args>),
    Update(Box<update::Args>),
    Approve(approve::Args),
    Rollback(rollback::Args),
    Lock(lock::Args),
    Inventory(inventory::Args),
    Retire(retire::Args),
    Inspect(inspect::Args),
    Scan(scan::Args),
    Pins(pins::Args),
    Policy(policy::Args),
    Approvals(approvals::Args),
    Egress(egress::Args),
    Sandbox(sandbox::Args),
    Audit(audit::Args),
    Stop(stop::StopArgs),
    Resume(stop::ResumeArgs),
    Revoke(revoke::Args),
    Tasks(tasks::Args),
    Login(login::LoginArgs),
    Logout(login::LogoutArgs),
    Completions(completions::Args),
    Man(man::Args),
    Version(version::Args),
    #[command(hide = true)]
    Config(config::Args),
}

/// Parses the command line and runs the command.
pub(crate) fn main() -> Exit {
    let printer = Printer::new();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            printer.usage(&error);
            return printer.end(if error.use_stderr() { Exit::Usage } else { Exit::Fine });
        }
    };
    let outcome = match cli.command {
        Command::Run(args) => run::run(args, &printer),
        Command::Connect(args) => connect::run(args, &printer),
        Command::Serve(args) => serve::run(&args, &printer),
        Command::Init(args) => init::run(&args, &printer),
        Command::Check(args) => check::run(&args, &printer),
        Command::Import(args) => import::run(&args, &printer),
        Command::Install(args) => install::run(&args, &printer),
        Command::Uninstall(args) => uninstall::run(&args, &printer),
        Command::Discover(args) => discover::run(&args, &printer),
        Command::Verify(args) => verify::run(&args, &printer),
        Command::Add(args) => add::run(&args, &printer),
        Command::Update(args) => update::run(&args, &printer),
        Command::Approve(args) => approve::run(&args, &printer),
        Command::Rollback(args) => rollback::run(&args, &printer),
        Command::Lock(args) => lock::run(&args, &printer),
        Command::Inventory(args) => inventory::run(&args, &printer),
        Command::Retire(args) => retire::run(&args, &printer),
        Command::Inspect(args) => inspect::run(&args, &printer),
        Command::Approvals(args) => approvals::run(&args, &printer),
        Command::Scan(args) => scan::run(&args, &printer),
        Command::Pins(args) => pins::run(args, &printer),
        Command::Policy(args) => policy::run(args, &printer),
        Command::Egress(args) => egress::run(args, &printer),
        Command::Sandbox(args) => sandbox::run(&args, &printer),
        Command::Audit(args) => audit::run(args, &printer),
        Command::Stop(args) => stop::stop(&args, &printer),
        Command::Resume(args) => stop::resume(&args, &printer),
        Command::Revoke(args) => revoke::run(&args, &printer),
        Command::Tasks(args) => tasks::run(&args, &printer),
        Command::Login(args) => login::login(&args, &printer),
        Command::Logout(args) => login::logout(&args, &printer),
        Command::Completions(args) => completions::run(&args, &printer),
        Command::Man(args) => man::run(&args, &printer),
        Command::Version(args) => version::run(&args, &printer),
        Command::Config(args) => config::run(&args, &printer),
    };
    printer.end(outcome.unwrap_or_else(|failure| failure.report(&printer)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_declaration_is_sound() {
        Cli::command().debug_assert();
    }
}
