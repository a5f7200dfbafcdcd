//! Decisions over calls of which not everything is known.

use portcullis_core::{Canonical, Deed, Flow, Label, LabelClass, Labels, RecordId};
use portcullis_policy::{Answer, Authoriser, Known};

use crate::asking::{NOW, authoriser, call, local};

const ALL: &str = r#"@id("all") permit (principal, action, resource);"#;
const NO_ARGUMENTS: Known = Known { arguments: false, conversation: true };
const NO_CONVERSATION: Known = Known { arguments: true, conversation: false };
const NOTHING: Known = Known { arguments: false, conversation: false };

/// Policies, and what they come to where nothing changeable is known: a word, or the policies it depends on.
const TABLE: [(&str, &str); 15] = [
    ("", "deny"),
    (ALL, "allow"),
    // Only what is read matters.
    (
        r#"@id("all") permit (principal, action, resource);
        @id("n") forbid (principal, action == Mcp::Action::"tools/call", resource) when { context.arguments.n > 3 };"#,
        "n",
    ),
    (
        r#"@id("all") permit (principal, action, resource);
        @id("n") forbid (principal, action == Mcp::Action::"tools/call", resource)
        when { principal.id == "nobody" && context.arguments.n > 3 };"#,
        "allow",
    ),
    (
        r#"@id("all") permit (principal, action, resource);
        @id("n") forbid (principal, action == Mcp::Action::"tools/call", resource)
        when { context.arguments.n > 3 || principal.id == "nobody" };"#,
        "n",
    ),
    // What forbids without looking forbids, whatever else would.
    (
        r#"@id("n") permit (principal, action == Mcp::Action::"tools/call", resource) when { context.arguments.n > 3 };
        @id("no") forbid (principal, action, resource in Mcp::Server::"git");"#,
        "deny",
    ),
    // A permit that may come, and one that cannot.
    (
        r#"@id("n") permit (principal, action == Mcp::Action::"tools/call", resource) when { context.arguments.n > 3 };"#,
        "n",
    ),
    (
        r#"@id("n") permit (principal, action == Mcp::Action::"tools/call", resource)
        when { context.arguments.n > 3 && principal.id == "nobody" };"#,
        "deny",
    ),
    // Forbidden by whatever the arguments are.
    (
        r#"@id("all") permit (principal, action, resource);
        @id("n") forbid (principal, action == Mcp::Action::"tools/call", resource)
        unless { context.arguments.n > 3 && principal.id == "nobody" };"#,
        "deny",
    ),
    // Testing for the presence of what is not known is looking at it.
    (
        r#"@id("all") permit (principal, action, resource);
        @id("t") forbid (principal, action == Mcp::Action::"tools/call", resource) when { context.arguments has n };"#,
        "t",
    ),
    (
        r#"@id("all") permit (principal, action, resource);
        @id("h") forbid (principal, action == Mcp::Action::"tools/call", resource) when { context.hosts.contains("a") };"#,
        "h",
    ),
    (
        r#"@id("all") permit (principal, action, resource);
        @id("l") forbid (principal, action, resource) when { context.labels.contains("private") };"#,
        "l",
    ),
    (
        r#"@id("all") permit (principal, action, resource);
        @id("c") forbid (principal, action, resource) when { context has labels };"#,
        "c",
    ),
    // What fails whatever is not known refuses.
    (
        r#"@id("all") permit (principal, action, resource);
        @id("f") forbid (principal, action, resource) when { 9223372036854775807 + context.now > 0 };"#,
        "deny",
    ),
    (r#"@id("a") permit (principal, action, resource) when { context.approved };"#, "a"),
];

/// Calls and conversations as different as policies could tell apart.
fn worlds() -> Vec<(String, Flow)> {
    let label =
        |class, at| Label { class, server: "web".parse().unwrap(), record: RecordId::new("n".into(), at) };
    let private = Labels::new([label(LabelClass::Private, 0), label(LabelClass::Untrusted, 1)]);
    let mut worlds = Vec::new();
    for arguments in ["", "{}", r#"{"n":3}"#, r#"{"n":4}"#, r#"{"n":"x"}"#, r#"{"m":[]}"#] {
        for labels in [Labels::default(), private.clone()] {
            for approved in [false, true] {
                let conduct = [Deed::Outward].into_iter().collect();
                let mut flow = Flow { labels: labels.clone(), conduct, approved, ..Flow::default() };
                flow.canonical.hosts.extend(approved.then(|| "a".to_owned()));
                worlds.push((arguments.to_owned(), flow));
            }
        }
    }
    worlds
}

fn decided(authoriser: &Authoriser, known: Known, arguments: &str, flow: &Flow) -> Result<Answer, String> {
    let call = call(local(), "tools/call", "Tool git/log", arguments);
    let judged = authoriser.judge_known(&call, known, flow, &NOW);
    judged.map(|it| it.answer).map_err(|it| it.policies.join(" "))
}

#[test]
fn what_is_not_known_is_not_guessed() {
    for (policies, expected) in TABLE {
        let authoriser = authoriser(policies);
        let got = decided(&authoriser, NOTHING, "", &Flow::default());
        let got = got.map_or_else(|policies| policies, |answer| answer.as_str().to_owned());
        assert_eq!(got, expected, "{policies}");
    }
}

/// Whatever is decided without knowing is what is decided in every world that looks the same.
#[test]
fn what_is_decided_holds_whatever_is_not_known() {
    let mut decisions = 0;
    for (policies, _) in TABLE {
        let authoriser = authoriser(policies);
        for known in [NO_ARGUMENTS, NO_CONVERSATION, NOTHING] {
            for (arguments, flow) in worlds() {
                let shown = if known.arguments { arguments.as_str() } else { "" };
                let canonical = if known.arguments { flow.canonical.clone() } else { Canonical::default() };
                let conversation = if known.conversation { flow.clone() } else { Flow::default() };
                let seen = Flow { canonical, ..conversation };
                let Ok(answer) = decided(&authoriser, known, shown, &seen) else { continue };
                for (arguments, other) in worlds() {
                    let arguments = if known.arguments { shown } else { &arguments };
                    let conversation = if known.conversation { &flow } else { &other };
                    let canonical = if known.arguments { &flow } else { &other }.canonical.clone();
                    let flow = Flow { canonical, ..conversation.clone() };
                    let full = decided(&authoriser, Known::ALL, arguments, &flow).unwrap();
                    assert_eq!(full, answer, "{policies} {known:?} {arguments} {flow:?}");
                    decisions += 1;
                }
            }
        }
    }
    assert!(decisions > 10_000, "{decisions}");
}

#[test]
fn a_judgement_names_what_made_it() {
    let authoriser = authoriser(
        r#"@id("all") permit (principal, action, resource);
           @id("too") permit (principal, action, resource);
           @id("held") forbid (principal, action, resource)
             when { context.conduct.contains("outward") && context.labels.contains("private") && !context.approved };
           @id("no") forbid (principal, action, resource == Mcp::Tool::"git/push");
           @id("bad") forbid (principal, action == Mcp::Action::"tools/call", resource == Mcp::Tool::"git/add")
             when { context.arguments.n > 3 };"#,
    );
    let (_, labelled) = worlds().into_iter().find(|(_, flow)| flow.is_held() && !flow.approved).unwrap();
    for (tool, flow, answer, policies) in [
        ("Tool git/log", Flow::default(), Answer::Allow, "all too"),
        ("Tool git/log", labelled.clone(), Answer::Approve, "held"),
        ("Tool git/log", Flow { approved: true, ..labelled.clone() }, Answer::Allow, "all too"),
        ("Tool git/push", labelled.clone(), Answer::Deny, "held no"),
        ("Tool git/push", Flow::default(), Answer::Deny, "no"),
        ("Tool git/add", Flow::default(), Answer::Deny, "bad"),
    ] {
        let judged = authoriser.judge(&call(local(), "tools/call", tool, ""), &flow, &NOW);
        assert_eq!(
            (judged.answer, judged.policies.join(" ").as_str()),
            (answer, policies),
            "{tool} {flow:?}"
        );
        assert_eq!(judged.detail.is_empty(), answer == Answer::Allow);
    }
}
