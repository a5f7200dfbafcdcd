//! How long a decision takes. Run with `cargo run --release -p portcullis-policy --example decide_speed`.
//!
//! Prints the median and the 99th percentile over 100 batches, in nanoseconds of processor time per decision,
//! so that other programs on the machine disturb it little.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a measuring program for developers")]

use std::{fmt::Write as _, hint::black_box};

use bytes::Bytes;
use portcullis_core::{AuthMethod, Call, Caller, Channel, Context, Item, Principal, PrincipalKind, Target};
use portcullis_policy::{Authoriser, Options, PolicySet, View};
use portcullis_wire::{Limits, Message, Version, decode_one};
use rustix::time::{ClockId, clock_gettime};

const CX: Context = Context { now_ms: 1_795_305_600_000 };

/// How the policies of a set are spread.
#[derive(Clone, Copy)]
enum Spread {
    /// Over as many servers, so that the index separates them.
    Servers,
    /// All over one server, with conditions, so that each has to be evaluated.
    OneServer,
}

fn main() {
    for spread in [Spread::Servers, Spread::OneServer] {
        for count in [1, 100, 1000] {
            measure(spread, count);
        }
    }
}

fn measure(spread: Spread, count: usize) {
    let text = policies(spread, count);
    let label = match spread {
        Spread::Servers => "one server each",
        Spread::OneServer => "all on one server",
    };
    let set = PolicySet::load(&[("speed.cedar", &text)]).expect("sound policies");
    let cached = Authoriser::new(set, Options::default()).expect("a sound schema");
    let set = PolicySet::load(&[("speed.cedar", &text)]).expect("sound policies");
    let uncached = Authoriser::new(set, Options { cache_entries: 0 }).expect("a sound schema");
    let (call, with_arguments) =
        (call("status", "{}"), call("write", r#"{"path":"/srv/a","options":{"depth":2}}"#));
    let server = "s0".parse().expect("a name");
    let item = Item::Tool("status".into());

    println!("{count} policies, {label}");
    report("cached", 10_000, || cached.authorise(&call, &CX).is_ok());
    report("cached, visible", 10_000, || cached.visible(View::from(&call), &server, &item, &CX));
    report("uncached", 20, || uncached.authorise(&call, &CX).is_ok());
    report("looks at arguments", 20, || cached.authorise(&with_arguments, &CX).is_ok());
}

fn policies(spread: Spread, count: usize) -> String {
    let mut text = String::from(
        r#"permit (principal, action == Mcp::Action::"tools/call", resource == Mcp::Tool::"s0/status");
        permit (principal, action == Mcp::Action::"tools/call", resource == Mcp::Tool::"s0/write")
        when { context.arguments has path && context.arguments.path like "/srv/*" };"#,
    );
    for n in 1..count {
        let (server, condition) = match spread {
            Spread::Servers => (n, String::new()),
            Spread::OneServer => (0, format!(r#" when {{ resource has name && resource.name == "t{n}" }}"#)),
        };
        let _ =
            writeln!(text, r#"permit (principal, action, resource in Mcp::Server::"s{server}"){condition};"#);
    }
    text
}

fn call(tool: &str, arguments: &str) -> Call {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
    );
    let Ok(Message::Request(request)) = decode_one(Bytes::from(body), &Limits::default()) else {
        unreachable_request()
    };
    let principal = Principal { kind: PrincipalKind::LocalUser, id: "uid:1000".into() };
    Call {
        caller: Caller { principal, actor: None, tenant: None, method: AuthMethod::StdioPeer, grant: None },
        channel: Channel::Stdio,
        peer: None,
        endpoint: None,
        version: Version::LATEST,
        request,
        target: Target { server: "s0".parse().ok(), item: Item::Tool(tool.into()), definition: None },
        put_back: None,
    }
}

#[allow(clippy::panic, reason = "the request above is a constant")]
fn unreachable_request() -> ! {
    panic!("the request is sound")
}

/// Processor time of this thread in nanoseconds.
fn processor_time() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Times `decide`, which has to permit, in 100 batches.
fn report(label: &str, batch: u32, decide: impl Fn() -> bool) {
    assert!(decide(), "{label}");
    let mut nanos: Vec<i64> = (0..100)
        .map(|_| {
            let start = processor_time();
            for _ in 0..batch {
                black_box(decide());
            }
            (processor_time() - start) / i64::from(batch)
        })
        .collect();
    nanos.sort_unstable();
    let at = |share: usize| nanos.get(nanos.len() * share / 100).copied().unwrap_or_default();
    println!("  {label:<20} p50 {:>9} ns   p99 {:>9} ns", at(50), at(99));
}
