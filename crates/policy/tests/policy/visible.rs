//! Lists show what some call could use.

use portcullis_core::{Call, Item};
use portcullis_policy::View;

use crate::asking::{NOW, authoriser, call, local, target};

/// Whether each tool is shown if a policy of this effect has this condition, next to one that permits all.
fn check(policies: &str, table: &[(&str, bool)]) {
    let authoriser = authoriser(policies);
    let listing = call(local(), "tools/list", "List */tools", "");
    for (item, expected) in table {
        let target = target(item);
        for _ in 0..2 {
            let visible =
                authoriser.visible(View::from(&listing), target.server.as_ref().unwrap(), &target.item, &NOW);
            assert_eq!(visible, *expected, "{policies}: {item}");
        }
    }
}

#[test]
fn entries_follow_call_policy() {
    check(
        r#"
        permit (principal, action == Mcp::Action::"tools/call", resource == Mcp::Tool::"git/status");
        permit (principal, action == Mcp::Action::"prompts/get", resource in Mcp::Server::"git");
        permit (principal, action in Mcp::Action::"read", resource is Mcp::Resource) when { resource.uri like "file:///pub/*" };
        forbid (principal, action, resource == Mcp::Prompt::"git/secret");
        "#,
        &[
            ("Tool git/status", true),
            ("Tool git/push", false),
            ("Tool hub/status", false),
            ("Prompt git/review", true),
            ("Prompt git/secret", false),
            ("Prompt hub/review", false),
            ("Resource hub/file:///pub/{name}", true),
            ("Resource hub/file:///etc/{name}", false),
        ],
    );
}

#[test]
fn conditions_on_arguments_are_given_the_benefit_of_the_doubt() {
    let rows = [
        ("permit", "when { context.arguments.path like \"/srv/*\" }", true),
        ("permit", "unless { context.arguments.path like \"/srv/*\" }", true),
        ("permit", "when { !(context.arguments has force) }", true),
        ("permit", "when { context.arguments.a == 1 && resource.name == \"x\" }", false),
        ("permit", "when { context.arguments.a == 1 || resource.name == \"x\" }", true),
        ("permit", "when { context.arguments.a == 1 } unless { resource.name == \"t\" }", false),
        ("permit", "when { if context.arguments has a then resource.name == \"t\" else false }", true),
        ("permit", "when { if resource.name == \"t\" then context.arguments has a else true }", true),
        ("permit", "when { if resource.name == \"t\" then false else context.arguments has a }", false),
        ("permit", "when { [resource.name].contains(context.arguments.a) }", true),
        ("forbid", "when { context.arguments.path like \"/etc/*\" }", true),
        ("forbid", "unless { context.arguments.path like \"/srv/*\" }", true),
        ("forbid", "when { context.arguments.a == 1 || resource.name == \"t\" }", false),
        (
            "forbid",
            "when { !(context.arguments has a && resource.name == \"x\") && resource.name == \"t\" }",
            false,
        ),
        ("forbid", "when { if context.arguments has a then true else resource.name == \"t\" }", false),
        ("forbid", "when { resource.name == \"t\" } unless { context.arguments has approved }", true),
    ];
    for (effect, condition, expected) in rows {
        let all = if effect == "forbid" { "permit (principal, action, resource);" } else { "" };
        let policies = format!(
            "{all} {effect} (principal, action == Mcp::Action::\"tools/call\", resource) {condition};"
        );
        check(&policies, &[("Tool s/t", expected)]);
    }
}

#[test]
fn what_cannot_be_judged_is_hidden() {
    let overflow = "permit (principal, action, resource);
        forbid (principal, action, resource) when { context.now + 9223372036854775807 == 0 };";
    check(overflow, &[("Tool s/t", false)]);
}

#[test]
fn a_visible_entry_is_not_a_permission() {
    let authoriser = authoriser(
        r#"permit (principal, action == Mcp::Action::"tools/call", resource) when { context.arguments has key };"#,
    );
    let visible = |call: &Call| {
        authoriser.visible(View::from(call), &"s".parse().unwrap(), &Item::Tool("t".into()), &NOW)
    };
    let without = call(local(), "tools/call", "Tool s/t", "");
    assert!(visible(&without));
    assert!(authoriser.authorise(&without, &NOW).is_err());
    assert!(visible(&without));
}
