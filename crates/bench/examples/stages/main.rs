//! Runs one stage of a request over and over, for `cargo xtask callgrind`.
//!
//! `stages --list` prints the names; `stages NAME COUNT` runs one. An example rather than a
//! program, so that the load generator need not be built with the whole product.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its user")]
#![allow(clippy::unwrap_used, clippy::unreachable, reason = "a measuring tool: wrong samples end it")]

mod floor;
mod samples;
mod spine;

/// One thing to count. `prepare` does what is not counted and returns one repeat.
struct Stage {
    name: &'static str,
    prepare: fn() -> Box<dyn FnMut()>,
}

/// In the order of a request. The `floor-` stages are the yardstick: the least any gateway that
/// looks at JSON-RPC does.
const STAGES: &[&[Stage]] = &[floor::STAGES, spine::STAGES];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut stages = STAGES.iter().copied().flatten();
    match words.as_slice() {
        ["--list"] => stages.for_each(|stage| println!("{}", stage.name)),
        [name, count] => match (stages.find(|stage| stage.name == *name), count.parse::<u64>()) {
            (Some(stage), Ok(count)) => {
                let mut repeat = (stage.prepare)();
                (0..count).for_each(|_| repeat());
            }
            (None, _) => fail(&format!("no stage `{name}`")),
            (_, Err(e)) => fail(&format!("`{count}`: {e}")),
        },
        _ => fail("usage: stages --list | stages NAME COUNT"),
    }
}

fn fail(message: &str) {
    eprintln!("stages: {message}");
    std::process::exit(2);
}
