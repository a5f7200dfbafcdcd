//! The gateway measured against what the same path costs at the least: `cargo xtask bench`.
//!
//! Load generator and backend share one core, the proxy under test has the other. Targets take
//! turns in one run, so that a disturbance weighs on all of them. Results of one machine do not
//! compare with another's; ratios to `floor-http` do.

mod cold_start;
mod fleet;
mod gateway;
mod limits;
mod load;
mod matrix;
mod memory;
mod options;
mod programs;
mod report;
mod table;

use fleet::Fleet;
use options::Options;
use programs::Programs;
use report::{Machine, Report};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{args::Args, failure::Failure};

pub(crate) const ABOUT: &str =
    "measures throughput, latency, CPU per request, memory and cold start against the floors
--quick shortens, --only TEXT picks cases by name (also cold-start, memory), --name NAME names target/bench/NAME.json,
--gate fails when a limit is exceeded";

/// The core of the load generator and the backend.
const LOAD_CORE: usize = 0;
/// The core of whatever is between them.
const PROXY_CORE: usize = 1;

pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let options = Options::parse(args)?;
    let programs = Programs::build()?;
    allow_many_descriptors()?;
    let mut report = Report::new(Machine::here()?, &options);
    let complete = measure(&mut report, &options, &programs);
    let path = report.write(&programs.results, &options.name)?;
    print!("{}{}", table::cold_start(&report), table::memory(&report));
    println!("written to {}", path.display());
    complete?;
    if options.gate { limits::check(&report) } else { Ok(()) }
}

/// Every process started here inherits the limit; a held connection costs a proxy two descriptors.
fn allow_many_descriptors() -> Result<(), Failure> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
        .map_err(|e| Failure::broken("open files", e))
}

/// What was measured before a failure stays in the report.
fn measure(report: &mut Report, options: &Options, programs: &Programs) -> Result<(), Failure> {
    let fleet = Fleet::start(programs)?;
    for (era, case) in matrix::pairs(options) {
        let result = load::run(&fleet, era, case, options)?;
        print!("{}", table::case(&result));
        report.cases.push(result);
    }
    for era in matrix::ERAS.into_iter().filter(|_| options.wants("cold-start")) {
        report.cold_start.extend(cold_start::run(&fleet, era, options)?);
    }
    for era in matrix::ERAS.into_iter().filter(|_| options.wants("memory")) {
        memory::run(&fleet, era, options, &mut report.memory)?;
    }
    Ok(())
}
