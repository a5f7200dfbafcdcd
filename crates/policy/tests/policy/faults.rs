//! Mistakes are found at load, all at once, with place and remedy.

use portcullis_policy::PolicySet;

fn faults(sources: &[(&str, &str)]) -> Vec<String> {
    PolicySet::load(sources).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// Loading `policy` has exactly one fault, which begins and continues like this.
fn check(table: &[(&str, &str, &str)]) {
    for (policy, start, part) in table {
        let faults = faults(&[("p.cedar", policy)]);
        let [fault] = &*faults else { panic!("{policy}: {faults:#?}") };
        assert!(fault.starts_with(start) && fault.contains(part), "{policy}: {fault}");
    }
}

#[test]
fn each_mistake_has_its_place_and_remedy() {
    check(&[
        ("permit (principal, action, resource)", "p.cedar:1:37: the policy cannot be read", ";"),
        ("\n  permit (who, action, resource);", "p.cedar:2:11: ", "principal"),
        (
            "permit (principal, action == Mcp::Action::\"tools/cal\", resource);",
            "p.cedar:1:30: ",
            "did you mean `Mcp::Action::\"tools/call\"`?",
        ),
        ("permit (principal, action, resource is Mcp::Tol);", "p.cedar:1:40: ", "did you mean `Mcp::Tool`?"),
        (
            "permit (principal, action, resource is Mcp::Tool) when { resource.nam == \"x\" };",
            "p.cedar:1:58: ",
            "name",
        ),
        (
            "permit (principal, action, resource) when { principal.tenant == \"x\" };",
            "p.cedar:1:45: ",
            "tenant",
        ),
        (
            "permit (principal in Mcp::PrincipalKind::\"localuser\", action, resource);",
            "p.cedar:1:22: ",
            "local-user",
        ),
        (
            "permit (principal, action, resource) when { context.now == \"today\" };",
            "p.cedar:1:45: ",
            "String",
        ),
        (
            "permit (principal, action == Mcp::Action::\"tools/call\", resource in Mcp::Endpoint::\"*\");",
            "p.cedar:1:1: ",
            "no request can match",
        ),
        ("forbid (principal, action, resource) when { false };", "p.cedar:1:1: ", "no request can match"),
        (
            "permit (principal, action, resource == Mcp::Tool::\"git_status\");",
            "p.cedar:1:1: nothing is ever called `Mcp::Tool::\"git_status\"`",
            "as in `Mcp::Tool::\"git/git_status\"`",
        ),
        (
            "permit (principal == Mcp::User::\"alice\", action, resource);",
            "p.cedar:1:1: ",
            "`Mcp::User::\"dev:alice\"`",
        ),
        (
            "permit (principal, action, resource in Mcp::Server::\"Git Hub\");",
            "p.cedar:1:1: ",
            "configuration",
        ),
        ("permit (principal, action, resource in Mcp::List::\"git/tool\");", "p.cedar:1:1: ", "`tools`"),
        (
            "permit (principal, action, resource in Mcp::Endpoint::\"all\");",
            "p.cedar:1:1: ",
            "Mcp::Endpoint::\"*\"",
        ),
        (
            "permit (principal == ?principal, action, resource);",
            "p.cedar:1:1: ",
            "templates are not supported",
        ),
        ("@reson(\"x\") permit (principal, action, resource);", "p.cedar:1:1: ", "`@reason`"),
        ("@id(\"a b\") permit (principal, action, resource);", "p.cedar:1:1: the id `a b`", "letters"),
        ("@reason(\"\") forbid (principal, action, resource);", "p.cedar:1:1: ", "1 to 300 characters"),
    ]);
}

#[test]
fn uses_of_arguments_are_checked_as_far_as_the_policy_tells() {
    let policy = |condition: &str| {
        format!(
            r#"permit (principal, action == Mcp::Action::"tools/call", resource) when {{ {condition} }};"#
        )
    };
    let sound = [
        "context.arguments has a && context.arguments.a.b.c < 3",
        "context.arguments has a && [1, 2].contains(context.arguments.a)",
        "context.arguments has a && (if context.arguments.a then context.arguments.b else false)",
        "context.arguments has a && context.arguments.a == context.now",
        "context.arguments has a && context.arguments.a == context.arguments.b",
        "context.arguments has a && [context.arguments.a, \"x\"].containsAny(context.arguments.b)",
        "context has arguments && !(context.arguments has a)",
        "context.arguments has a && datetime(context.arguments.a) < datetime(\"2027-01-01\")",
    ];
    for condition in sound {
        assert_eq!(faults(&[("p.cedar", &policy(condition))]), Vec::<String>::new(), "{condition}");
    }
    let wrong = [
        ("context.arguments.a in Mcp::Server::\"git\"", "String"),
        ("context.arguments.a == ip(\"127.0.0.1\")", "ipaddr"),
        ("context.arguments.a like \"x\" && principal.tennant == \"x\"", "tennant"),
        ("context.argument.a == 1", "argument"),
        ("context.arguments == {}", ""),
    ];
    for (condition, part) in wrong {
        let faults = faults(&[("p.cedar", &policy(condition))]);
        assert!(faults.len() == 1 && faults[0].contains(part), "{condition}: {faults:?}");
    }
    // Only some actions have arguments.
    let everywhere = "permit (principal, action, resource) when { context.arguments has a };";
    let all = faults(&[("p.cedar", everywhere)]);
    assert!(
        all.len() == 1 && all[0].contains("only `tools/call` and `prompts/get` have arguments"),
        "{all:?}"
    );
}

#[test]
fn all_mistakes_of_all_files_come_together() {
    let sources = [
        ("a.cedar", "permit (principal, action, resource)\n"),
        (
            "b.cedar",
            "@id(\"x\") permit (principal, action, resource);\n@id(\"x\") permit (principal, action, resource);\n",
        ),
        (
            "c.cedar",
            "// permit (principal, action, resource is Mcp::Oops);\npermit (principal, action, resource is Mcp::Oops);",
        ),
        ("d.cedar", "permit (principal, action, resource == Mcp::Tool::\"x\");"),
    ];
    let all = faults(&sources);
    let places: Vec<_> = all.iter().filter_map(|fault| fault.split(": ").next()).collect();
    assert_eq!(places, ["a.cedar:1:37", "b.cedar:2:1", "d.cedar:1:1"], "{all:#?}");
    // Ids are unique again, so validation runs.
    let all = faults(&[sources[0], sources[2], sources[3]]);
    let places: Vec<_> = all.iter().filter_map(|fault| fault.split(": ").next()).collect();
    assert_eq!(places, ["a.cedar:1:37", "c.cedar:2:40", "d.cedar:1:1"], "{all:#?}");
}

#[test]
fn suspicions_do_not_stop_a_policy() {
    let set = PolicySet::load(&[(
        "p.cedar",
        "permit (principal, action == Mcp::Action::\"tools/call\", resource)\n\
         when { context.arguments.path like \"/srv/*\" };\n\
         permit (principal, action == Mcp::Action::\"tools/call\", resource)\n\
         when { context.arguments has path && context.arguments.path like \"/srv/*\" };",
    )]);
    let set = set.map_err(|faults| format!("{faults:?}")).unwrap();
    let warnings: Vec<_> = set.warnings().iter().map(ToString::to_string).collect();
    let [warning] = &*warnings else { panic!("{warnings:?}") };
    assert!(warning.starts_with("p.cedar:1:1: the argument `path` is used without a test"), "{warning}");
    assert_eq!(set.len(), 2);
}

#[test]
fn the_digest_covers_names_texts_and_order() {
    let digest = |sources: &[(&str, &str)]| PolicySet::load(sources).map(|set| set.digest()).ok().unwrap();
    let base = digest(&[("a", "// x"), ("b", "// y")]);
    assert_eq!(base, digest(&[("a", "// x"), ("b", "// y")]));
    for other in [
        [("b", "// y"), ("a", "// x")],
        [("a", "// x"), ("c", "// y")],
        [("a", "// x"), ("b", "// z")],
        [("a", "// xb"), ("", "// y")],
    ] {
        assert_ne!(base, digest(&other), "{other:?}");
    }
}
