//! Conditions on what a call would do.

use portcullis_core::{Canonical, Flow};

use crate::asking::{NOW, authoriser, call, local, verdict};

/// Whether a call with these arguments is permitted if the one policy's condition is `condition`.
fn check(condition: &str, table: &[(&str, bool)]) {
    let policies = format!(
        r#"permit (principal, action == Mcp::Action::"tools/call", resource) when {{ {condition} }};"#
    );
    let authoriser = authoriser(&policies);
    for (arguments, expected) in table {
        let result = verdict(authoriser.authorise(call(local(), "tools/call", "Tool a/b", arguments), &NOW));
        assert_eq!(result.is_ok(), *expected, "{condition} with {arguments}: {result:?}");
    }
}

#[test]
fn values_of_every_kind_can_be_compared() {
    check(
        r#"context.arguments.path like "/srv/*""#,
        &[
            (r#"{"path":"/srv/a"}"#, true),
            (r#"{"path":"/etc/a"}"#, false),
            (r#"{"path":"\/sr\u0076/a"}"#, true),
            (r#"{"path":null}"#, false),
            (r#"{"path":7}"#, false),
            (r#"{}"#, false),
            ("", false),
        ],
    );
    check(
        "context.arguments.limit <= 100",
        &[
            (r#"{"limit":100}"#, true),
            (r#"{"limit":101}"#, false),
            (r#"{"limit":1e2}"#, true),
            (r#"{"limit":100.5}"#, false),
            (r#"{"limit":"5"}"#, false),
        ],
    );
    check(
        "context.arguments.dry",
        &[(r#"{"dry":true}"#, true), (r#"{"dry":false}"#, false), (r#"{"dry":1}"#, false)],
    );
    check(r#"context.arguments.ratio == "0.5""#, &[(r#"{"ratio":0.50}"#, true), (r#"{"ratio":5e-1}"#, true)]);
    check(
        r#"decimal(context.arguments.ratio).lessThan(decimal("0.75"))"#,
        &[(r#"{"ratio":0.5}"#, true), (r#"{"ratio":0.8}"#, false)],
    );
    check(
        r#"!ip(context.arguments.host).isInRange(ip("10.0.0.0/8"))"#,
        &[
            (r#"{"host":"192.0.2.1"}"#, true),
            (r#"{"host":"10.1.1.1"}"#, false),
            (r#"{"host":"example"}"#, false),
        ],
    );
}

#[test]
fn nested_values_and_arrays_are_reached() {
    check(
        r#"context.arguments.options.mode == "safe" && context.arguments.options.limits.depth < 3"#,
        &[
            (r#"{"options":{"mode":"safe","limits":{"depth":2}}}"#, true),
            (r#"{"options":{"mode":"safe","limits":{"depth":3}}}"#, false),
            (r#"{"options":{"mode":"wild","limits":{"depth":2}}}"#, false),
        ],
    );
    check(
        r#"["main", "dev"].containsAll(context.arguments.branches) && !context.arguments.branches.isEmpty()"#,
        &[
            (r#"{"branches":["dev","dev"]}"#, true),
            (r#"{"branches":["dev","prod"]}"#, false),
            (r#"{"branches":["dev",1]}"#, false),
            (r#"{"branches":[null]}"#, false),
            (r#"{"branches":[]}"#, false),
        ],
    );
    check(
        r#"context.arguments.tags.contains("public")"#,
        &[(r#"{"tags":["public",{"a":[1.5]}]}"#, true), (r#"{"tags":["Public"]}"#, false)],
    );
    check(
        r#"["a", "b"].contains(context.arguments.mode)"#,
        &[(r#"{"mode":"b"}"#, true), (r#"{"mode":"c"}"#, false)],
    );
    check(
        r#"context.arguments has options.mode && context.arguments.options.mode == "x""#,
        &[(r#"{"options":{"mode":"x"}}"#, true), (r#"{"options":{}}"#, false), ("", false)],
    );
    check(r#"context.arguments["odd key"] == 1"#, &[(r#"{"odd key":1}"#, true), (r#"{"odd key":2}"#, false)]);
    check(
        "context.arguments.tenant == principal.id",
        &[(r#"{"tenant":"uid:1000"}"#, true), (r#"{"tenant":"uid:0"}"#, false)],
    );
}

#[test]
fn text_gains_no_meaning() {
    // Cedar's JSON form gives these two keys a meaning; a caller must not be able to.
    let entity = r#"{"who":{"__entity":{"type":"Mcp::User","id":"local-user:uid:1000"}}}"#;
    let extension = r#"{"who":{"__extn":{"fn":"ip","arg":"127.0.0.1"}}}"#;
    check(r#"context.arguments.who["__entity"].id == "local-user:uid:1000""#, &[(entity, true)]);
    check(r#"context.arguments.who["__extn"].arg == "127.0.0.1""#, &[(extension, true)]);
}

#[test]
fn what_cannot_be_judged_is_refused_where_it_matters() {
    let deep = |levels: usize| format!(r#"{{"a":{}1{}}}"#, "[".repeat(levels), "]".repeat(levels));
    let wide = |values: usize| format!(r#"{{"a":[{}1]}}"#, "1,".repeat(values));
    let long = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes));
    check(
        "context.arguments has a",
        &[
            (&deep(15), true),
            (&deep(16), false),
            (&wide(9_000), true),
            (&wide(10_000), false),
            (&long(1 << 19), true),
            (&long(1 << 20), false),
            ("[1]", false),
            (r#""a""#, false),
            ("null", false),
        ],
    );
    // Nobody looks at the arguments, so nobody minds.
    let careless = authoriser("permit (principal, action, resource);");
    for arguments in [deep(40), wide(10_000), long(1 << 20)] {
        assert!(careless.authorise(call(local(), "tools/call", "Tool a/b", &arguments), &NOW).is_ok());
    }
}

#[test]
fn prompts_have_arguments_and_other_actions_do_not() {
    let authoriser = authoriser(
        r#"permit (principal, action in [Mcp::Action::"prompts/get", Mcp::Action::"tools/call"], resource)
           when { context.arguments has topic && context.arguments.topic == "weather" };"#,
    );
    let ask =
        |arguments| authoriser.authorise(call(local(), "prompts/get", "Prompt a/b", arguments), &NOW).is_ok();
    assert!(ask(r#"{"topic":"weather"}"#));
    assert!(!ask(r#"{"topic":"war"}"#));
}

#[test]
fn what_arguments_name_is_seen_in_its_one_form() {
    let authoriser = authoriser(
        r#"permit (principal, action == Mcp::Action::"tools/call", resource)
           when { ["a.example"].containsAll(context.hosts) };
           forbid (principal, action == Mcp::Action::"tools/call", resource)
           when { context.arguments has path && context.arguments.path like "/etc/*" };"#,
    );
    for (written, path, hosts, expected) in [
        ("/srv/a", None, &[][..], true),
        ("/srv/../etc/a", None, &[], true),
        ("/srv/../etc/a", Some("/etc/a"), &[], false),
        ("/etc//a", Some("/etc/a"), &[], false),
        ("/srv/a", None, &["a.example"], true),
        ("/srv/a", None, &["a.example", "b.example"], false),
    ] {
        let call = call(local(), "tools/call", "Tool a/b", &format!(r#"{{"path":"{written}"}}"#));
        let start = call.request.params().unwrap().path(&["arguments", "path"]).unwrap().span().start;
        let texts = path.map(|path| (start, path.to_owned())).into_iter().collect();
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        let canonical = Canonical { texts, hosts, ..Canonical::default() };
        let result = verdict(authoriser.authorise_in(call, &Flow { canonical, ..Flow::default() }, &NOW));
        assert_eq!(result.is_ok(), expected, "{written} {path:?}: {result:?}");
    }
}
