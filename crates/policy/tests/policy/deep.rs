//! Policies that nest deeply do not bring down the process.

use portcullis_policy::PolicySet;
use proptest::{prelude::*, sample::select};

/// Loads a policy whose condition is `n` repetitions of `open`, then `core`, then as many of `close`.
fn check(n: usize, open: &str, core: &str, close: &str) -> Result<usize, String> {
    let condition = format!("{}{core}{}", open.repeat(n), close.repeat(n));
    let text = format!(
        "permit (principal, action == Mcp::Action::\"tools/call\", resource)\nwhen {{ {condition} }};"
    );
    PolicySet::load(&[("p.cedar", &text)]).map(|set| set.len()).map_err(|faults| faults[0].to_string())
}

#[test]
fn depth_is_bounded() {
    let shapes = [
        ("context.arguments has b || ", "true", ""),
        ("(", "true", ")"),
        ("if context.arguments has b then true else ", "true", ""),
        ("[", "context.arguments.a", "].contains(1)"),
        ("context.arguments", " has a", ".a"),
    ];
    for (open, core, close) in &shapes[..3] {
        assert_eq!(check(200, open, core, close), Ok(1), "{open}");
    }
    for (open, core, close) in shapes {
        for n in [1_000, 100_000] {
            let fault = check(n, open, core, close).unwrap_err();
            assert!(fault.starts_with("p.cedar:2:") && fault.contains("more than 1000 operators"), "{fault}");
        }
    }
}

#[test]
fn long_lists_are_not_deep() {
    let tools: Vec<_> = (0..5_000).map(|n| format!("\"a.b-c(d)[{n}] // \\\" \"")).collect();
    let set = format!("[{}].contains(resource.name)", tools.join(", "));
    let text = format!(
        "permit (principal, action, resource is Mcp::Tool) when {{ {set} }}; // {}",
        "|(".repeat(2_000)
    );
    assert_eq!(
        PolicySet::load(&[("p.cedar", &text)]).map(|set| set.len()).map_err(|faults| faults.len()),
        Ok(1)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_is_read_is_read_or_refused(
        pieces in prop::collection::vec(
            select(vec![
                "permit", "forbid", "(", ")", "principal", "action", "resource", ",", ";", "when", "{", "}", "==", "in",
                "has", "Mcp::Tool::\"a/b\"", "Mcp::Action::\"tools/call\"", "context", ".arguments", ".a", "\"", "\\",
                "//", "\n", "@id(\"x\")", "?principal", "é", "&&", "||", "!", "if", "then", "else", "[", "]", "1",
                "permit (principal, action, resource);",
                "forbid (principal, action == Mcp::Action::\"tools/call\", resource) unless { context.arguments has a };",
            ]),
            0..24,
        ),
        gap in select(vec!["", " "]),
    ) {
        if let Err(faults) = PolicySet::load(&[("p.cedar", &pieces.join(gap))]) {
            prop_assert!(!faults.is_empty());
            prop_assert!(faults.iter().all(|fault| fault.line > 0 && fault.column > 0 && !fault.remedy.is_empty()));
        }
    }
}
